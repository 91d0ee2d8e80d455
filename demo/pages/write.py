"""Write: choose a model, type a beginning, watch the reply.

The transcript lives in the browser, as the value of one HTML component that `assets/chat.js`
draws; it comes with every turn, and what it shows is what the model remembers (see `demo.chat`).
"""

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from charmodels.runtime import CharModelError
from demo import chat
from demo.link import read_link
from demo.pages.page import Page, messages
from demo.place import voices
from demo.shelf import Shelf, Speaker, find_speaker, known_speaker
from demo.words import Language, language_of, say

_ASSETS = Path(__file__).parent.parent / "assets"

WRITERS = 40
"""Replies written at once, by turns (`demo.turns`); others wait. No address may have so many."""

_SURE = re.compile(r"(?:\d\d|--)*", re.ASCII)

LOOKERS = 4
"""Texts looked at at once, by visitors and by programs; each takes some milliseconds."""

_MAX_TURNS = 100
"""Turns of a chat that are kept; older ones scroll away."""


@dataclass(frozen=True)
class Turn:
    """One message and its reply, as the transcript shows it."""

    id: int
    name: str
    title: dict[str, str]
    kind: str
    message: str
    reply: str
    settings: chat.Settings
    sure: str = ""
    """Two digits a character of the reply, as in `chat.Reply`."""
    writing: bool = False


