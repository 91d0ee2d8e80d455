"""`python -m export --check` and `--inspect`: a bundle verified and described, without torch."""

from pathlib import Path
from typing import Any

import numpy as np

from charmodels.runtime.bundle import STEP
from charmodels.runtime.errors import BundleError
from charmodels.runtime.generation import walk
from charmodels.runtime.golden import GOLDEN_TOLERANCE, golden_difference, scaled_difference
from charmodels.runtime.model import Model, load_bundle
from charmodels.runtime.onnx_step import OnnxStep


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


def describe_bundle(folder: Path) -> dict[str, Any]:
    """What `--inspect` shows: kind, graph, states, sizes, provenance and metrics."""
    model = load_bundle(folder)
    bundle = model.bundle
    step = model.step
    assert isinstance(step, OnnxStep)
    return {
        "bundle": folder.name,
        "kind": bundle.kind,
        "characters": len(bundle.vocabulary) - 1,
        "vocabulary": "".join(bundle.vocabulary.symbols),
        "inputs": {
            "token": "int64 (batch,)",
            **{s.name: f"{s.dtype} (batch, {', '.join(map(str, s.shape))})" for s in bundle.states},
        },
        "outputs": {
            "logits": f"float32 (batch, {step.vocab})",
            **{f"next_{s.name}": f"{s.dtype}, as {s.name}" for s in bundle.states},
        },
        "files": {name: f"{file.bytes:,} bytes" for name, file in bundle.files.items()},
        "sampling": bundle.facts()["sampling"],
        "provenance": dict(bundle.provenance),
        "metrics": dict(bundle.metrics),
    }
