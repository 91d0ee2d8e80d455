"""Learn: a text, the letters a model expects after it, and short lessons beside them.

The lessons stand in `assets/learn.html` and their words in `demo.words`; `assets/learn.js` fills
in what `demo.look` finds out about the visitor's text.
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gradio as gr

from charmodels.runtime import CharModelError
from demo import chat
from demo.look import TEMPERATURES, look
from demo.pages.page import Page, messages
from demo.pages.write import LOOKERS, WRITERS
from demo.shelf import Shelf, Speaker, find_speaker
from demo.words import language_of

_ASSETS = Path(__file__).parent.parent / "assets"

_NAMES, _MORE = 3, 120
"""Names written for a beginning, or characters of text."""


def build_learn(speakers: Shelf, language: gr.Radio) -> Page:
    """Lay the tab out and wire it; its script follows the language by itself."""
    shelf = speakers.by_name
    lessons = gr.HTML(
        None,
        elem_id="learn",
        html_template=_lessons(),
        js_on_load=(_ASSETS / "learn.js").read_text(encoding="utf-8"),
        apply_default_css=False,
        models=[_introduction(speaker) for speaker in speakers],
        limit=chat.MAX_MESSAGE,
    )
    written, offered = (messages(f"learn.{name}") for name in ("written", "offered"))

    def looked(asked: object) -> dict[str, Any]:
        return answer(shelf, asked)

    def begun(asked: object) -> Iterator[dict[str, Any]]:
        yield from begin(shelf, asked)

    wiring: dict[str, Any] = {
        "inputs": lessons,
        "js": "() => [charmodels.learn.asked()]",
        "show_progress": "hidden",
        "api_visibility": "private",
    }
    looking = lessons.look(
        looked,
        outputs=lessons,
        concurrency_limit=LOOKERS,
        concurrency_id="look",
        trigger_mode="always_last",
        **wiring,
    )
    beginning = lessons.begin(
        begun,
        outputs=written,
        concurrency_limit=WRITERS,
        concurrency_id="write",
        trigger_mode="once",
        **wiring,
    )
    for event in (looking, beginning):
        event.failure(None, js="() => charmodels.learn.fail()", api_visibility="private")
    return Page([offered], lambda _: [gr.update(value=[_introduction(s) for s in speakers])])


def answer(shelf: Mapping[str, Speaker], asked: object) -> dict[str, Any]:
    """What there is to show of a text a browser sent, or why it cannot be read."""
    asked = asked if isinstance(asked, dict) else {}
    language = language_of(asked.get("language"))
    told: dict[str, Any] = {"id": asked.get("id"), "refused": "", "look": None}
    try:
        model = find_speaker(shelf, asked.get("model")).model
        looked = look(model, chat.check_message(model, asked.get("text")), language)
    except CharModelError as error:
        return told | {"refused": chat.told(error, language)}
    shown = asdict(looked)
    shown["warmed"] = [
        {"temperature": temperature, "options": options}
        for temperature, options in zip(TEMPERATURES, shown["warmed"], strict=True)
    ]
    return told | {"look": shown}


def begin(shelf: Mapping[str, Speaker], asked: object) -> Iterator[dict[str, Any]]:
    """Names, or a little text, from the visitor's text on; growing."""
    asked = asked if isinstance(asked, dict) else {}
    try:
        model = find_speaker(shelf, asked.get("model")).model
        text = chat.check_message(model, asked.get("text"))
    except CharModelError as error:
        yield {"refused": chat.told(error, language_of(asked.get("language")))}
        return
    seed = chat.choose_seed(chat.RANDOM_SEED)
    length = min(chat.default_length(model), _MORE)
    settings = chat.check_settings(model, None, length, _NAMES, seed)
    for reply in chat.write(model, text, settings, weighed=False):
        yield {
            "given": text,
            "text": reply.text,
            "names": not model.endless,
            "seed": seed,
            "done": reply.done,
        }


def _introduction(speaker: Speaker) -> dict[str, Any]:
    """What the tab says of a model before it is asked anything."""
    bits = speaker.bits_per_char
    return {
        "name": speaker.name,
        "title": {"es": speaker.title("es"), "en": speaker.title("en")},
        "kind": speaker.model.bundle.kind,
        "start": speaker.beginnings()[0],
        "network": speaker.network,
        "bits": "" if bits is None else f"{bits:.2f}",
    }


def _lessons() -> str:
    """The lessons, with the measured figure where it stands if it has been made."""
    page = (_ASSETS / "learn.html").read_text(encoding="utf-8")
    path = _ASSETS / "reach.svg"
    return page.replace("<!-- reach -->", _figure(path) if path.is_file() else "")


def _figure(path: Path) -> str:
    """A drawing made elsewhere: as a picture, so that its style stays its own."""
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    source = f"data:image/svg+xml;base64,{data}"
    return (
        f'<figure class="reach"><img src="{source}" alt="">'
        '<figcaption data-say="learn.reach.figure"></figcaption></figure>'
    )