def build_write(speakers: Shelf, language: gr.Radio) -> Page:
    """Lay the page out and wire it; `language` is the page's switch."""
    shelf = speakers.by_name
    first = speakers[0]
    names = [speaker.name for speaker in speakers]

    with gr.Column(elem_id="write"):
        with gr.Column(elem_id="who"):
            model = gr.Radio(names, value=first.name, elem_id="model", container=False)
            card = gr.HTML(first.card("es"), elem_id="card", apply_default_css=False)
        with gr.Column(elem_id="talk"):
            transcript = gr.HTML(
                [],
                elem_id="chat",
                html_template='<div class="chat"></div>',
                js_on_load=_script("strip.js", "chat.js"),
                apply_default_css=False,
            )
            beginnings = gr.HTML(
                _beginnings(first),
                elem_id="beginnings",
                html_template='<div class="beginnings"></div>',
                js_on_load=_script("beginnings.js"),
                apply_default_css=False,
            )
            place = messages("view.placed")
            link = gr.HTML(None, elem_id="link", html_template="<div></div>", js_on_load="")
            notice = gr.HTML("", elem_id="notice", apply_default_css=False)
            with gr.Row(elem_id="composer"):
                message = gr.Textbox(
                    lines=1, max_lines=5, elem_id="message", max_length=chat.MAX_MESSAGE
                )
                send = gr.Button(variant="primary", elem_id="send")
                stop = gr.Button(elem_id="stop")
        with (
            gr.Column(elem_id="choices"),
            gr.Accordion("", open=True, elem_id="settings") as settings,
        ):
            temperature = gr.Slider(
                0,
                chat.MAX_TEMPERATURE,
                chat.default_temperature(first.model),
                step=0.05,
                elem_id="temperature",
                buttons=[],
            )
            balance = gr.Slider(
                -1,
                1,
                0,
                step=0.1,
                visible=first.model.has_ngram,
                elem_id="balance",
                buttons=[],
            )
            length = gr.Slider(
                1,
                chat.MAX_CHARS[first.model.bundle.kind],
                chat.default_length(first.model),
                step=1,
                elem_id="length",
                buttons=[],
            )
            count = gr.Slider(
                1,
                chat.MAX_COUNT,
                10,
                step=1,
                visible=not first.model.endless,
                elem_id="count",
                buttons=[],
            )
            seed = gr.Textbox(max_length=16, elem_id="seed")

    kept = gr.State(())
    typed = [transcript, kept, message, model, temperature, length, count, seed, balance, language]
    shown = [transcript, kept, message, notice]

    def reply(
        turns: object,
        kept: tuple[chat.Kept, ...],
        message: object,
        name: object,
        temperature: object,
        length: object,
        count: object,
        seed: object,
        balance: object,
        language: object,
    ) -> Iterator[list[Any]]:
        """Write one turn under the others."""
        try:
            speaker = find_speaker(shelf, name)
            wanted = chat.check_message(speaker.model, message)
            settings = chat.check_settings(
                speaker.model, temperature, length, count, _seed(seed), balance
            )
            yield from _write(speaker, _turns(turns, shelf), kept, wanted, settings)
        except CharModelError as error:
            yield [gr.skip(), gr.skip(), gr.skip(), _refused(error, language_of(language))]

    def again(
        turns: object,
        kept: tuple[chat.Kept, ...],
        message: object,
        name: object,
        temperature: object,
        length: object,
        count: object,
        seed: object,
        balance: object,
        language: object,
    ) -> Iterator[list[Any]]:
        """Write the last turn anew, from the memory before it."""
        before = _turns(turns, shelf)
        if not before:
            return
        last = before[-1]
        if _repeats(
            find_speaker(shelf, last.name), last, temperature, length, count, seed, balance
        ):
            seed = ""  # the same settings would write the same reply
        settings = (temperature, length, count, seed, balance, language)
        for transcript, kept_, _, notice in reply(
            [asdict(turn) for turn in before[:-1]], kept, last.message, last.name, *settings
        ):
            yield [transcript, kept_, gr.skip(), notice]

    def placed(asked: object, kept: tuple[chat.Kept, ...]) -> dict[str, Any]:
        """What stands at a place of a reply that a browser pointed at."""
        asked = asked if isinstance(asked, dict) else {}
        told: dict[str, Any] = {"id": asked.get("id"), "refused": "", "voices": []}
        try:
            speaker = find_speaker(shelf, asked.get("model"))
            heard = voices(
                speaker.model, speaker.name, asked.get("before"), asked.get("balance"), kept
            )
        except CharModelError as error:
            return told | {"refused": chat.told(error, language_of(asked.get("language")))}
        return told | {"voices": [asdict(voice) for voice in heard]}

    def restored(asked: object, language: object) -> list[Any]:
        """The settings that a link names, in their places."""
        spoken = language_of(language)
        read = read_link(shelf, asked)
        settings = read.settings
        card, beginnings, message, warmth, heard, length, count, _ = _chosen(
            shelf, read.speaker.name, spoken
        )
        refused = "".join(_refused(error, spoken) for error in read.refused)
        return [
            gr.update(value=read.speaker.name),
            card,
            beginnings,
            {**message, "value": read.prefix},
            {**warmth, "value": settings.temperature},
            {**heard, "value": settings.balance},
            {**length, "value": settings.max_chars},
            {**count, "value": settings.count},
            "" if settings.seed == chat.RANDOM_SEED else str(settings.seed),
            refused,
            # A seed repeats a reply, so it is written at once; without one nothing is to be shown.
            {"ready": not refused and settings.seed != chat.RANDOM_SEED},
        ]

    writing: dict[str, Any] = {
        "inputs": typed,
        "outputs": shown,
        "api_visibility": "private",
        "concurrency_limit": WRITERS,
        "concurrency_id": "write",
        "show_progress": "hidden",
        "trigger_mode": "once",
    }
    begun = {"fn": reply, "js": "(...values) => charmodels.begin(values)", **writing}
    ended = {"fn": None, "js": "() => charmodels.end()", "api_visibility": "private"}
    sent = gr.on([send.click, message.submit], **begun)
    picked = beginnings.click(
        None, js="() => charmodels.picked", outputs=message, api_visibility="private"
    ).then(**begun)
    redone = transcript.retry(again, js="(...values) => charmodels.begin(values, true)", **writing)
    for event in (sent, picked, redone):
        event.failure(None, js="() => charmodels.fail()", api_visibility="private")
        event.then(**ended)
    stop.click(
        None,
        js="() => charmodels.stop()",
        cancels=[sent, picked, redone],
        api_visibility="private",
    )
    transcript.place(
        placed,
        [place, kept],
        place,
        js="(place, kept) => [charmodels.view.asked(), kept]",
        concurrency_limit=LOOKERS,
        concurrency_id="look",
        show_progress="hidden",
        trigger_mode="always_last",
        api_visibility="private",
    )
    transcript.restore(
        restored,
        [link, language],
        [model, card, beginnings, message, temperature, balance, length, count, seed, notice, link],
        js="(link, language) => [charmodels.link.settings, language]",
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    ).then(None, link, js="(told) => charmodels.restored(told)", api_visibility="private")
    model.input(
        lambda name, language: _chosen(shelf, name, language_of(language)),
        [model, language],
        [card, beginnings, message, temperature, balance, length, count, notice],
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )

    def words(language: Language, name: object) -> list[Any]:
        speaker = known_speaker(shelf, name) or first
        choices = [(other.title(language), other.name) for other in speakers]
        return [
            gr.update(label=say(language, "model"), choices=choices),
            gr.update(value=say(language, "send")),
            gr.update(value=say(language, "stop")),
            gr.update(label=say(language, "settings")),
            gr.update(label=say(language, "temperature"), info=say(language, "temperature.help")),
            gr.update(label=say(language, "balance"), info=say(language, "balance.help")),
            gr.update(label=say(language, "count")),
            gr.update(
                label=say(language, "seed"),
                info=say(language, "seed.help"),
                placeholder=say(language, "seed.empty"),
            ),
            *_speaker_words(language, speaker),
        ]

    relabelled = [model, send, stop, settings, temperature, balance, count, seed]
    return Page([*relabelled, card, beginnings, message, length], words, [model])


