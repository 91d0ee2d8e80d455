"""Train on my list: paste a list, see what was read, watch a model learn it, take it home.

The tab is drawn by `assets/train.js`; the work is the workshop's. A list reaches the server as a
value, when the visitor pastes or chooses it, and no file is written of it.
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import gradio as gr

from charmodels.runtime import CharModelError
from demo.chat import told_in_all
from demo.pages.page import Page, messages
from demo.trainable import Workshop

_ASSETS = Path(__file__).parent.parent / "assets"

_READERS = 2
"""Lists read at once; a megabyte takes a second."""

_EVERY_S = 0.5
"""Seconds between two looks at a training."""


def build_train(workshop: Workshop) -> Page:
    """Lay the tab out and wire it; its script follows the language by itself."""
    bench = gr.HTML(
        None,
        elem_id="train",
        html_template=(_ASSETS / "train.html").read_text(encoding="utf-8"),
        js_on_load=(_ASSETS / "train.js").read_text(encoding="utf-8"),
        apply_default_css=False,
        minutes=list(workshop.minutes),
    )
    progress, parcel = (messages(f"train.{name}") for name in ("progress", "parcel"))

    def read(asked: object) -> dict[str, Any]:
        number = asked.get("id") if isinstance(asked, dict) else None
        try:
            return {"id": number, "refused": None, "read": workshop.read(asked)}
        except CharModelError as error:
            return {"id": number, "refused": told_in_all(error), "read": None}

    async def start(asked: object) -> AsyncIterator[dict[str, Any]]:
        """How the training goes, twice a second; when nobody listens any more, it ends."""
        try:
            job = await asyncio.to_thread(workshop.enter, asked)
        except CharModelError as error:
            yield {"phase": "failed", "refused": told_in_all(error)}
            return
        try:
            while not job.is_over:
                yield workshop.tell(job)
                await asyncio.sleep(_EVERY_S)
            yield workshop.tell(job)
        finally:
            workshop.leave(job)

    def cancel(asked: object) -> None:
        workshop.cancel(asked)

    def fetch(asked: object) -> dict[str, Any]:
        try:
            made = workshop.made(asked)
        except CharModelError as error:
            return {"refused": told_in_all(error)}
        return {"name": made.name, "zip": base64.b64encode(made.archive).decode()}

    private: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    asked = {"inputs": bench, "js": "() => [charmodels.train.asked()]", **private}
    about = {"inputs": bench, "js": "() => [charmodels.train.job()]", **private}
    reading = bench.read(
        read,
        outputs=bench,
        concurrency_limit=_READERS,
        concurrency_id="list",
        trigger_mode="always_last",
        **asked,
    )
    # Those who wait hold no thread: the queue is the workshop's, which tells them their place.
    started = bench.start(
        start, outputs=progress, concurrency_limit=None, trigger_mode="once", **asked
    )
    fetched = bench.fetch(
        fetch, outputs=parcel, concurrency_limit=_READERS, concurrency_id="list", **about
    )
    bench.cancel(cancel, queue=False, **about)
    for event in (reading, started, fetched):
        event.failure(None, js="() => charmodels.train.fail()", api_visibility="private")
    return Page(grown=[started])
