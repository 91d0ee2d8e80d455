"""A turn of the chat, without Gradio: a model, a message and settings in, a growing reply out.

One rule keeps every visitor's chat right, also after Stop: the model remembers what the page
shows. The memory after a text is the state after reading it, so it can always be made again from
the text; `recall` keeps the last ones only to save the time.
"""

import math
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from charmodels.runtime import (
    CharModelError,
    Memory,
    Model,
    Prediction,
    SettingError,
)
from charmodels.runtime.bundle import Kind
from charmodels.runtime.model import TextStream
from charmodels.runtime.sampling import MAX_SEED
from charmodels.runtime.vocabulary import normalise
from demo.turns import Turns
from demo.words import LANGUAGES, Language, say

GATHER_S = 0.04
"""Seconds for which characters are gathered before the page is told: 25 updates a second."""

TURN_S = 0.005
"""Seconds that one reply is written before another one's turn comes."""

TURNS = Turns()

_FEW = 16
"""Of those who wait their turn, so many make it twice as long until the page is told."""

BEAT_S = 0.5
"""Seconds after which the same is told again where nothing came: who left is noticed then."""

DEADLINE_S = 20.0
"""Seconds after which a reply ends, however slow the model or the visitor's connection."""

MAX_MESSAGE = 500
MAX_COUNT = 20
MAX_PREDICTIONS = 1000
"""Characters named as possible next ones, at most; models know some hundred."""

MAX_TEMPERATURE = 2
MAX_CHARS: dict[Kind, int] = {"names": 100, "text": 2000}
"""Characters of one name, or of one reply, at most."""

MAX_SAID = 20_000
"""Characters of a chat that are read again at most when no kept memory fits."""

_UNCHOSEN = "--"
"""Stands for the percent of a character that the model did not choose."""

Piece = TypeVar("Piece", str, tuple[Any, ...])
"""What is gathered: letters, or names."""

RANDOM_SEED = -1
_RANDOM_SEEDS = 1_000_000
"""Random seeds are drawn below this: short enough to be typed again."""


_LABELS = {
    "max_chars": "length.text",
    "prefix": "message",
    "shortest": "names.length",
    "longest": "names.length",
    **{name: f"names.{name}" for name in ("starts", "ends", "contains", "pattern", "novel")},
}
"""What the page calls a setting, where that is not the setting's own name."""


class Refusal(SettingError):
    """Something the visitor can mend: in English as an exception, in both languages by `said`."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(say("en", key, **values))
        self._key, self._values = key, values

    @property
    def setting(self) -> str:
        """The setting it is about, if it is about one."""
        return str(self._values.get("setting", ""))

    def said(self, language: Language) -> str:
        """The sentence for the page, where a setting is called by its label."""
        values = dict(self._values)
        if "setting" in values:
            values["setting"] = say(language, _LABELS.get(self.setting, self.setting))
        return say(language, self._key, **values)


@dataclass(frozen=True)
class Settings:
    """What a visitor chooses for one reply."""

    temperature: float
    """0 always takes the likeliest character; more is wilder."""
    max_chars: int
    """New characters of one name, or of the whole text."""
    count: int = 1
    """How many names; a text model writes one reply."""
    seed: int = RANDOM_SEED
    """The same seed repeats the same reply; -1 draws one."""
    balance: float = 0.0
    """-1 hears the network alone, 1 the n-gram alone; 0 for a model without one."""


@dataclass(frozen=True)
class Reply:
    """A reply so far: its text, and for a text model's whole reply the memory after it."""

    text: str
    done: bool = False
    memory: Memory | None = None
    sure: str = ""
    """How sure the model was: two digits a character of the text, the percent it gave to that
    character at the temperature 1 and the balance used; "--" where it chose nothing. The end of a
    name stands at the line break after it."""


@dataclass(frozen=True)
class Kept:
    """A memory beside the model and the text that made it."""

    name: str
    said: str
    memory: Memory


def told(error: CharModelError, language: Language) -> str:
    """An error in the visitor's language where it has one."""
    return error.said(language) if isinstance(error, Refusal) else str(error)


def told_in_all(error: CharModelError) -> dict[Language, str]:
    """An error in every language, for a page that may change its own."""
    return {language: told(error, language) for language in LANGUAGES}


