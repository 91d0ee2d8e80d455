"""Many texts side by side, and what many of them begin with is read once.

Rows move together, an id a time. Those that have written the same so far stand at one node, whose
id is read once for all of them; of twenty thousand towns half the ids are. Each row's random
numbers are its own, so that it depends only on (seed, row), whoever stands beside it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from charmodels.runtime.balance import balanced
from charmodels.runtime.generation import ROWS_AT_ONCE, State, StepModel, walk
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

_FIRST_ROWS, _MORE = 256, 4
"""Rows that are written together: few at first, for whoever takes only those, then four times as
many, up to a limit."""

_MOST_ROWS = 2**14
_MOST_BYTES = 2**26
"""Of states and ids of the rows that are written together."""

_ROOM = 32
"""Ids of a row there is room for at first."""

_DRAWN_AHEAD = 16
"""Random numbers are drawn for this many ids at a time; the texts do not depend on it."""

_LEAST_CHANCE = 1e-300
"""Of an id that temperature or filters leave none."""


class Written(NamedTuple):
    """One row."""

    ids: list[int]
    log_weight: float = 0.0
    """Nats: how much likelier the row is by the model than as the guide led it; 0 without one.

    -inf for a row that was given up, unfinished."""


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
    """Yield `count` rows of new ids; row i is `Stream`'s of (seed, row=i)."""
    keys = row_keys(seed, np.arange(count))
    rows = write_rows(
        model, beginning, keys, sampling=sampling, max_chars=max_chars, endless=endless
    )
    return (row.ids for row in rows if row is not None)


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
) -> Iterator[Written | None]:
    """Yield a row for each of `keys` (rows,), in order, and None after every step before.

    With a guide, which has begun with `beginning`, only what it allows comes, and what promises a
    good end comes more often than the model would have it. A row is given up when its weight, by
    what the guide expects of it, is so many nats below that of all rows at their beginning.
    """
    if not max_chars:
        yield from (Written([]) for _ in keys)
        return
    reader = walk(model, balanced(model.initial_state(), sampling.balance))
    first = reader.read(np.array([BOUNDARY_ID, *beginning])).copy()
    if endless or not len(beginning):  # no name is empty
        first[:, BOUNDARY_ID] = -np.inf
    way = _Way(guide, sampling, give_up, first) if guide else None
    writer = _Writer(model, sampling, max_chars, not endless, way)
    start, most = 0, writer.rows_at_once(first, reader.state())
    size = min(_FIRST_ROWS, most)
    while start < len(keys):
        yield from writer.write(keys[start : start + size], first, reader.state())
        start, size = start + size, min(size * _MORE, most)


class _Nodes(NamedTuple):
    """What rows have written so far, each once, and the rows that have."""

    parents: Ids
    """(nodes,) where each one's state, before its last id, stands among those of the last step."""
    tokens: Ids
    """(nodes,) the last id of each, unread."""
    places: Ids
    """(nodes,) in the guide."""
    rows: Ids
    """(rows,) in the order of their nodes."""
    at: Ids
    """(rows,) the node of each."""
    log_weights: Floats
    """(rows,) as in `Written`."""

    def parts(self) -> Iterator[tuple[slice, slice]]:
        """Nodes that are stepped together, and their rows."""
        for start in range(0, len(self.tokens), ROWS_AT_ONCE):
            end = start + ROWS_AT_ONCE
            first, last = self.at.searchsorted([start, end]).tolist()
            yield slice(start, end), slice(first, last)

    def follow(self, tokens: Ids, is_on: npt.NDArray[np.bool_], vocab: int) -> "_Nodes":
        """Those of the rows that go on: one for each id, of those (rows,), after each node.

        Their places in a guide are those of the nodes they come from.
        """
        came = self.at[is_on] * vocab + tokens[is_on]
        order = came.argsort(kind="stable")
        came = came[order]
        is_first = np.append(True, came[1:] != came[:-1])[: len(came)]
        parents, new = np.divmod(came[is_first], vocab)
        return _Nodes(
            parents=parents,
            tokens=new,
            places=self.places[parents],
            rows=self.rows[is_on][order],
            at=is_first.cumsum() - 1,
            log_weights=self.log_weights[is_on][order],
        )


class _Sheet:
    """The ids that rows have written."""

    def __init__(self, count: int) -> None:
        self._ids = np.empty((count, _ROOM), dtype=np.int32)
        self._lengths = np.zeros(count, dtype=np.int64)
        self._log_weights = np.zeros(count)

    def write(self, rows: Ids, position: int, tokens: Ids) -> None:
        """The ids (rows,) of some rows at a position; all before it are there."""
        if position == self._ids.shape[1]:
            self._ids = np.hstack([self._ids, np.empty_like(self._ids)])
        self._ids[rows, position] = tokens
        self._lengths[rows] += tokens != BOUNDARY_ID

    def weigh(self, rows: Ids, log_weights: Floats) -> None:
        """What some rows weigh in the end."""
        self._log_weights[rows] = log_weights

    def __iter__(self) -> Iterator[Written]:
        told = zip(self._lengths.tolist(), self._log_weights.tolist(), strict=True)
        for row, (length, log_weight) in enumerate(told):
            yield Written(self._ids[row, :length].tolist(), log_weight)


