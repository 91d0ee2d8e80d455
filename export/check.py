"""`python -m export --check`: a bundle verified, without torch."""

from pathlib import Path

import numpy as np

from charmodels.runtime.bundle import PREFILL, STEP
from charmodels.runtime.errors import BundleError
from charmodels.runtime.generation import walk
from charmodels.runtime.golden import GOLDEN_TOLERANCE, golden_difference, scaled_difference
from charmodels.runtime.model import Model, load_bundle
from charmodels.runtime.onnx_step import OnnxStep
from charmodels.runtime.prefill import Prefill


def check_bundle(folder: Path) -> dict[str, float]:
    """Verify hashes, structure, golden logits, batching and walking; what was measured.

    Raises:
        BundleError: naming the first thing that is wrong.
    """
    model = load_bundle(folder)
    measured = {
        "golden": golden_difference(model.step, model.bundle, folder),
        "rows_independent": _rows_difference(model),
        "walk_equals_step": _walk_difference(model),
    }
    if isinstance(model.step, OnnxStep) and model.step.prefill:
        measured["prefill_equals_steps"] = _prefill_difference(model, model.step.prefill)
    return measured


def _rows_difference(model: Model) -> float:
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
    if not worst <= GOLDEN_TOLERANCE:
        raise BundleError(f"{STEP}: texts side by side disturb each other (by {worst:.1e})")
    return worst


def _walk_difference(model: Model) -> float:
    """The walker's bound buffers must give what pure steps give."""
    state = model.step.initial_state()
    walker = walk(model.step, state)
    worst = 0.0
    for token in range(20):
        ids = np.array([token % len(model.vocabulary)])
        logits, state = model.step.step(ids, state)
        worst = max(worst, scaled_difference(logits[0], walker.advance(ids)[0]))
    if not worst <= GOLDEN_TOLERANCE:
        raise BundleError(f"{STEP}: carried states go wrong when bound (by {worst:.1e})")
    return worst


def _prefill_difference(model: Model, prefill: Prefill) -> float:
    """The golden text read at once must give what its steps give."""
    assert model.bundle.golden is not None
    tokens = np.array(model.bundle.golden.tokens)
    state = model.step.initial_state()
    found, found_state = prefill.read(tokens[None], state)
    for token in tokens:
        logits, state = model.step.step(token[None], state)
    worst = scaled_difference(logits, found)
    for name, value in state.items():
        worst = max(worst, scaled_difference(value, found_state[name]))
    if not worst <= GOLDEN_TOLERANCE:
        raise BundleError(f"{PREFILL}: does not end where the steps do (by {worst:.1e})")
    return worst
