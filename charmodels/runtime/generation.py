"""The loop: state in, character out, state carried by the caller.

One `StepModel` protocol for torch, onnxruntime and numpy; `Stream` writes one text character by
character, `score_ids` measures a given text; `charmodels.runtime.rows` writes many side by side.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from charmodels.runtime.balance import balanced
from charmodels.runtime.sampling import (
    Floats,
    Ids,
    Logits,
    Sampling,
    log_softmax,
    pick_one,
    uniforms,
)
from charmodels.runtime.vocabulary import BOUNDARY_ID

Array = npt.NDArray[Any]
State = Mapping[str, Array]
"""Memory: names to arrays, batch on axis 0, float32 or integer, zero at the start of a text."""

ROWS_AT_ONCE = 256
"""Rows generated side by side: wide enough for the matrix products and for what is done once a
step, small enough for the cache."""

_DRAWN_AHEAD = 128
"""Random numbers are drawn this many positions at a time; they do not depend on it."""


class StepModel(Protocol):
    """One character in, scores for the next one out. Memory is a value, never hidden."""

    def initial_state(self, batch: int = 1) -> State:
        """The state before the first character of `batch` texts."""
        ...

    def step(self, tokens: Ids, state: State) -> tuple[Logits, State]:
        """Read tokens (batch,), return logits (batch, vocab) for the next ones and a new state."""
        ...


class Walker(Protocol):
    """One text being read: a step model with a state of its own to move along."""

    def advance(self, tokens: Ids) -> Logits:
        """Read tokens (batch,); the logits (batch, vocab) are good until the next call."""
        ...

    def read(self, tokens: Ids) -> Logits:
        """Read tokens (time,), at least one, of a text alone; the logits (1, vocab) after them."""
        ...

    def restart(self, places: Ids, state: State) -> None:
        """Go on from `state`, of one text, at some places (any,) of the batch."""
        ...

    def state(self) -> State:
        """A copy of the state after the tokens read so far."""
        ...


@runtime_checkable
class Walkable(Protocol):
    """A step model that can walk faster than by pure steps, in buffers of the walker's own."""

    def walk(self, state: State) -> Walker:
        """A walker that starts from `state` and leaves it as it is."""
        ...


class PureWalker:
    """The plain walker: any step model, one pure step a character."""

    def __init__(self, model: StepModel, state: State) -> None:
        self._model, self._state = model, state

    def advance(self, tokens: Ids) -> Logits:
        """Step, and keep the new state for the next call."""
        logits, self._state = self._model.step(tokens, self._state)
        return logits

    def read(self, tokens: Ids) -> Logits:
        """Step through them."""
        for token in tokens:
            logits = self.advance(token[None])
        return logits

    def restart(self, places: Ids, state: State) -> None:
        """In a copy of the state: others may hold it."""
        self._state = {name: value.copy() for name, value in self._state.items()}
        for name, value in self._state.items():
            value[places] = state[name]

    def state(self) -> State:
        """The state itself: a pure step never changes it."""
        return self._state


def walk(model: StepModel, state: State) -> Walker:
    """The quickest walker `model` has."""
    return model.walk(state) if isinstance(model, Walkable) else PureWalker(model, state)


@dataclass(frozen=True)
class Memory:
    """Everything one text has said so far: a value the caller keeps and gives back.

    `token` is the last id, not yet read; `state` is the state before it. A new text starts as
    `Memory(model.initial_state(), BOUNDARY_ID)`.
    """

    state: State
    token: int = BOUNDARY_ID


class Stream(Iterator[int]):
    """The ids one text goes on with, one at a time, until its end or `max_chars`.

    `memory` may be taken at any moment, also after the loop was left: it holds the beginning and
    every id given so far, and starts the next stream.
    """

    def __init__(
        self,
        model: StepModel,
        beginning: Ids,
        *,
        sampling: Sampling,
        max_chars: int,
        seed: int,
        row: int = 0,
        endless: bool = False,
        memory: Memory | None = None,
        script: Iterable[int] | None = None,
    ) -> None:
        """Read `beginning` (time,) after `memory`; `endless` texts never emit the boundary.

        With `script`, ids chosen beforehand, it gives those, and ends where they do.
        """
        memory = memory or Memory(model.initial_state())
        self._walker = walk(model, balanced(memory.state, sampling.balance))
        self._unread = [memory.token, *beginning.tolist()]
        self._token, self._logits = np.zeros(1, dtype=np.int64), np.empty((1, 0), np.float32)
        self._sampling, self._uniforms = sampling, _uniforms(seed, row)
        self._given, self._left = 0, max_chars
        self._began = len(beginning) > 0
        self._endless, self._may_end = endless, not endless and self._began  # no name is empty
        self._script = None if script is None else iter(script)
        self.ended = False
        """Whether the model itself ended the text."""

    @property
    def memory(self) -> Memory:
        """What has been read and said so far."""
        *before, last = self._unread
        if before:
            self._walker.read(np.array(before))
            self._unread = [last]
        return Memory(self._walker.state(), last)

    @property
    def probability(self) -> float:
        """How likely the model held the id given last, or the end after it, at temperature 1.

        The balance counts, the temperature and the filters do not: it is the model's own
        confidence, whatever was drawn by it. To be read before the next id; nan before the first,
        and for a script, which nobody weighed.
        """
        if not self._given or self._script is not None:
            return float("nan")
        may_end = not self._endless and (self._given > 1 or self._began)
        first = BOUNDARY_ID if may_end else BOUNDARY_ID + 1
        weight = self._logits[0, first:].astype(np.float64)
        weight -= weight.max()
        np.exp(weight, weight)
        return float(weight[self._unread[-1] - first] / weight.sum())

    def __next__(self) -> int:
        if self._left <= 0:
            raise StopIteration
        if self._script is not None:
            token = next(self._script, BOUNDARY_ID)
            self._unread.append(token)  # read when the memory is asked for
        else:
            if len(self._unread) == 1:  # at every character but the first
                self._token[0] = self._unread[0]
                self._logits = self._walker.advance(self._token)
            else:
                self._logits = self._walker.read(np.array(self._unread))
            uniform = next(self._uniforms)
            token = pick_one(self._logits, uniform, self._sampling, self._may_end)
            self._unread, self._may_end = [token], not self._endless
        self._given += 1
        self._left -= 1
        if token == BOUNDARY_ID:
            self.ended, self._left = True, 0
            raise StopIteration
        return token


def _uniforms(seed: int, row: int) -> Iterator[float]:
    """The random numbers of one row, from its first position on."""
    for start in count(0, _DRAWN_AHEAD):
        yield from uniforms(seed, np.array([row]), start, _DRAWN_AHEAD)[0].tolist()


def predict_ids(model: StepModel, ids: Ids, memory: Memory | None = None) -> Floats:
    """Nats of every id that may follow `ids` (time,) after `memory`, float64 (vocab,)."""
    memory = memory or Memory(model.initial_state())
    walker = walk(model, memory.state)
    logits = walker.read(np.array([memory.token, *ids]))
    nats: Floats = -log_softmax(logits)[0]
    return nats


def score_ids(model: StepModel, ids: Ids, memory: Memory | None = None) -> Floats:
    """Nats the model pays for each of `ids` (time,) after `memory`, float64 (time,)."""
    memory = memory or Memory(model.initial_state())
    walker = walk(model, memory.state)
    nats = np.empty(len(ids))
    token = memory.token
    for index, target in enumerate(ids):
        logits = walker.advance(np.array([token]))
        nats[index] = -log_softmax(logits)[0, target]
        token = int(target)
    return nats
