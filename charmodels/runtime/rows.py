"""Many texts side by side: where one has ended, the next begins in its place.

Each row's random numbers are its own, so that it depends only on (seed, row), whoever stands beside
it and however many there are. All places move by one clock: at each tick every row gets one id.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from charmodels.runtime.balance import balanced
from charmodels.runtime.generation import ROWS_AT_ONCE, StepModel, walk
from charmodels.runtime.guide import Guide
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

_LEAST_CHANCE = 1e-300
"""Of an id that temperature or filters leave none."""

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
    first: int = 0,
    endless: bool = False,
) -> Iterator[list[int]]:
    """Yield `count` rows of new ids from row `first` on; row i is `Stream`'s of (seed, row=i)."""
    if not count or not max_chars:
        yield from ([] for _ in range(count))
        return
    keys = row_keys(seed, np.arange(first, first + count))
    written = write_rows(
        model, beginning, keys, sampling=sampling, max_chars=max_chars, endless=endless
    )
    yield from (row.ids for row in written)


class Written(NamedTuple):
    """One row."""

    ids: list[int]
    log_weight: float = 0.0
    """Nats: how much likelier the row is by the model than as the guide led it; 0 without one.

    -inf for a row that was given up, unfinished."""


def write_rows(
    model: StepModel,
    beginning: Ids,
    keys: Keys,
    *,
    sampling: Sampling,
    max_chars: int,
    endless: bool = False,
    guide: Guide | None = None,
    give_up: float = np.inf,
) -> Iterator[Written]:
    """Yield a row for each of `keys` (rows,), in order; at least one key, and one character.

    With a guide, which has begun with `beginning`, only what it allows comes, and what promises a
    good end comes more often than the model would have it. A row is given up when its weight, by
    what the guide expects of it, is so many nats below that of all rows at their beginning.
    """
    count = len(keys)
    reader = walk(model, balanced(model.initial_state(), sampling.balance))
    first = reader.read(np.array([BOUNDARY_ID, *beginning])).copy()
    size = min(ROWS_AT_ONCE, count)
    way = _Way(guide, sampling, size, give_up) if guide else None
    may_end = not endless and len(beginning) > 0
    if way:
        first = way.open(first, may_end)
    opening = _opening(first, sampling, may_end)
    start = reader.state()
    walker = walk(model, {name: value.repeat(size, axis=0) for name, value in start.items()})
    places, fresh = _Places(size, max_chars), _Fresh(keys, opening)
    ended: dict[int, Written] = {}  # by row: those that wait for an earlier one

    def end(over: Ids) -> None:
        log_weights = way.log_weights[over].tolist() if way else [0.0] * len(over)
        for (row, ids), log_weight in zip(places.end(over), log_weights, strict=True):
            ended[row] = Written(ids, log_weight)

    begun = given = 0
    free = np.arange(size)
    while True:
        while begun < count and len(free):
            tokens, drawn = fresh.rows(begun, len(free))
            new, free = free[: len(tokens)], free[len(tokens) :]
            walker.restart(new, start)
            places.begin(new, begun, tokens, drawn)
            if way:
                way.begin(new, tokens)
            begun += len(new)
            if max_chars == 1 or not tokens.all():
                over = new[(tokens == BOUNDARY_ID) | (max_chars == 1)]
                end(over)
                free = np.concatenate([over, free])
        while given in ended:
            yield ended.pop(given)
            given += 1
        if given == count:
            return
        if begun == count and 2 * len(busy := places.busy()) <= len(places.row):
            walker = walk(model, {name: v[busy] for name, v in walker.state().items()})
            places = places.only(busy)  # none is left to begin: the others move together
            if way:
                way.only(busy)
        logits = walker.advance(places.tokens())
        if way:
            logits = way.lead(logits)
        tokens = pick(logits, places.drawn(keys), sampling, not endless)
        if way:
            tokens = way.follow(tokens, places.row != _NOBODY)
        places.write(tokens)
        free = places.over()
        end(free)


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


class _Way:
    """Where the rows of a batch stand in a guide, and how far it has led them from the model."""

    def __init__(self, guide: Guide, sampling: Sampling, size: int, give_up: float) -> None:
        self._guide, self._sampling, self._give_up = guide, sampling, give_up
        self._nodes = np.zeros(size, dtype=np.int64)
        self._lengths = np.zeros(size, dtype=np.int64)
        self.log_weights = np.zeros(size)
        """Of each place, over the ids of its row."""

    def open(self, logits: Logits, may_end: bool) -> Logits:
        """The guide's logits (1, vocab) for the first id of every row."""
        if not may_end:
            logits[:, BOUNDARY_ID] = -np.inf
        led = self._lead(logits, np.zeros(1, dtype=np.int64))
        self._opened = self._log_chances(logits)[0] - self._log_chances(led)[0]
        self._least = (self._opened + self._outlook[0]).max() - self._give_up
        return led

    def begin(self, places: Ids, tokens: Ids) -> None:
        """Rows begin with these at some places."""
        self._nodes[places], self._lengths[places] = 0, self._guide.length
        self.log_weights[places] = self._opened[tokens]
        first = np.full(len(self._nodes), BOUNDARY_ID)  # which lets the others stay
        first[places] = tokens
        self._move(first)

    def lead(self, logits: Logits) -> Logits:
        """The guide's logits (batch, vocab) for the next id of each row."""
        self._own, self._led = logits, self._lead(logits, self._nodes)
        return self._led

    def follow(self, tokens: Ids, is_busy: npt.NDArray[np.bool_]) -> Ids:
        """Go on with ids (batch,) where a row is written; the boundary where one is given up."""
        own, led = (self._log_chances(logits, tokens) for logits in (self._own, self._led))
        self.log_weights += own - led
        expected = self.log_weights + self._outlook[np.arange(len(tokens)), tokens]
        is_lost = (expected < self._least) & (tokens != BOUNDARY_ID)
        self.log_weights[is_lost] = -np.inf
        tokens = np.where(is_busy & ~is_lost, tokens, BOUNDARY_ID)
        self._move(tokens)
        return tokens

    def only(self, places: Ids) -> None:
        """Keep these places."""
        self._nodes, self._lengths = self._nodes[places], self._lengths[places]
        self.log_weights = self.log_weights[places]

    def _move(self, tokens: Ids) -> None:
        self._nodes = self._guide.advance(self._nodes, tokens, self._lengths)
        self._lengths += tokens != BOUNDARY_ID

    def _lead(self, logits: Logits, nodes: Ids) -> Logits:
        self._outlook = outlook = self._guide.outlook(nodes)
        if self._sampling.temperature == 0.0:
            return np.where(np.isfinite(outlook), logits, outlook)
        return logits + outlook * np.float32(self._sampling.temperature)  # which divides them

    def _log_chances(self, logits: Logits, tokens: Ids | None = None) -> Floats:
        """Of each id (batch, vocab), or of one a row (batch,), after temperature and filters."""
        if self._sampling.temperature == 0.0:
            return np.zeros(logits.shape if tokens is None else len(tokens))
        chances = weights(logits, self._sampling)
        total = chances.sum(axis=1, keepdims=True)
        if tokens is not None:
            chances, total = chances[np.arange(len(tokens)), tokens], total[:, 0]
        return np.asarray(np.log(np.maximum(chances / total, _LEAST_CHANCE)))


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