def _repeats(speaker: Speaker, last: Turn, *typed: object) -> bool:
    """Whether these settings are those the turn was written with."""
    temperature, length, count, seed, balance = typed
    try:
        settings = chat.check_settings(
            speaker.model, temperature, length, count, _seed(seed), balance
        )
    except CharModelError:
        return False  # to be refused in words
    return settings == last.settings


def _script(*names: str) -> str:
    """The scripts of one component, in one scope."""
    return "\n".join((_ASSETS / name).read_text(encoding="utf-8") for name in names)


def _write(
    speaker: Speaker,
    turns: list[Turn],
    kept: tuple[chat.Kept, ...],
    message: str,
    settings: chat.Settings,
) -> Iterator[list[Any]]:
    """The transcript with one more turn, growing."""
    settings = replace(settings, seed=chat.choose_seed(settings.seed))
    said = _said(turns, speaker.name)
    message = message or ("" if said else chat.opening(speaker.model))
    memory = None
    if speaker.model.endless:
        memory = chat.recall(speaker.model, speaker.name, said, kept)
    turn = Turn(
        id=turns[-1].id + 1 if turns else 1,
        name=speaker.name,
        title=_titles(speaker),
        kind=speaker.model.bundle.kind,
        message=message,
        reply="",
        settings=settings,
        writing=True,
    )
    before = [asdict(earlier) for earlier in turns[1 - _MAX_TURNS :]]
    emptied: Any = ""
    for reply in chat.write(speaker.model, message, settings, memory):
        turn = replace(turn, reply=reply.text, sure=reply.sure, writing=not reply.done)
        remembered: Any = gr.skip()
        if reply.memory is not None:
            after = chat.Kept(speaker.name, said + message + reply.text, reply.memory)
            start = [] if memory is None else [chat.Kept(speaker.name, said, memory)]
            remembered = (*start, after)
        yield [[*before, asdict(turn)], remembered, emptied, emptied]
        emptied = gr.skip()  # only once: the visitor may be typing again


