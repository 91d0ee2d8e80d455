"""`python -m export --check`: a bundle verified, without torch."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from charmodels.runtime.bundle import FP32, PREFILL, variant_file
from charmodels.runtime.errors import BundleError
from charmodels.runtime.generation import walk
from charmodels.runtime.golden import (
    GOLDEN_TOLERANCE,
    golden_difference,
    golden_tolerance,
    prefill_difference,
    scaled_difference,
)
from charmodels.runtime.model import Model, load_bundle
from charmodels.runtime.onnx_step import OnnxStep

_FLOAT = (FP32, "fp16")
"""The variants whose arithmetic is float32's throughout."""


@dataclass(frozen=True)
class Measured:
    """The worst scaled difference that one check found, and what it may be."""

    name: str
    worst: float
    tolerance: float


def check_bundle(folder: Path, *, trusted: bool = False) -> list[Measured]:
    """Verify hashes, structure, golden logits, batching and walking, of every variant.

    The structure is not looked at in a bundle of our own, `trusted`: it may be of any size.

    Raises:
        BundleError: naming the first thing that is wrong.
    """
    first = load_bundle(folder, trusted=trusted)
    if not first.bundle.files:
        raise BundleError(
            f"{folder}: opens, but alone it has no golden logits; check the folder it is from"
        )
    measured = _measure(first, FP32, "")
    for variant in first.bundle.sizes:
        if variant != FP32:
            model = load_bundle(folder, variant=variant, trusted=trusted)
            measured += _measure(model, variant, f"{variant}_")
    return measured


def _measure(model: Model, variant: str, prefix: str) -> list[Measured]:
    """The checks of one graph: a variant may be as far as it says from fp32, not from itself.

    But where the numbers between are rounded to integers, as many texts at once may round one of
    them to the other side.
    """
    file, tolerance = variant_file(variant), golden_tolerance(model.bundle, variant)
    golden = golden_difference(model.step, model.bundle, file, tolerance)
    of_rows = GOLDEN_TOLERANCE if variant in _FLOAT else tolerance
    found = [
        Measured("golden", golden, tolerance),
        Measured("rows_independent", _rows_difference(model, file, of_rows), of_rows),
        Measured("walk_equals_step", _walk_difference(model, file), GOLDEN_TOLERANCE),
    ]
    if isinstance(model.step, OnnxStep) and model.step.prefill:
        worst = prefill_difference(model.step, model.bundle, PREFILL)
        found.append(Measured("prefill_equals_steps", worst, GOLDEN_TOLERANCE))
    return [replace(each, name=prefix + each.name) for each in found]


def _rows_difference(model: Model, file: str, tolerance: float) -> float:
    """Three texts side by side must give what each gives alone."""
    tokens = np.arange(12).reshape(4, 3) % len(model.vocabulary)
    together, state = model.step.step(tokens[0], model.step.initial_state(3))
    for token in tokens[1:]:
        together, state = model.step.step(token, state)
    worst = 0.0
    for row in range(3):
        state = model.step.initial_state()
        for token in tokens[:, row]:
            alone, state = model.step.step(np.array([token]), state)
        worst = max(worst, scaled_difference(together[row], alone[0]))
    if not worst <= tolerance:
        raise BundleError(f"{file}: texts side by side disturb each other (by {worst:.1e})")
    return worst


def _walk_difference(model: Model, file: str) -> float:
    """The walker's bound buffers must give what pure steps give."""
    state = model.step.initial_state()
    walker = walk(model.step, state)
    worst = 0.0
    for token in range(20):
        ids = np.array([token % len(model.vocabulary)])
        logits, state = model.step.step(ids, state)
        worst = max(worst, scaled_difference(logits[0], walker.advance(ids)[0]))
    if not worst <= GOLDEN_TOLERANCE:
        raise BundleError(f"{file}: carried states go wrong when bound (by {worst:.1e})")
    return worst