def check_message(
    model: Model, message: object, setting: str = "prefix", limit: int = MAX_MESSAGE
) -> str:
    """The message as the model will read it (NFC); `setting` is what it is called.

    Raises:
        Refusal: it is no text, longer than `limit` characters, or holds characters the model has
            never seen.
    """
    if not isinstance(message, str):
        raise Refusal("refusal.text", setting=setting)
    message = normalise(message)
    if len(message) > limit:
        raise Refusal("refusal.message", setting=setting, length=len(message), limit=limit)
    strangers = model.vocabulary.unknown(message)
    if not strangers:
        return message
    characters = ", ".join(_shown(character) for character in strangers[:8])
    hint = next((h for h in (message.lower(), message.title()) if _fits(model, message, h)), None)
    if hint is not None:
        raise Refusal("refusal.unknown.hint", setting=setting, characters=characters, hint=hint)
    known = _ranges(model)[:120]
    raise Refusal("refusal.unknown", setting=setting, characters=characters, known=known)


def check_settings(
    model: Model,
    temperature: object,
    max_chars: object,
    count: object = 1,
    seed: object = RANDOM_SEED,
    balance: object = 0.0,
) -> Settings:
    """Settings within their limits; None for a setting is its default.

    Raises:
        Refusal: naming the setting, its value and its limits.
    """
    kind = model.bundle.kind
    warmth = default_temperature(model) if temperature is None else temperature
    length = default_length(model) if max_chars is None else max_chars
    return Settings(
        temperature=_number("temperature", warmth, 0, MAX_TEMPERATURE),
        max_chars=check_whole("max_chars", length, 1, MAX_CHARS[kind]),
        count=check_whole("count", 1 if count is None else count, 1, MAX_COUNT),
        seed=check_whole("seed", RANDOM_SEED if seed is None else seed, RANDOM_SEED, MAX_SEED),
        # The page's slider is hidden for a model without an n-gram, and keeps where it stood.
        balance=_number("balance", balance or 0.0, -1, 1) if model.has_ngram else 0.0,
    )


def predict(model: Model, window: object, count: object) -> list[Prediction]:
    """The likeliest characters after `window`, checked as a message is.

    Raises:
        Refusal: the window cannot be read, or the count is none.
    """
    return model.predict(
        check_message(model, window), check_whole("count", count, 1, MAX_PREDICTIONS)
    )


def default_temperature(model: Model) -> float:
    """The bundle's own, within what the page allows."""
    return min(model.bundle.sampling.temperature, MAX_TEMPERATURE)


def default_length(model: Model) -> int:
    """The bundle's own, within what the page allows."""
    return min(model.bundle.max_chars, MAX_CHARS[model.bundle.kind])


def opening(model: Model) -> str:
    """Where a text begins that nobody begins: on a new line, as if one had just ended.

    Nothing at all is what no model ever read before a text: of 200 replies of the two shipped text
    models, 28 and 22 began with a capital, the others inside a word; on a new line 156 and 155 did.
    """
    return "\n" if model.endless and "\n" in model.vocabulary.ids else ""


def choose_seed(seed: int) -> int:
    """The seed itself, or a random one for -1; the page shows it, so that a reply can be repeated.

    It only has to differ from visit to visit: nothing secret hangs on it.
    """
    return random.SystemRandom().randrange(_RANDOM_SEEDS) if seed == RANDOM_SEED else seed


def write(
    model: Model,
    message: str,
    settings: Settings,
    memory: Memory | None = None,
    *,
    weighed: bool = True,
) -> Iterator[Reply]:
    """Reply to `message`, growing: its first character at once, then about every 40 ms.

    A text model reads the message after `memory` and yields what it adds; the last reply carries
    the memory after it. A names model has no memory: it yields names, one a line, each starting
    with the message; name i is row i of the seed. Unless it is `weighed`, no reply says how sure
    the model was, which takes an eighth of the time.
    """
    seed = choose_seed(settings.seed)
    text, sure = "", list[str]()
    noted = sure if weighed else None
    if not model.endless:
        for text in gather(_names(model, message, settings, seed, noted)):
            yield Reply(text, sure="".join(sure))
        yield Reply(text, done=True, sure="".join(sure))
        return
    stream = model.stream(
        message,
        max_chars=settings.max_chars,
        seed=seed,
        memory=memory,
        temperature=settings.temperature,
        balance=settings.balance,
    )
    for text in gather(_noted(stream, noted)):
        yield Reply(text, sure="".join(sure))
    yield Reply(text, done=True, memory=stream.memory, sure="".join(sure))


