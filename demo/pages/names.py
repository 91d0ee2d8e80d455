"""Names: ten at a time, to the visitor's filters, each beside the list the model learned from.

What stands where is in `assets/names.html`; `assets/names.js` draws what `demo.names` writes, and
keeps the visitor's favourites in the browser.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gradio as gr

from charmodels.runtime import CharModelError
from charmodels.runtime.membership import Membership
from demo import chat
from demo.names import MAX_CHARS, MAX_ROWS, check_wish, patterns, try_wish, write_names, writers
from demo.pages.page import Page, messages
from demo.pages.write import LOOKERS, WRITERS
from demo.shelf import Shelf, Speaker, find_speaker
from demo.words import LANGUAGES, Language, language_of

_ASSETS = Path(__file__).parent.parent / "assets"

_FIELDS = (
    *("starts", "ends", "contains", "shortest", "longest", "pattern", "novel"),
    *("temperature", "balance", "seed", "first"),
)
"""What a browser may say of its wish; how many names it gets is ours to say."""


def build_names(speakers: Shelf, language: gr.Radio) -> Page:
    """Lay the tab out and wire it; its script follows the language by itself."""
    shelf = speakers.by_name
    wishes = gr.HTML(
        None,
        elem_id="names",
        html_template=(_ASSETS / "names.html").read_text(encoding="utf-8"),
        js_on_load=(_ASSETS / "names.js").read_text(encoding="utf-8"),
        apply_default_css=False,
        models=_introductions(shelf),
        limit=MAX_CHARS,
        rows=MAX_ROWS,
        hottest=chat.MAX_TEMPERATURE,
    )
    named, checked, offered = (messages(f"names.{name}") for name in ("answer", "verdict", "offer"))

    def name(asked: object) -> Iterator[dict[str, Any]]:
        yield from answer(shelf, asked)

    def check(asked: object) -> dict[str, Any]:
        return verdict(shelf, asked)

    wiring: dict[str, Any] = {
        "inputs": wishes,
        "show_progress": "hidden",
        "api_visibility": "private",
    }
    writing = wishes.write(
        name,
        js="() => [charmodels.names.asked()]",
        outputs=named,
        concurrency_limit=WRITERS,
        concurrency_id="write",
        trigger_mode="once",
        **wiring,
    )
    checking = wishes.check(
        check,
        js="() => [charmodels.names.checked()]",
        outputs=checked,
        concurrency_limit=LOOKERS,
        concurrency_id="look",
        trigger_mode="always_last",
        **wiring,
    )
    wishes.halt(None, cancels=[writing], api_visibility="private")
    for event in (writing, checking):
        event.failure(None, js="() => charmodels.names.fail()", api_visibility="private")
    return Page([offered], lambda _: [gr.update(value=_introductions(shelf))])


def answer(shelf: Mapping[str, Speaker], asked: object) -> Iterator[dict[str, Any]]:
    """The names a browser asked for, growing, or why there are none."""
    asked = asked if isinstance(asked, dict) else {}
    told: dict[str, Any] = {"id": asked.get("id"), "refused": None}
    try:
        model = find_speaker(writers(shelf), asked.get("model")).model
        wish = check_wish(model, **_fields(asked))
        told["seed"] = wish.settings.seed
        names: list[dict[str, Any]] = []
        for written in write_names(model, wish):
            names = [asdict(named) for named in written]
            yield told | {"names": names, "done": False}
        next_ = min(wish.first + wish.settings.count, MAX_ROWS)
        few = len(names) < wish.settings.count
        yield told | {"names": names, "next": next_, "few": few, "done": True}
    except CharModelError as error:
        yield told | {"refused": _refused(error, language_of(asked.get("language")))}


def verdict(shelf: Mapping[str, Speaker], asked: object) -> dict[str, Any]:
    """Whether a wish can be granted, before it is made."""
    asked = asked if isinstance(asked, dict) else {}
    told: dict[str, Any] = {"id": asked.get("id"), "refused": None}
    try:
        model = find_speaker(writers(shelf), asked.get("model")).model
        try_wish(model, check_wish(model, **_fields(asked)))
    except CharModelError as error:
        return told | {"refused": _refused(error, language_of(asked.get("language")))}
    return told


def _fields(asked: Mapping[str, object]) -> dict[str, object]:
    return {name: asked[name] for name in _FIELDS if name in asked}


def _refused(error: CharModelError, language: Language) -> dict[str, str]:
    """Why a wish cannot be granted, and the field it is about."""
    field = error.setting if isinstance(error, chat.Refusal) else ""
    return {"field": field, "text": chat.told(error, language)}


def _introductions(shelf: Mapping[str, Speaker]) -> list[dict[str, Any]]:
    return [_introduction(speaker) for speaker in writers(shelf).values()]


def _introduction(speaker: Speaker) -> dict[str, Any]:
    """What the tab knows of a model before it is asked anything."""
    return {
        "name": speaker.name,
        "title": {language: speaker.title(language) for language in LANGUAGES},
        "about": {language: speaker.about(language) for language in LANGUAGES},
        "ngram": speaker.model.has_ngram,
        "temperature": chat.default_temperature(speaker.model),
        "longest": chat.default_length(speaker.model),
        "patterns": patterns(speaker),
        "rate": _rate(speaker.model.bundle.membership),
    }


def _rate(filter_: Membership | None) -> dict[str, int] | None:
    """Among how many names outside the list one is taken for known, or for near, by mistake."""
    if filter_ is None:
        return None
    return {
        "known": _about(1 / filter_.false_positive_rate),
        "near": _about(1 / filter_.near_false_positive_rate),
    }


def _about(number: float) -> int:
    """A number as people say it: to its first two digits."""
    return round(float(f"{number:.2g}"))
