"""What a model expects after a text, without Gradio: its figures, and how they are said.

One text gives everything the page teaches with: the likeliest next characters, what they would be
at other temperatures, what reading only the last character would say, how surprised the model was
by each character, and its memory.
"""

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from charmodels.runtime import Model, Prediction
from charmodels.runtime.sampling import Floats
from demo.words import Language, say

COUNT = 5
"""Characters shown as the likeliest next ones."""

FEW = 3
"""Characters named where a sentence has to do."""

TEMPERATURES = (0.5, 1.0, 1.5)
"""Those shown side by side: tamed, as learned, wild."""

SURPRISED = (1.0, 2.0, 4.0, 6.0)
"""Bits from which a character is shown in the next stronger colour."""

MAX_CELLS = 256
"""Numbers of the memory that are drawn."""

_GLYPHS = {" ": "␣", "\n": "↵"}
_SPOKEN = {" ": "learn.space", "\n": "learn.newline", "": "learn.end.spoken"}


@dataclass(frozen=True)
class Face:
    """A character as it is shown and as it is read aloud."""

    glyph: str
    spoken: str


@dataclass(frozen=True)
class Option:
    """A character that may come next, ready to be shown."""

    character: str
    """"" is the end of the name, which cannot be added to a text."""
    face: Face
    percent: str
    share: float
    """Its probability, for the length of a bar."""


@dataclass(frozen=True)
class Cost:
    """A character of the visitor's text, and the bits the model paid for it."""

    face: Face
    bits: float
    level: int
    """How strong its colour is: how many of `SURPRISED` it reaches."""


@dataclass(frozen=True)
class Look:
    """All that is shown of one text."""

    text: str
    next: list[Option]
    alone: list[Option]
    """The same after reading nothing but the last character; empty for an empty text."""
    last: Face | None
    warmed: list[list[Option]]
    """The likeliest next characters at each of `TEMPERATURES`."""
    costs: list[Cost]
    total: float
    """Bits of the whole text; for names with its end."""
    memory: list[float]
    """Numbers of the first state, each from -1 to 1."""
    numbers: int
    """How many numbers the memory holds in all."""
    spoken: str
    """One sentence for those who listen."""


def look(model: Model, text: str, language: Language) -> Look:
    """Everything about `text`, which the model can read (see `chat.check_message`).

    Raises:
        VocabularyError: the text holds characters the model has never seen.
    """
    everything = model.predict(text, len(model.vocabulary))
    alone = model.predict(text[-1], FEW) if text else []
    ids = [*text, *([] if model.endless else [""])] if text else []
    bits = (model.score(text) / math.log(2)).tolist() if text else []
    states = memory_after(model, text)
    shown = [option(each, language) for each in everything[:COUNT]]
    return Look(
        text=text,
        next=shown,
        alone=[option(each, language) for each in alone],
        last=face(text[-1], language) if text else None,
        warmed=[
            [option(each, language) for each in warm(everything, temperature)[:COUNT]]
            for temperature in TEMPERATURES
        ],
        costs=[
            Cost(face(character, language), cost, level(cost))
            for character, cost in zip(ids, bits, strict=True)
        ],
        total=sum(bits),
        memory=[round(float(number), 2) for number in np.clip(states[0][:MAX_CELLS], -1, 1)],
        numbers=sum(state.size for state in states),
        spoken=say(
            language,
            "learn.spoken",
            options=", ".join(f"{each.face.spoken} {each.percent}" for each in shown[:FEW]),
        ),
    )


def warm(predictions: Sequence[Prediction], temperature: float) -> list[Prediction]:
    """The same characters with their scores divided by `temperature`; give it all of them.

    A score is the logarithm of a probability but for a constant, which the sum takes out again.
    """
    with np.errstate(divide="ignore"):  # a probability too small to write is none
        scores = np.log([each.probability for each in predictions]) / temperature
    weights: Floats = np.exp(scores - scores.max())
    weights /= weights.sum()
    return [
        Prediction(each.character, float(weight))
        for each, weight in zip(predictions, weights, strict=True)
    ]


def memory_after(model: Model, text: str) -> list[Floats]:
    """The state after the last character was read, each part a row of numbers."""
    memory = model.stream(text, max_chars=0).memory
    _, state = model.step.step(np.array([memory.token], dtype=np.int64), memory.state)
    return [np.asarray(state[part.name], dtype=np.float64).ravel() for part in model.bundle.states]


def option(prediction: Prediction, language: Language) -> Option:
    """A prediction in words."""
    character, probability = prediction
    return Option(character, face(character, language), percent(language, probability), probability)


def face(character: str, language: Language) -> Face:
    """A character made visible: the end as a word, blanks as signs, marks on a dotted circle."""
    spoken = say(language, _SPOKEN[character]) if character in _SPOKEN else character
    if not character:
        return Face(say(language, "learn.end"), spoken)
    if character in _GLYPHS:
        return Face(_GLYPHS[character], spoken)
    if unicodedata.combining(character):
        return Face(f"\N{DOTTED CIRCLE}{character}", spoken)
    if character.isspace() or not character.isprintable():
        code = f"U+{ord(character):04X}"
        return Face(code, code)
    return Face(character, spoken)


def percent(language: Language, probability: float) -> str:
    """A probability as people write it: 31 % in Spanish, 31% in English; under 10 with a tenth."""
    number = 100 * probability
    written = f"{number:.0f}" if number >= 9.95 else f"{number:.1f}"
    return ("<0.1" if number < 0.05 else written) + (
        "\N{NO-BREAK SPACE}%" if language == "es" else "%"
    )


def level(bits: float) -> int:
    """How strongly a character of so many bits is coloured, from 0."""
    return sum(bits >= limit for limit in SURPRISED)
