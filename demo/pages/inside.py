"""Look inside: a text coloured by surprise or by one number of the memory, and the next letter.

`assets/inside.js` draws what `demo.inside` finds out about the visitor's text and what `demo.units`
finds out about the model.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import gradio as gr

from charmodels.runtime import CharModelError, Model
from demo import chat
from demo.inside import MAX_NAMES, MAX_TEXT, check_text, check_unit, example, inside
from demo.pages.page import Page, messages
from demo.pages.write import LOOKERS
from demo.shelf import Shelf, Speaker, find_speaker
from demo.units import BAR, Finding, find_units, unit_states
from demo.words import language_of

_ASSETS = Path(__file__).parent.parent / "assets"

FINDERS = 1
"""Models searched for units at once; a search takes about half a second, once for each model."""


def build_inside(speakers: Shelf, language: gr.Radio) -> Page:
    """Lay the tab out and wire it; its script follows the language by itself."""
    shelf = speakers.by_name
    sheets = gr.HTML(
        None,
        elem_id="inside",
        html_template=(_ASSETS / "inside.html").read_text(encoding="utf-8"),
        js_on_load=(_ASSETS / "inside.js").read_text(encoding="utf-8"),
        apply_default_css=False,
        models=[_introduction(speaker) for speaker in speakers],
        limit=MAX_TEXT,
        names=MAX_NAMES,
        bar=BAR,
    )
    found, offered = (messages(f"inside.{name}") for name in ("found", "offered"))
    known: WeakKeyDictionary[Model, Finding] = WeakKeyDictionary()

    def seen(asked: object) -> dict[str, Any]:
        return answer(shelf, asked)

    def searched(asked: object) -> dict[str, Any]:
        return search(shelf, known, asked)

    wiring: dict[str, Any] = {
        "inputs": sheets,
        "js": "() => [charmodels.inside.asked()]",
        "show_progress": "hidden",
        "trigger_mode": "always_last",
        "api_visibility": "private",
    }
    looking = sheets.look(
        seen, outputs=sheets, concurrency_limit=LOOKERS, concurrency_id="look", **wiring
    )
    finding = sheets.find(
        searched, outputs=found, concurrency_limit=FINDERS, concurrency_id="find", **wiring
    )
    for event in (looking, finding):
        event.failure(None, js="() => charmodels.inside.fail()", api_visibility="private")
    return Page([offered], lambda _: [gr.update(value=[_introduction(s) for s in speakers])])


def answer(shelf: Mapping[str, Speaker], asked: object) -> dict[str, Any]:
    """What there is to show of a text a browser sent, or why it cannot be read.

    Without a text the model writes one, by the seed that was sent.
    """
    asked = asked if isinstance(asked, dict) else {}
    language = language_of(asked.get("language"))
    told: dict[str, Any] = {"id": asked.get("id"), "refused": "", "look": None}
    try:
        speaker = find_speaker(shelf, asked.get("model"))
        model, text = speaker.model, asked.get("text")
        if text is None:
            seed = chat.check_settings(model, None, None, seed=asked.get("seed")).seed
            text = example(model, speaker.beginnings()[0], chat.choose_seed(seed))
        unit = check_unit(model, asked.get("state"), asked.get("index"))
        seen = inside(model, check_text(model, text), language, unit, asked.get("property"))
    except CharModelError as error:
        return told | {"refused": chat.told(error, language)}
    return told | {"look": asdict(seen)}


def search(
    shelf: Mapping[str, Speaker], known: WeakKeyDictionary[Model, Finding], asked: object
) -> dict[str, Any]:
    """The units found in the model a browser named; `known` keeps them as long as the model."""
    asked = asked if isinstance(asked, dict) else {}
    try:
        speaker = find_speaker(shelf, asked.get("model"))
        finding = known.get(speaker.model) or find_units(speaker.model)
    except CharModelError as error:
        return {"refused": chat.told(error, language_of(asked.get("language")))}
    known[speaker.model] = finding
    return {"refused": "", "model": speaker.name, **asdict(finding)}


def _introduction(speaker: Speaker) -> dict[str, Any]:
    """What the tab says of a model before it is asked anything."""
    return {
        "name": speaker.name,
        "title": {"es": speaker.title("es"), "en": speaker.title("en")},
        "kind": speaker.model.bundle.kind,
        "states": unit_states(speaker.model.bundle),
    }