def gather(
    pieces: Iterable[Piece],
    every: float = GATHER_S,
    deadline: float = DEADLINE_S,
    turn: float = TURN_S,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Piece]:
    """What there is so far: after the first piece, then every `every` seconds, then whole.

    Telling the page each character costs it more than the model needs to write it; where many write
    it is told less often. Each of them computes for `turn` seconds at a time, or one piece.
    """
    waiting = iter(pieces)
    start = now = clock()
    told_at, told = start, 0
    text: Piece | None = None
    over = False
    while not over and now - start < deadline:
        with TURNS:
            ends = clock() + turn
            for piece in waiting:
                text = piece if text is None else text + piece
                now = clock()
                if not told or now >= ends:
                    break
            else:
                over = True
        if text is None:
            continue
        since, crowded = now - told_at, 1 + TURNS.waiting / _FEW
        is_due = over or not told or since >= every * crowded
        if (len(text) > told and is_due) or since >= BEAT_S:
            told = len(text)
            yield text
            told_at = clock()
    if text is not None and len(text) > told:
        yield text


def recall(model: Model, name: str, said: str, kept: Sequence[Kept] = ()) -> Memory | None:
    """The memory of `model` (called `name`) after `said`, from `kept` if one fits; None for "".

    Raises:
        VocabularyError: `said` holds characters the model has never seen.
    """
    if not said:
        return None
    fitting = [k for k in kept if k.name == name and said.startswith(k.said)]
    if not fitting:
        return model.stream(said[-MAX_SAID:], max_chars=0).memory
    best = max(fitting, key=lambda k: len(k.said))
    unread = said[len(best.said) :][-MAX_SAID:]
    if not unread:
        return best.memory
    return model.stream(unread, max_chars=0, memory=best.memory).memory


def _names(
    model: Model, message: str, settings: Settings, seed: int, sure: list[str] | None
) -> Iterator[str]:
    """Names, one a line; the message comes with the first new character of each."""
    for row in range(settings.count):
        stream = model.stream(
            message,
            max_chars=settings.max_chars,
            seed=seed,
            row=row,
            temperature=settings.temperature,
            balance=settings.balance,
        )
        if sure is not None:
            sure += [_UNCHOSEN] * len(message)
        written = _noted(stream, sure)
        yield ("\n" if row else "") + message + next(written, "")
        yield from written
        if sure is not None:
            sure.append(_percent(stream.probability) if stream.ended else _UNCHOSEN)


def _noted(stream: TextStream, sure: list[str] | None) -> Iterator[str]:
    """The characters of a stream; `sure`, if any, gets the percent each was given."""
    if sure is None:
        return stream
    return _weighing(stream, sure)


def _weighing(stream: TextStream, sure: list[str]) -> Iterator[str]:
    for character in stream:
        sure.append(_percent(stream.probability))
        yield character


def _percent(probability: float) -> str:
    """Two digits; a broken model's nan is none."""
    if math.isnan(probability):
        return _UNCHOSEN
    return f"{min(99, round(100 * probability)):02d}"


def _shown(character: str) -> str:
    """A character as it can be named to a reader: itself, or its code point if it has no shape."""
    return f"«{character}»" if _visible(character) else f"U+{ord(character):04X}"


def _ranges(model: Model) -> str:
    """The characters a model knows, neighbours in one: «a-z é ñ»."""
    runs: list[list[str]] = []
    for symbol in sorted(s for s in model.vocabulary.symbols if s and _visible(s)):
        if runs and ord(symbol) == ord(runs[-1][-1]) + 1:
            runs[-1].append(symbol)
        else:
            runs.append([symbol])
    return " ".join(f"{run[0]}-{run[-1]}" if len(run) > 3 else " ".join(run) for run in runs)


def _visible(character: str) -> bool:
    return character.isprintable() and not character.isspace()


def _fits(model: Model, message: str, hint: str) -> bool:
    """Whether a respelling is one the model can read, letter for letter."""
    return len(hint) == len(message) and not model.vocabulary.unknown(hint)


def _number(setting: str, value: object, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refusal("refusal.number", setting=setting, value=_brief(value))
    if not low <= value <= high:  # also false for nan
        limits = {"low": _brief(low), "high": _brief(high)}
        raise Refusal("refusal.range", setting=setting, value=_brief(value), **limits)
    return float(value)


def check_whole(setting: str, value: object, low: int, high: int) -> int:
    """A whole number within its limits.

    Raises:
        Refusal: naming the setting, its value and its limits.
    """
    number = _number(setting, value, low, high)
    if number != int(number):
        raise Refusal("refusal.whole", setting=setting, value=_brief(value))
    return int(number)


def _brief(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python refuses to print whole numbers of more than 4,300 digits
        return "…"
    return text if len(text) <= 40 else text[:40] + "…"
