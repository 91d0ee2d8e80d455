"""Many texts side by side: where one has ended, the next begins in its place.

Each row's random numbers are its own, so that it depends only on (seed, row), whoever stands beside
it and however many there are.
"""

from collections.abc import Callable, Iterator

import numpy as np

from charmodels.runtime.balance import balanced
from charmodels.runtime.generation import ROWS_AT_ONCE, StepModel, walk
from charmodels.runtime.sampling import (
    Floats,
    Ids,
    Logits,
    Sampling,
    pick,
    row_keys,
    uniforms_at,
    weights,
)
from charmodels.runtime.vocabulary import BOUNDARY_ID

_AT_FIRST = 64
"""Room for so many ids of a row; twice as many whenever it is full."""


def generate_ids(
    model: StepModel,
    beginning: Ids,
    count: int,
    *,
    sampling: Sampling,
    max_chars: int,
    seed: int,
    endless: bool = False,
) -> Iterator[list[int]]:
    """Yield `count` rows of new ids, in order; row i is what `Stream` gives for (seed, row=i)."""
    if not count or not max_chars:
        yield from ([] for _ in range(count))
        return
    reader = walk(model, balanced(model.initial_state(), sampling.balance))
    first = reader.read(np.array([BOUNDARY_ID, *beginning])).copy()
    opening = _opening(first, sampling, not endless and len(beginning) > 0)
    start, keys = reader.state(), row_keys(seed, np.arange(count))
    size = min(ROWS_AT_ONCE, count)
    walker = walk(model, {name: value.repeat(size, axis=0) for name, value in start.items()})
    places = _Places(size, max_chars)
    ended: dict[int, list[int]] = {}  # by row: those that wait for an earlier one
    begun = given = 0
    while True:
        while begun < count and len(free := places.free()):
            new = np.arange(begun, min(begun + len(free), count))
            begun += len(new)
            free = free[: len(new)]
            places.begin(free, new)
            walker.restart(free, start)
            ended |= places.write(free, opening(uniforms_at(keys[new], np.zeros_like(new))))
        while given in ended:
            yield ended.pop(given)
            given += 1
        if given == count:
            return
        busy = places.busy()
        if 2 * len(busy) <= len(places.row):  # none is left to begin: the others move together
            walker = walk(model, {name: v[busy] for name, v in walker.state().items()})
            places = places.only(busy)
            busy = places.busy()
        logits = walker.advance(places.token)
        drawn = uniforms_at(keys[places.row], places.length)
        tokens = pick(logits, drawn, sampling, not endless)
        ended |= places.write(busy, tokens[busy])


class _Places:
    """The rows that are being written, one at each place of the batch; some places may be free."""

    def __init__(self, size: int, max_chars: int) -> None:
        self.row, self.length, self.token = (np.zeros(size, dtype=np.int64) for _ in range(3))
        """Of each place: which row, how many ids it has, and the last of them."""
        self._ids = np.empty((size, min(max_chars, _AT_FIRST)), dtype=np.int64)
        self._is_busy = np.zeros(size, dtype=np.bool_)
        self._max_chars = max_chars

    def free(self) -> Ids:
        """Places where no row is written."""
        return np.flatnonzero(~self._is_busy)

    def busy(self) -> Ids:
        """Places where one is."""
        return np.flatnonzero(self._is_busy)

    def begin(self, places: Ids, rows: Ids) -> None:
        """New rows at free places."""
        self.row[places], self.length[places], self._is_busy[places] = rows, 0, True

    def write(self, places: Ids, tokens: Ids) -> dict[int, list[int]]:
        """The next id of the rows at busy places; those that end with it, by row."""
        length = self.length[places]
        if length.max() == self._ids.shape[1]:
            self._ids = np.concatenate([self._ids, np.empty_like(self._ids)], axis=1)
        self._ids[places, length] = tokens
        self.token[places], self.length[places] = tokens, length + 1
        over = np.flatnonzero((tokens == BOUNDARY_ID) | (length == self._max_chars - 1))
        ends = (length[over] + (tokens[over] != BOUNDARY_ID)).tolist()
        over = places[over]
        self._is_busy[over] = False
        at = zip(self.row[over].tolist(), over.tolist(), ends, strict=True)
        return {row: self._ids[place, :end].tolist() for row, place, end in at}

    def only(self, places: Ids) -> "_Places":
        """These places as a batch of their own."""
        fewer = _Places(len(places), self._max_chars)
        fewer.row, fewer.length = self.row[places], self.length[places]
        fewer.token, fewer._is_busy = self.token[places], self._is_busy[places]
        fewer._ids = self._ids[places]
        return fewer


def _opening(logits: Logits, sampling: Sampling, may_end: bool) -> Callable[[Floats], Ids]:
    """`pick` for rows that all begin with the same logits (1, vocab): summed up once."""
    if sampling.temperature == 0.0:
        return lambda uniform: pick(logits.repeat(len(uniform), axis=0), uniform, sampling, may_end)
    cumulative = weights(logits, sampling, may_end)[0].cumsum()
    last = len(cumulative) - 1
    return lambda uniform: np.minimum(
        cumulative.searchsorted(uniform * cumulative[-1], "right"), last
    )
