"""A text from inside a model, without Gradio: surprise, one unit along it, and what may come next.

A names model reads one name a line, each from the beginning; a text model reads the whole text.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from charmodels.runtime import Memory, Model
from charmodels.runtime.generation import State
from charmodels.runtime.sampling import Ids, Logits, log_softmax
from charmodels.runtime.vocabulary import BOUNDARY_ID, normalise
from demo.chat import MAX_PREDICTIONS, Refusal, check_message
from demo.look import COUNT, MAX_CELLS, Face, face
from demo.properties import properties
from demo.reading import read
from demo.units import Unit, concordance, unit_states, units_after
from demo.words import Language

MAX_TEXT = 1000
"""Characters of a text, line breaks between names counted."""

MAX_NAMES = 50

EXAMPLE_CHARS, EXAMPLE_NAMES = 300, 10
"""What a model writes for an example."""

_HEARD = {"both": 0.0, "network": -1.0, "ngram": 1.0}
"""Parts of a hybrid, by the balance that hears them alone."""

_CASES = 5
"""Characters with a property, and without it, from which a unit is measured on a text."""

_AT_ONCE = 2**20
"""Scores looked at together at most."""

Shown = tuple[str, float]
"""A character, "" for the end of a name, and its probability."""


class Scored(TypedDict):
    """A character of a text, "" for the end of a name, and the bits the model paid for it."""

    character: str
    bits: float


@dataclass(frozen=True)
class Inside:
    """All that is shown of one text."""

    text: str
    characters: list[str]
    """Those of the text, and "" where a name ends, which has a line break after it."""
    bits: list[float]
    """What the model paid for each."""
    expected: list[list[Shown]]
    """At each: the likeliest characters there."""
    values: list[float | None]
    """After each: the unit's value; none after the end of a name, or without a unit."""
    agrees: float | None
    """How often the unit tells the property on this text, as a concordance; none if it cannot be
    said."""
    next: dict[str, list[Shown]]
    """After the text: all characters, the likeliest first, by the part of the model that is heard:
    `both`, and for a hybrid `network` and `ngram`."""
    memory: list[float]
    """Numbers of the first state after the text, each from -1 to 1."""
    numbers: int
    """How many numbers the memory holds in all."""
    faces: dict[str, Face]
    """Of characters that do not look like themselves."""


def check_text(model: Model, text: object) -> list[str]:
    """The rows of a text as the model will read them: names, the last may be empty, or one text.

    Raises:
        Refusal: it is no text, too long, or holds characters the model has never seen.
    """
    if model.endless:
        return [check_message(model, text, limit=MAX_TEXT)]
    if not isinstance(text, str):
        raise Refusal("refusal.text", setting="prefix")
    text = normalise(text)
    if len(text) > MAX_TEXT:
        raise Refusal("refusal.message", length=len(text), limit=MAX_TEXT)
    *names, last = text.split("\n")
    names = [name for name in names if name]
    if len(names) >= MAX_NAMES:
        raise Refusal("refusal.names", count=len(names) + bool(last), limit=MAX_NAMES)
    return [check_message(model, name) for name in (*names, last)]


def check_unit(model: Model, state: object, index: object) -> Unit | None:
    """The unit at this place of this state; none if the model has no such unit."""
    if not isinstance(state, str) or isinstance(index, bool) or not isinstance(index, int):
        return None
    return Unit(state, index) if 0 <= index < unit_states(model.bundle).get(state, 0) else None


def example(model: Model, beginning: str, seed: int) -> str:
    """Something to look at, that the model writes itself."""
    if model.endless:
        return beginning + "".join(model.stream(beginning, max_chars=EXAMPLE_CHARS, seed=seed))
    longest = MAX_TEXT // EXAMPLE_NAMES - 1
    return "\n".join(model.generate(EXAMPLE_NAMES, max_chars=longest, seed=seed))


def score(model: Model, text: object) -> list[Scored]:
    """What `model` pays for each character of `text`, and for a name's end.

    Raises:
        Refusal: it is no text, too long, or holds characters the model has never seen.
    """
    message = check_message(model, text, limit=MAX_TEXT)
    bits = (model.score(message) / math.log(2)).tolist()
    characters = [*message, *([] if model.endless else [""])]
    return [Scored(character=c, bits=b) for c, b in zip(characters, bits, strict=True)]


