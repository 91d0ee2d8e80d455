"""What single numbers of a model's memory stand for: units that tell vowels, spaces, line starts.

A unit is one number of the state a network carries from character to character. The model writes a
text of its own; on one half of it each property of characters is given the unit that goes with it
most; on the other half, which chose nothing, it is measured how well that unit tells it.

After Karpathy, Johnson and Fei-Fei 2015, "Visualizing and understanding recurrent networks",
arXiv:1506.02078, who found theirs by eye.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from charmodels.runtime import Model, StepModel
from charmodels.runtime.balance import MIX
from charmodels.runtime.bundle import Bundle
from charmodels.runtime.generation import State
from charmodels.runtime.sampling import Floats, Ids
from demo.properties import properties
from demo.reading import read

BAR = 0.85
"""A unit is named if it is right about so many pairs: one character with the property, one
without."""

ROWS, LENGTH = 64, 128
"""A text model's own writing: rows, and characters of each."""

NAMES = 640
"""A names model's own writing; about as many characters."""

SEED = 7

MIN_CASES = 40
"""Characters with a property, and without it, that each half must have for it to be tried."""

Masks = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Unit:
    """One number of the memory: the state it belongs to, and its place there."""

    state: str
    index: int


@dataclass(frozen=True)
class Found:
    """A unit and the property it tells."""

    property: str
    """A key of what `properties` gives."""
    unit: Unit
    sign: int
    """1 if it is high where the property holds, -1 if it is low there."""
    concordance: float
    """How often it is right about a pair, on the half that did not choose it: 0.5 is a guess."""


@dataclass(frozen=True)
class Finding:
    """What was found in one model."""

    found: list[Found]
    """Those that reach `BAR`, the surest first."""
    tried: int
    """Properties that came up often enough to be tried, each with all units."""
    units: int
    characters: int
    """How much the model wrote for it, both halves."""
    chance: float
    """The best of the same properties moved along the text, where they mean nothing: their units
    chosen and measured in the same way."""


def unit_states(bundle: Bundle) -> dict[str, int]:
    """The states that hold units, and how many: not an n-gram's context, nor the balance."""
    return {
        state.name: int(np.prod(state.shape))
        for state in bundle.states
        if state.dtype == "float32" and state.name != MIX
    }


def units_after(state: State, names: Sequence[str]) -> npt.NDArray[np.float32]:
    """The numbers of these states side by side, (batch, units)."""
    return np.concatenate([state[name].reshape(len(state[name]), -1) for name in names], axis=1)


def find_units(model: Model, seed: int = SEED) -> Finding:
    """The units of `model` that tell a property, on about 8,000 characters of its own writing."""
    if model.endless:
        texts = model.generate(ROWS, max_chars=LENGTH + 1, seed=seed)
    else:
        texts = model.generate(NAMES, seed=seed)
    return find(model, texts)


def find(model: Model, texts: Sequence[str]) -> Finding:
    """The units of `model` that tell a property of `texts`, each read from the initial state.

    The even texts choose the units and the odd ones measure them.

    Raises:
        VocabularyError: a text holds characters the model has never seen.
    """
    states = unit_states(model.bundle)
    rows = [model.vocabulary.encode(text) for text in texts]
    held = [properties(text, model.endless) for text in texts]
    if model.endless:  # what follows its last character is not known
        rows = [row[:-1] for row in rows]
    return _find(model.step, states, rows, held)


def _find(
    step: StepModel,
    states: Mapping[str, int],
    rows: Sequence[Ids],
    held: Sequence[Mapping[str, Sequence[bool]]],
) -> Finding:
    names = list(held[0]) if held else []
    choosing, measuring = (
        _Half(rows[first::2], _masks(rows[first::2], held[first::2], names)) for first in (0, 1)
    )
    tried = np.flatnonzero(choosing.often & measuring.often)
    size = sum(states.values())
    said = {"tried": len(tried), "units": size, "characters": sum(map(len, rows))}
    if not len(tried) or not size:
        return Finding([], **said, chance=0.5)
    choosing, measuring = choosing.only(tried), measuring.only(tried)
    correlations = _correlations(step, states, choosing)
    chosen = np.abs(correlations).argmax(axis=0)
    signs = np.sign(correlations[chosen, np.arange(len(chosen))])
    values = signs * _values(step, list(states), measuring, chosen)
    scores = [concordance(v, mask) for v, mask in zip(values.T, measuring.masks.T, strict=True)]
    found = [
        Found(names[place], _unit(states, int(index)), int(sign), score)
        for place, index, sign, score in zip(tried, chosen, signs, scores, strict=False)
        if score >= BAR
    ]
    found.sort(key=lambda each: -each.concordance)
    return Finding(found, **said, chance=max(scores[len(tried) :]))


