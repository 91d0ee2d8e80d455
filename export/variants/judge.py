"""A variant beside fp32, on the same text and on the clock: what it changes, and what for."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from charmodels.runtime.generation import StepModel, walk
from charmodels.runtime.sampling import Floats, log_softmax
from charmodels.runtime.vocabulary import Ids
from export.variants.held_out import NOTHING, HeldOut

_ROUNDS = 25
_SECONDS = 0.01
"""Of fp32's steps in one round."""


@dataclass(frozen=True)
class Likeness:
    """How near a variant stays to fp32, character by character of one text."""

    kl: Floats
    """(chars,) KL divergence of its chances from fp32's, nats."""
    nats_change: Floats
    """(chars,) What each character costs more."""
    agrees: Floats
    """(chars,) 1 where both hold the same character for likeliest, else 0."""

    @property
    def nats_change_error(self) -> float:
        """The standard error of the mean change."""
        return float(self.nats_change.std() / np.sqrt(len(self.nats_change)))


def compare_on(
    text: HeldOut, fp32: StepModel, variants: Mapping[str, StepModel]
) -> dict[str, Likeness]:
    """Walk all engines over the text at once, each with its own states.

    Where a variant's scores are no finite numbers, so are its figures.
    """
    found: dict[str, list[Floats]] = {name: [] for name in variants}
    for piece in text.pieces:
        rows = piece.inputs.shape[1]
        reference = walk(fp32, fp32.initial_state(rows))
        walkers = {name: walk(step, step.initial_state(rows)) for name, step in variants.items()}
        for tokens, targets in zip(piece.inputs, piece.targets, strict=True):
            there = targets != NOTHING
            expected = log_softmax(reference.advance(tokens))[there]
            for name, walker in walkers.items():
                logs = log_softmax(walker.advance(tokens))[there]
                found[name].append(_at_one_place(expected, logs, targets[there]))
    return {name: Likeness(*np.concatenate(parts, axis=1)) for name, parts in found.items()}


def _at_one_place(expected: Floats, found: Floats, targets: Ids) -> Floats:
    """KL, change and agreement, (3, rows), from logarithms of chances (rows, vocab)."""
    gap = expected - found
    kl = (np.exp(expected) * gap).sum(axis=1)
    agrees = expected.argmax(axis=1) == found.argmax(axis=1)
    return np.stack([kl, gap[np.arange(len(gap)), targets], agrees])


def speeds(fp32: StepModel, variants: Mapping[str, StepModel], batch: int) -> dict[str, float]:
    """Steps a second of each variant, as multiples of fp32's.

    All take turns, and the quickest turn of each counts: other work on the machine only delays.
    """
    engines = {"": fp32, **variants}
    walkers = {name: walk(step, step.initial_state(batch)) for name, step in engines.items()}
    tokens = np.arange(batch) % 2  # ids that every vocabulary has
    for walker in walkers.values():
        walker.advance(tokens)
    start = time.perf_counter()
    walkers[""].advance(tokens)
    steps = max(3, int(_SECONDS / (time.perf_counter() - start)))
    quickest = dict.fromkeys(walkers, math.inf)
    for _ in range(_ROUNDS):
        for name, walker in walkers.items():
            start = time.perf_counter()
            for _ in range(steps):
                walker.advance(tokens)
            quickest[name] = min(quickest[name], time.perf_counter() - start)
    return {name: quickest[""] / quickest[name] for name in variants}
