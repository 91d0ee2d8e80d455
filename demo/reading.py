"""Texts read side by side: at every character what the model expected, and its memory after it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from charmodels.runtime import StepModel
from charmodels.runtime.generation import State
from charmodels.runtime.sampling import Ids, Logits
from charmodels.runtime.vocabulary import BOUNDARY_ID


class Tick(NamedTuple):
    """One character read of every row that is that long."""

    rows: Ids
    """Which rows (batch,)."""
    place: int
    """The character's place in its row; -1 is the boundary before the first."""
    logits: Logits
    """For the character after it, (batch, vocab)."""
    state: State
    """The memory after it."""


def read(step: StepModel, rows: Sequence[Ids]) -> Iterator[Tick]:
    """Read `rows` of ids from the initial state; a row that is over leaves the batch."""
    lengths = np.array([len(row) for row in rows])
    order = np.argsort(-lengths, kind="stable")
    tokens = np.full((int(lengths.max()) + 1, len(rows)), BOUNDARY_ID, dtype=np.int64)
    for column, row in enumerate(order):
        tokens[1 : lengths[row] + 1, column] = rows[row]
    alive = (lengths[:, None] >= np.arange(len(tokens))).sum(axis=0).tolist()
    state = step.initial_state(len(rows))
    for place, count in enumerate(alive):
        if count < len(order):
            order, state = order[:count], {name: value[:count] for name, value in state.items()}
        logits, state = step.step(tokens[place, :count], state)
        yield Tick(order, place - 1, logits, state)