@dataclass(frozen=True)
class _Writer:
    """Writes blocks of rows that begin alike."""

    model: StepModel
    sampling: Sampling
    max_chars: int
    may_end: bool
    way: "_Way | None"

    def rows_at_once(self, logits: Logits, start: State) -> int:
        """As many as there is room for: their ids, their states before, in and after a step."""
        states = sum(value.nbytes for value in start.values())
        a_row = logits.nbytes + 3 * states + 4 * self.max_chars
        return max(1, min(_MOST_ROWS, _MOST_BYTES // a_row))

    def write(self, keys: Keys, first: Logits, start: State) -> Iterator[Written | None]:
        """A row for each of `keys` (rows,), after logits (1, vocab) and the state beside them."""
        count, one = len(keys), np.zeros(1, dtype=np.int64)
        nodes = _Nodes(one, one, one, np.arange(count), np.zeros_like(keys, int), np.zeros(count))
        sheet, states = _Sheet(count), start
        for position in range(self.max_chars):
            if position and not self.may_end and len(nodes.tokens) == count <= ROWS_AT_ONCE:
                yield from self._write_apart(nodes, states, keys, position, sheet)
                break
            drawn = uniforms_at(keys[nodes.rows], np.array([position]))
            tokens, after = np.empty_like(nodes.rows), []
            for some, rows in nodes.parts():
                logits, state = first, start
                if position:
                    logits, state = self._step(nodes, some, states)
                    yield None
                after.append(state)
                at = nodes.at[rows] - some.start
                led = self.way.lead(logits, nodes.places[some]) if self.way else logits
                tokens[rows] = pick(led, drawn[rows], self.sampling, self.may_end, at)
                if self.way:
                    nodes.log_weights[rows] = self.way.weigh(
                        nodes.log_weights[rows], at, tokens[rows]
                    )
            states = after[0] if len(after) == 1 else _joined(after)
            sheet.write(nodes.rows, position, tokens)
            is_over = (tokens == BOUNDARY_ID) | (nodes.log_weights == -np.inf)
            sheet.weigh(nodes.rows, nodes.log_weights)
            nodes = nodes.follow(tokens, ~is_over, logits.shape[1])
            if not len(nodes.rows):
                break
            if self.way:
                nodes = nodes._replace(places=self.way.follow(nodes.places, nodes.tokens, position))
        yield from sheet

    def _step(self, nodes: _Nodes, some: slice, states: State) -> tuple[Logits, State]:
        """Read the last ids of some nodes, from the states of their parents."""
        parents = nodes.parents[some]
        before = {name: value.take(parents, 0) for name, value in states.items()}
        return self.model.step(nodes.tokens[some], before)

    def _write_apart(
        self, nodes: _Nodes, states: State, keys: Keys, position: int, sheet: _Sheet
    ) -> Iterator[None]:
        """Go on with texts that no longer share anything, and do not end: quicker by walking."""
        parents, tokens, rows = nodes.parents, nodes.tokens, nodes.rows
        walker = walk(self.model, {name: value.take(parents, 0) for name, value in states.items()})
        for start in range(position, self.max_chars, _DRAWN_AHEAD):
            ahead = np.arange(start, min(start + _DRAWN_AHEAD, self.max_chars))
            drawn = uniforms_at(keys[rows], ahead[:, None])
            for place, uniform in zip(ahead.tolist(), drawn, strict=True):
                logits = walker.advance(tokens)
                tokens = pick(logits, uniform, self.sampling, self.may_end)
                sheet.write(rows, place, tokens)
                yield None


def _joined(states: Sequence[State]) -> State:
    return {name: np.concatenate([state[name] for state in states]) for name in states[0]}


class _Way:
    """How far a guide leads the rows from the model, and which of them it gives up."""

    def __init__(self, guide: Guide, sampling: Sampling, give_up: float, first: Logits) -> None:
        self._guide, self._sampling = guide, sampling
        self.lead(first, np.zeros(1, dtype=np.int64))
        opened = self._log_chances(self._own) - self._log_chances(self._led)
        self._least = (opened + self._outlook).max() - give_up

    def lead(self, logits: Logits, places: Ids) -> Logits:
        """The guide's logits (nodes, vocab) for the next id at its places (nodes,)."""
        self._own, self._outlook = logits, self._guide.outlook(places)
        if self._sampling.temperature == 0.0:
            self._led = np.where(np.isfinite(self._outlook), logits, self._outlook)
        else:  # by which they will be divided
            self._led = logits + self._outlook * np.float32(self._sampling.temperature)
        return self._led

    def weigh(self, log_weights: Floats, at: Ids, tokens: Ids) -> Floats:
        """The weights (rows,) of rows at the nodes that were led last, with one more id each.

        -inf for rows that are given up.
        """
        own, led = (self._log_chances(each)[at, tokens] for each in (self._own, self._led))
        weighed: Floats = log_weights + own - led
        is_lost = weighed + self._outlook[at, tokens] < self._least
        weighed[is_lost & (tokens != BOUNDARY_ID)] = -np.inf
        return weighed

    def follow(self, places: Ids, tokens: Ids, position: int) -> Ids:
        """Where ids (nodes,) lead to from these places; any others are forgotten."""
        lengths = np.full(len(places), self._guide.length + position)
        return self._guide.advance(places, tokens, lengths)

    def _log_chances(self, logits: Logits) -> Floats:
        """Of each id (nodes, vocab), after temperature and filters."""
        if self._sampling.temperature == 0.0:
            return np.zeros(logits.shape)
        chances = weights(logits, self._sampling)
        chances /= chances.sum(axis=1, keepdims=True)
        return np.asarray(np.log(np.maximum(chances, _LEAST_CHANCE)))
