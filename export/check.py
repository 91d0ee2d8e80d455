"""`python -m export --check`: a bundle verified, without torch."""

from pathlib import Path

import numpy as np

from charmodels.runtime.bundle import STEP
from charmodels.runtime.errors import BundleError
from charmodels.runtime.generation import walk
from charmodels.runtime.golden import GOLDEN_TOLERANCE, golden_difference, scaled_difference
from charmodels.runtime.model import Model, load_bundle


def check_bundle(folder: Path) -> dict[str, float]:
    """Verify hashes, structure, golden logits, batching and walking; what was measured.

    Raises:
        BundleError: naming the first thing that is wrong.
    """
    model = load_bundle(folder)
    return {
        "golden": golden_difference(model.step, model.bundle, folder),
        "rows_independent": _rows_difference(model),
        "walk_equals_step": _walk_difference(model),
    }


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