def inside(
    model: Model,
    rows: Sequence[str],
    language: Language,
    unit: Unit | None = None,
    property: object = None,
) -> Inside:
    """Everything about the rows of a text (see `check_text`), which are read once, side by side.

    Args:
        model: which reads them.
        rows: names, or one text.
        language: of the faces.
        unit: the one whose values are given.
        property: a key of `properties`, or anything else.
    """
    seen = _Reading(model, [model.vocabulary.encode(row) for row in rows], unit)
    ends = [] if model.endless else [""]
    characters = [character for row in rows if row for character in [*row, *ends]]
    nexts = seen.next(model)
    shown = {c for c, _ in nexts["both"]}.union(
        characters, (c for each in seen.expected for c, _ in each)
    )
    states = unit_states(model.bundle)
    memory = seen.after[next(iter(states))].ravel() if states else np.zeros(0)
    return Inside(
        text="\n".join(rows),
        characters=characters,
        bits=seen.bits,
        expected=seen.expected,
        values=seen.values,
        agrees=_agrees(rows, seen.values, model.endless, property),
        next=nexts,
        memory=[round(float(number), 2) for number in np.clip(memory[:MAX_CELLS], -1, 1)],
        numbers=sum(seen.after[name].size for name in states),
        faces={c: f for c in sorted(shown) if (f := face(c, language)) != Face(c, c)},
    )


class _Reading:
    """What one pass over the rows tells of all their characters, row after row.

    Names have their end counted; an empty row has none.
    """

    def __init__(self, model: Model, rows: Sequence[Ids], unit: Unit | None) -> None:
        self._endless, self._symbols = model.endless, model.vocabulary.symbols
        sizes = [len(row) + (not model.endless and len(row) > 0) for row in rows]
        starts = np.cumsum([0, *sizes]).tolist()
        self.bits = [0.0] * starts[-1]
        self.expected: list[list[Shown]] = [[]] * starts[-1]
        self.values: list[float | None] = [None] * starts[-1]
        self.before = Memory(model.step.initial_state())
        """The memory before the last character of the last row."""
        self.after: State = {}
        """The state after it."""
        last = len(rows) - 1
        logits: list[Logits] = []  # of the characters at `places`, not yet told
        places: list[int] = []
        targets: list[int] = []
        for tick in read(model.step, rows):
            values = units_after(tick.state, [unit.state])[:, unit.index] if unit else None
            following = tick.place + 1
            for at, row in enumerate(tick.rows.tolist()):
                if following < sizes[row]:
                    logits.append(tick.logits[at])
                    places.append(starts[row] + following)
                    targets.append(rows[row][following] if following < len(rows[row]) else 0)
                if values is not None and following > 0:
                    self.values[starts[row] + tick.place] = round(float(values[at]), 3)
                if row == last and following >= len(rows[row]) - 1:
                    state = {name: value[at : at + 1] for name, value in tick.state.items()}
                    if following == len(rows[row]) - 1:
                        self.before = Memory(state, int(rows[row][-1]))
                    self.after = state
            if len(logits) * len(self._symbols) > _AT_ONCE:
                self._tell(logits, places, targets, set(starts))
                logits, places, targets = [], [], []
        if logits:
            self._tell(logits, places, targets, set(starts))

    def next(self, model: Model) -> dict[str, list[Shown]]:
        """What may come after the last row, by the part that is heard."""
        parts = _HEARD if model.has_ngram else {"both": 0.0}
        return {
            part: [
                (character, _short(probability))
                for character, probability in model.predict(
                    "", MAX_PREDICTIONS, self.before, balance=balance
                )
            ]
            for part, balance in parts.items()
        }

    def _tell(
        self, logits: list[Logits], places: list[int], targets: list[int], starts: set[int]
    ) -> None:
        """Bits and the likeliest characters of these; no text ends, nor a name not yet begun."""
        nats = -log_softmax(np.array(logits))
        bits = nats[np.arange(len(targets)), targets] / math.log(2)
        for at, place in enumerate(places):
            if self._endless or place in starts:
                nats[at, BOUNDARY_ID] = np.inf
        ranked = np.argsort(nats, kind="stable")[:, :COUNT]
        shares = np.exp(-np.take_along_axis(nats, ranked, axis=1))
        told = zip(places, bits.tolist(), ranked.tolist(), shares.tolist(), strict=True)
        for place, cost, ids, likely in told:
            self.bits[place] = round(cost, 3)
            self.expected[place] = [
                (self._symbols[i], _short(share))
                for i, share in zip(ids, likely, strict=True)
                if share > 0
            ]


def _agrees(
    rows: Sequence[str], values: Sequence[float | None], endless: bool, property: object
) -> float | None:
    """How well the values tell a property of the rows; none if they cannot, or too rarely."""
    held: list[bool] = []
    for row in rows:
        known = properties(row, endless)
        if not isinstance(property, str) or property not in known:
            return None
        held += known[property]
    told = np.array([value for value in values if value is not None])
    holds = np.array(held, dtype=bool)
    if len(told) != len(holds) or not _CASES <= holds.sum() <= len(holds) - _CASES:
        return None
    return round(concordance(told, holds), 3)


def _short(probability: float) -> float:
    """A probability of six digits: there are thousands of them, and pictures show three."""
    return float(f"{probability:.6g}")