def _said(turns: Sequence[Turn], name: str) -> str:
    """What this chat has said with the model since another one spoke."""
    said = ""
    for turn in reversed(turns):
        if turn.name != name:
            break
        said = turn.message + turn.reply + said
    return said


def _turns(value: object, shelf: dict[str, Speaker]) -> list[Turn]:
    """The transcript a browser sent, turn by turn; what is no turn of ours is left out."""
    turns: list[Turn] = []
    for item in (value if isinstance(value, list) else [])[-_MAX_TURNS:]:
        speaker = known_speaker(shelf, item.get("name")) if isinstance(item, dict) else None
        if speaker is None:
            continue
        texts = [item.get("message"), item.get("reply")]
        if not all(isinstance(text, str) and len(text) <= chat.MAX_SAID for text in texts):
            continue
        turns.append(
            Turn(
                id=len(turns) + 1 if not turns else turns[-1].id + 1,
                name=speaker.name,
                title=_titles(speaker),
                kind=speaker.model.bundle.kind,
                message=str(item["message"]),
                reply=str(item["reply"]),
                settings=_settings(speaker, item.get("settings")),
                sure=_sure(item),
            )
        )
    return turns


def _settings(speaker: Speaker, value: object) -> chat.Settings:
    """A turn's settings as a browser sent them; the model's own if they are none of ours."""
    given = value if isinstance(value, dict) else {}
    names = ("temperature", "max_chars", "count", "seed", "balance")
    try:
        return chat.check_settings(speaker.model, *(given.get(name) for name in names))
    except CharModelError:
        return chat.check_settings(speaker.model, None, None)


def _sure(item: dict[str, Any]) -> str:
    """How sure the model was of a turn's reply; "" if that does not belong to it."""
    sure = item.get("sure")
    if not isinstance(sure, str) or len(sure) // 2 - len(item["reply"]) not in (0, 1):
        return ""
    return sure if _SURE.fullmatch(sure) else ""


def _titles(speaker: Speaker) -> dict[str, str]:
    return {"es": speaker.title("es"), "en": speaker.title("en")}


def _seed(typed: object) -> object:
    """The seed box: empty is random, digits are a number, anything else is refused later."""
    if not isinstance(typed, str):
        return typed
    typed = typed.strip()
    if not typed:
        return None
    return int(typed) if typed.isascii() and typed.isdigit() else typed


def _refused(error: CharModelError, language: Language) -> str:
    return f'<p role="alert">{html.escape(chat.told(error, language))}</p>'


def _speaker_words(language: Language, speaker: Speaker) -> list[dict[str, Any]]:
    """Card, beginnings, message box and length, in the words that fit the model."""
    kind = speaker.model.bundle.kind
    return [
        gr.update(value=speaker.card(language)),
        gr.update(value=_beginnings(speaker)),
        gr.update(label=say(language, "message"), placeholder=say(language, f"message.{kind}")),
        gr.update(label=say(language, f"length.{kind}"), info=say(language, "length.help")),
    ]


def _beginnings(speaker: Speaker) -> dict[str, Any]:
    return {"kind": speaker.model.bundle.kind, "texts": list(speaker.beginnings())}


def _chosen(shelf: dict[str, Speaker], name: object, language: Language) -> list[Any]:
    """What changes with the model: its card, its beginnings, its defaults and limits."""
    speaker = known_speaker(shelf, name) or next(iter(shelf.values()))
    model = speaker.model
    kind = model.bundle.kind
    card, beginnings, message, length = _speaker_words(language, speaker)
    length |= {"maximum": chat.MAX_CHARS[kind], "value": chat.default_length(model)}
    warmth = gr.update(value=chat.default_temperature(model))
    heard = gr.update(value=0, visible=model.has_ngram)
    shown = gr.update(visible=kind == "names")
    return [card, beginnings, message, warmth, heard, length, shown, ""]
