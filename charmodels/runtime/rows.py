"""Many texts side by side: where one has ended, the next begins in its place.

Each row's random numbers are its own, so that it depends only on (seed, row), whoever stands beside
it and however many there are. All places move by one clock: at each tick every row gets one id.
"""

from collections.abc import Callable, Iterator

import numpy as np

from charmodels.runtime.balance import balanced
from charmodels.runtime.generation import ROWS_AT_ONCE, StepModel, walk
from charmodels.runtime.sampling import (
    Floats,
    Ids,
    Keys,
    Logits,
    Sampling,
    pick,
    row_keys,
    uniforms_at,
    weights,
)
from charmodels.runtime.vocabulary import BOUNDARY_ID

_NOBODY = -1
"""The row of a free place."""

_TICKS = 128
"""Ticks whose ids are kept, at first; more where a row is longer."""

_DRAWN_AHEAD = 16
"""Random numbers are drawn for this many ticks at a time; the texts do not depend on it."""

_FRESH = 1024
"""Rows whose first random numbers are drawn together, before they begin."""


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
    places, fresh = _Places(size, max_chars), _Fresh(keys, opening)
    ended: dict[int, list[int]] = {}  # by row: those that wait for an earlier one
    begun = given = 0
    free = np.arange(size)
    while True:
        while begun < count and len(free):
            tokens, drawn = fresh.rows(begun, len(free))
            new, free = free[: len(tokens)], free[len(tokens) :]
            walker.restart(new, start)
            places.begin(new, begun, tokens, drawn)
            begun += len(new)
            if max_chars == 1 or not tokens.all():
                over = new[(tokens == BOUNDARY_ID) | (max_chars == 1)]
                ended.update(places.end(over))
                free = np.concatenate([over, free])
        while given in ended:
            yield ended.pop(given)
            given += 1
        if given == count:
            return
        if begun == count and 2 * len(busy := places.busy()) <= len(places.row):
            walker = walk(model, {name: v[busy] for name, v in walker.state().items()})
            places = places.only(busy)  # none is left to begin: the others move together
        logits = walker.advance(places.tokens())
        places.write(pick(logits, places.drawn(keys), sampling, not endless))
        free = places.over()
        ended.update(places.end(free))


class _Places:
    """The rows that are being written, one at each place of the batch; some places may be free."""

    def __init__(self, size: int, max_chars: int) -> None:
        self.row = np.full(size, _NOBODY)
        """Of each place: the row that is written there."""
        self._began = np.zeros(size, dtype=np.int64)  # the tick of its first id
        self._now, self._max_chars = 0, max_chars
        self._ids = np.empty((_TICKS, size), dtype=np.int64)  # at each tick
        self._drawn = np.empty((_DRAWN_AHEAD, size))  # at this tick modulo 16, and at those after

    def tokens(self) -> Ids:
        """The last id of each place."""
        last: Ids = self._ids[self._now]
        return last

    def busy(self) -> Ids:
        """Places where a row is written."""
        return np.flatnonzero(self.row != _NOBODY)

    def begin(self, places: Ids, row: int, tokens: Ids, drawn: Floats) -> None:
        """Rows from `row` on at free places: first ids, and random numbers (16, rows) for more."""
        self.row[places], self._began[places] = np.arange(row, row + len(places)), self._now
        self._ids[self._now, places] = tokens
        next_drawn = (self._now + 1) % _DRAWN_AHEAD
        self._drawn[next_drawn:, places] = drawn[: _DRAWN_AHEAD - next_drawn]

    def drawn(self, keys: Keys) -> Floats:
        """The random numbers for the next id of each place."""
        tick = self._now + 1
        if tick % _DRAWN_AHEAD == 0:
            ticks = np.arange(tick, tick + _DRAWN_AHEAD)
            self._drawn = uniforms_at(keys[self.row], ticks[:, None] - self._began)
        drawn: Floats = self._drawn[tick % _DRAWN_AHEAD]
        return drawn

    def write(self, tokens: Ids) -> None:
        """One more id at each place."""
        self._now += 1
        if self._now == len(self._ids):
            self._make_room()
        self._ids[self._now] = tokens

    def over(self) -> Ids:
        """Places whose row ends with the id just written."""
        is_over = self._ids[self._now] == BOUNDARY_ID
        is_over |= self._began == self._now + 1 - self._max_chars
        is_over &= self.row != _NOBODY
        places: Ids = is_over.nonzero()[0]
        return places

    def end(self, places: Ids) -> Iterator[tuple[int, list[int]]]:
        """Free these places; each's row and ids, without a boundary."""
        rows, began = self.row[places].tolist(), self._began[places].tolist()
        ends = (self._now + (self._ids[self._now, places] != BOUNDARY_ID)).tolist()
        self.row[places] = _NOBODY
        written = zip(rows, began, ends, places.tolist(), strict=True)
        return ((row, self._ids[start:end, place].tolist()) for row, start, end, place in written)

    def only(self, places: Ids) -> "_Places":
        """These places as a batch of their own."""
        fewer = _Places(len(places), self._max_chars)
        fewer.row, fewer._began, fewer._now = self.row[places], self._began[places], self._now
        fewer._ids, fewer._drawn = self._ids[:, places], self._drawn[:, places]
        return fewer

    def _make_room(self) -> None:
        """Forget what is older than every row; twice the room where that is not half of it."""
        oldest = int(self._began[self.busy()].min())
        gone = oldest - oldest % _DRAWN_AHEAD
        room = len(self._ids) * (1 if 2 * gone >= len(self._ids) else 2)
        kept = self._ids[gone:]
        self._ids = np.empty((room, len(self.row)), dtype=np.int64)
        self._ids[: len(kept)] = kept
        self._began -= gone
        self._now -= gone


class _Fresh:
    """First ids of rows and random numbers for the next, drawn for many before they begin."""

    def __init__(self, keys: Keys, opening: Callable[[Floats], Ids]) -> None:
        self._keys, self._opening = keys, opening
        self._first = self._end = 0

    def rows(self, row: int, count: int) -> tuple[Ids, Floats]:
        """Of up to `count` rows from `row` on: ids (rows,), random numbers (16, rows)."""
        if row == self._end:
            self._first, self._end = row, min(row + _FRESH, len(self._keys))
            positions = np.arange(1 + _DRAWN_AHEAD)[:, None]
            first, *_ = drawn = uniforms_at(self._keys[row : self._end], positions)
            self._tokens, self._drawn = self._opening(first), drawn[1:]
        rows = slice(row - self._first, row - self._first + count)
        return self._tokens[rows], self._drawn[:, rows]


def _opening(logits: Logits, sampling: Sampling, may_end: bool) -> Callable[[Floats], Ids]:
    """`pick` for rows that all begin with the same logits (1, vocab): summed up once."""
    if sampling.temperature == 0.0:
        return lambda uniform: pick(logits.repeat(len(uniform), axis=0), uniform, sampling, may_end)
    cumulative = weights(logits, sampling, may_end)[0].cumsum()
    last = len(cumulative) - 1
    return lambda uniform: np.minimum(
        cumulative.searchsorted(uniform * cumulative[-1], "right"), last
    )
