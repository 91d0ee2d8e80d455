"""How likely a name is to end as it must, guessed from which characters a model lets follow which.

A model that is only kept from the wrong characters walks on happily to where the right end is far
from anything it would write. So each character that may come is weighed by how often names that go
on from it would end well, if they were a chain of pairs of characters. The guess is rough, and it
may be: whoever draws by it weighs what was drawn by the model again.

Source: Zhang, Kung, Yoshida, Van den Broeck and Peng 2024, "Adaptable logical control for large
language models", https://arxiv.org/abs/2406.13892, with a hidden Markov model in the chain's place.
"""

import numpy as np

from charmodels.runtime.generation import StepModel, walk
from charmodels.runtime.glushkov import Glushkov, Positions, members
from charmodels.runtime.sampling import Floats, Ids, Sampling, pick, uniforms, weights
from charmodels.runtime.vocabulary import BOUNDARY_ID

MAX_WORK = 60_000_000
"""Multiplications at most: of larger automata nothing is guessed."""

_NAMES, _CHARACTERS = 64, 24
"""Names written side by side to see which characters follow which, and characters of each."""

_AHEAD = 48
"""Characters looked ahead at most."""

_LEAST = 1e-6
"""Nothing that may come is held for less likely."""


def count_pairs(model: StepModel) -> Floats:
    """How often each id follows each, (vocab, vocab), in names that the model writes.

    Every chance counts, not only what was drawn. At the boundary names begin and end.
    """
    start = model.initial_state()
    walker = walk(model, {name: value.repeat(_NAMES, axis=0) for name, value in start.items()})
    drawn = uniforms(0, np.arange(_NAMES), 0, _CHARACTERS)
    tokens = np.full(_NAMES, BOUNDARY_ID)
    pairs: Floats | None = None
    for position in range(_CHARACTERS):
        logits = walker.advance(tokens)
        chances = weights(logits, Sampling())
        chances[tokens == BOUNDARY_ID, BOUNDARY_ID] = 0.0  # an empty name is no name
        chances /= chances.sum(axis=1, keepdims=True)
        here = np.eye(logits.shape[1])[tokens].T @ chances
        pairs = here if pairs is None else pairs + here
        tokens = pick(np.log(chances + 1e-30).astype(np.float32), drawn[:, position], Sampling())
        walker.restart(np.flatnonzero(tokens == BOUNDARY_ID), start)
    assert pairs is not None
    return pairs


def is_affordable(positions: int, kinds: int, shortest: int) -> bool:
    """Whether to look ahead costs less than it saves: some 50 ms at most."""
    return positions**2 * kinds * (_AHEAD + shortest) <= MAX_WORK


class Foresight:
    """Of each position and class of characters: the chance of a good end from there.

    Args:
        automaton: what names are like.
        kinds: the class of each id (vocab,), 0 for the boundary alone.
        into: of each class, the positions it leads into.
        pairs: of `count_pairs`.
        shortest: characters of a name at least.
        longest: the same at most.
    """

    def __init__(
        self,
        automaton: Glushkov,
        kinds: Ids,
        into: list[Positions],
        pairs: Floats,
        shortest: int,
        longest: int,
    ) -> None:
        self._shortest, self._longest = shortest, longest
        chain = _chain(pairs, kinds, len(into))  # (class, class)
        enters = _bits(into, len(automaton)).T  # (position, class)
        follow = _bits(automaton.follow, len(automaton))  # (position, position)
        accepting = _bits([automaton.accepting], len(automaton)).T
        ends = accepting * chain[:, BOUNDARY_ID]

        def before(chances: Floats) -> Floats:
            """One character earlier; more than one way counts more than once, but never above 1."""
            earlier: Floats = follow @ ((chances * enters) @ chain.T)
            return earlier

        self._above = [np.minimum(ends, 1.0)]  # by the characters that are left
        for _ in range(min(longest, _AHEAD)):
            self._above.append(np.minimum(ends + before(self._above[-1]), 1.0))
        below: list[Floats] = []  # by length, where a name may not end yet
        for _ in range(shortest):
            later = below[-1] if below else self._at(shortest)
            below.append(np.minimum(before(later), 1.0))
        self._below = below[::-1]

    def log_chance(self, positions: Positions, kind: int, length: int) -> float:
        """In nats, of a name of that length that has come to these positions by that class."""
        chances = self._at(length)[:, kind]
        together = sum(float(chances[position]) for position in members(positions))
        return float(np.log(min(max(together, _LEAST), 1.0)))

    def _at(self, length: int) -> Floats:
        if length < self._shortest:
            return self._below[length]
        return self._above[min(self._longest - length, len(self._above) - 1)]


def _chain(pairs: Floats, kinds: Ids, count: int) -> Floats:
    """The chance of each class after each, (class, class); none is impossible."""
    of_kind = np.eye(count)[kinds]  # (vocab, class)
    together = of_kind.T @ pairs @ of_kind
    together += together.sum(axis=0) / together.sum() + _LEAST  # as one character more
    chain: Floats = together / together.sum(axis=1, keepdims=True)
    return chain


def _bits(sets: "list[Positions] | tuple[Positions, ...]", count: int) -> Floats:
    """Sets of positions as rows of 0 and 1, (sets, positions)."""
    return np.array([[float(each >> place & 1) for place in range(count)] for each in sets])