def concordance(values: npt.NDArray[np.floating], holds: Masks) -> float:
    """The share of pairs, one where it holds and one where not, in which the first is higher.

    The area under the ROC curve, or Mann and Whitney's U by the number of pairs; ties count half.
    """
    without = np.sort(values[~holds])
    below = np.searchsorted(without, values[holds], "left")
    not_above = np.searchsorted(without, values[holds], "right")
    return float((below + not_above).mean() / (2 * len(without)))


@dataclass(frozen=True)
class _Half:
    """Rows of ids, and of all their characters, one after another, which properties hold."""

    rows: Sequence[Ids]
    masks: Masks
    """(characters, properties)"""

    @property
    def often(self) -> Masks:
        """The properties that hold, and do not hold, often enough."""
        counts = self.masks.sum(axis=0)
        often: Masks = (counts >= MIN_CASES) & (len(self.masks) - counts >= MIN_CASES)
        return often

    def only(self, tried: Ids) -> "_Half":
        """These properties, and after them the same moved along by half of the characters.

        Moved whole, they keep what makes neighbours alike; so a slow unit that goes with a slow
        property by chance does so here too.
        """
        masks = self.masks[:, tried]
        moved = np.roll(masks, len(masks) // 2 + LENGTH // 3, axis=0)
        return _Half(self.rows, np.concatenate([masks, moved], axis=1))


def _masks(
    rows: Sequence[Ids], held: Sequence[Mapping[str, Sequence[bool]]], names: Sequence[str]
) -> Masks:
    each = [
        np.array([marks[name][: len(row)] for name in names], dtype=bool).reshape(-1, len(row))
        for row, marks in zip(rows, held, strict=True)
    ]
    return np.concatenate(each, axis=1).T if each else np.zeros((0, len(names)), dtype=bool)


def _read(
    step: StepModel, states: Sequence[str], rows: Sequence[Ids]
) -> Iterator[tuple[Ids, npt.NDArray[np.float32]]]:
    """Of all rows, tick by tick: which characters were read, and the units (batch, units) after.

    A character's number is its place among all of them, row after row.
    """
    starts = np.cumsum([0, *map(len, rows)])
    for tick in read(step, rows):
        if tick.place >= 0:
            yield starts[tick.rows] + tick.place, units_after(tick.state, states)


def _correlations(step: StepModel, states: Mapping[str, int], half: _Half) -> Floats:
    """Pearson's, of each unit with each property, (units, properties); 0 for what never moves."""
    count, size = len(half.masks), sum(states.values())
    masks = half.masks.astype(np.float32)
    total: Floats = np.zeros(size)
    squares: Floats = np.zeros(size)
    products: Floats = np.zeros((size, masks.shape[1]))
    for characters, units in _read(step, list(states), half.rows):
        total += units.sum(axis=0)
        squares += (units**2).sum(axis=0)
        products += units.T @ masks[characters]
    mean, share = total / count, half.masks.mean(axis=0)
    spread = np.sqrt(np.maximum(squares / count - mean**2, 0))[:, None] * np.sqrt(
        share * (1 - share)
    )
    covariance = products / count - mean[:, None] * share
    correlations: Floats = np.divide(
        covariance, spread, out=np.zeros_like(covariance), where=spread > 1e-9
    )
    return correlations


def _values(
    step: StepModel, states: Sequence[str], half: _Half, chosen: Ids
) -> npt.NDArray[np.float32]:
    """Of all characters the values of the chosen units, (characters, chosen)."""
    values = np.empty((len(half.masks), len(chosen)), dtype=np.float32)
    for characters, units in _read(step, states, half.rows):
        values[characters] = units[:, chosen]
    return values


def _unit(states: Mapping[str, int], index: int) -> Unit:
    """The unit at this place among all states."""
    for state, size in states.items():
        if index < size:
            return Unit(state, index)
        index -= size
    raise IndexError(index)
