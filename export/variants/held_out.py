"""The text that variants are judged on: a run's validation part, cut into rows read side by side.

The test part stays unread: whether a variant ships is a choice, and choices are made on validation.
Most models have in the end read that part too; what is judged is the distance from fp32 on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from charmodels.runtime.generation import StepModel
from charmodels.runtime.vocabulary import BOUNDARY_ID, Ids
from charmodels.training.checkpoint import RunFacts
from charmodels.training.train import reopen_corpus
from export.parity import written_tokens

ENOUGH = 20_000
"""Characters to judge on, where there are so many."""

NOTHING = -1
"""The target of a place where no character stands: a row has ended."""

_ROWS = 32
"""Texts side by side. A text is cut into so many, each read from the zero state to its end."""

_NAMES_AT_ONCE = 256


@dataclass(frozen=True)
class Piece:
    """Rows read from the zero state: what is read, (steps, rows), and what comes, the same."""

    inputs: Ids
    targets: Ids
    """NOTHING where a row has ended."""


@dataclass(frozen=True)
class HeldOut:
    """The pieces, and what they are called."""

    name: str
    pieces: Sequence[Piece]


def held_out(facts: RunFacts, step: StepModel) -> HeldOut:
    """At most ENOUGH characters and the rest of a row: validation, whole from its beginning.

    Where a run held nothing out, or was imported and has no corpus, what `step` itself writes.

    Raises:
        RunError: the corpus changed since the run read it.
        CorpusError: it is gone.
    """
    records: tuple[str, ...] = ()
    if facts.corpus["source"]:
        records = reopen_corpus(facts)[1].validation
    if not records:
        tokens = written_tokens(step, -(-ENOUGH // _ROWS) + 1, _ROWS)
        return HeldOut("its own writing", [Piece(tokens[:-1], tokens[1:])])
    ids = [facts.vocabulary.encode(record) for record in records]
    if facts.kind == "text":
        return HeldOut("validation", [_piece(_streams(ids[0]), ends=False)])
    names = sorted(_enough(ids), key=len)
    groups = (names[at : at + _NAMES_AT_ONCE] for at in range(0, len(names), _NAMES_AT_ONCE))
    return HeldOut("validation", [_piece(group, ends=True) for group in groups])


def _enough(names: Sequence[Ids]) -> Sequence[Ids]:
    """The first names that have ENOUGH characters together, their ends counted; or all."""
    total = np.cumsum([len(name) + 1 for name in names])
    return names[: int(np.searchsorted(total, ENOUGH)) + 1]


def _streams(text: Ids) -> Sequence[Ids]:
    """The beginning of a text, cut into rows of the same length."""
    length = max(1, min(-(-ENOUGH // _ROWS), len(text) // _ROWS))
    return [text[at : at + length] for at in range(0, length * _ROWS, length) if at < len(text)]


def _piece(rows: Sequence[Ids], *, ends: bool) -> Piece:
    """Rows padded to one length, read after the boundary; where they end, it comes once more."""
    steps = max(map(len, rows)) + ends
    inputs = np.full((steps, len(rows)), BOUNDARY_ID, dtype=np.int64)
    targets = np.full((steps, len(rows)), NOTHING, dtype=np.int64)
    for row, ids in enumerate(rows):
        whole = np.append(ids, BOUNDARY_ID) if ends else ids
        targets[: len(whole), row] = whole
        inputs[1 : len(whole), row] = whole[:-1]
    return Piece(inputs, targets)
