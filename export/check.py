"""`python -m export --check`: a bundle verified, without torch."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from charmodels.runtime.bundle import FP32, PREFILL, variant_file
from charmodels.runtime.errors import BundleError
from charmodels.runtime.generation import walk
from charmodels.runtime.golden import (
    golden_difference,
    golden_tolerance,
    prefill_difference,
    scaled_difference,
)
from charmodels.runtime.model import Model, load_bundle
from charmodels.runtime.onnx_step import OnnxStep


@dataclass(frozen=True)
class Measured:
    """The worst scaled difference that one check found, and what it may be."""

    name: str
    worst: float
    tolerance: float


def check_bundle(folder: Path) -> list[Measured]:
    """Verify hashes, structure, golden logits, batching and walking, of every variant.

    Raises:
        BundleError: naming the first thing that is wrong.
    """
    first = load_bundle(folder)
    if not first.bundle.files:
        raise BundleError(
            f"{folder}: opens, but alone it has no golden logits; check the folder it is from"
        )
    measured = _measure(first, FP32, "")
    for variant in first.bundle.sizes:
        if variant != FP32:
            measured += _measure(load_bundle(folder, variant=variant), variant, f"{variant}_")
    return measured


def _measure(model: Model, variant: str, prefix: str) -> list[Measured]:
    """The checks of one graph, held to the tolerance of its variant."""
    file, tolerance = variant_file(variant), golden_tolerance(model.bundle, variant)
    found = {
        "golden": golden_difference(model.step, model.bundle, file, tolerance),
        "rows_independent": _rows_difference(model, file, tolerance),
        "walk_equals_step": _walk_difference(model, file, tolerance),
    }
    if isinstance(model.step, OnnxStep) and model.step.prefill:
        found["prefill_equals_steps"] = prefill_difference(model.step, model.bundle, PREFILL)
    return [Measured(prefix + name, worst, tolerance) for name, worst in found.items()]


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


def _walk_difference(model: Model, file: str, tolerance: float) -> float:
    """The walker's bound buffers must give what pure steps give."""
    state = model.step.initial_state()
    walker = walk(model.step, state)
    worst = 0.0
    for token in range(20):
        ids = np.array([token % len(model.vocabulary)])
        logits, state = model.step.step(ids, state)
        worst = max(worst, scaled_difference(logits[0], walker.advance(ids)[0]))
    if not worst <= tolerance:
        raise BundleError(f"{file}: carried states go wrong when bound (by {worst:.1e})")
    return worst
