"""The golden vectors: tokens, and the logits that any runtime must give after them."""

from pathlib import Path

import numpy as np

from charmodels.runtime.bundle import FP32, Bundle
from charmodels.runtime.errors import BundleError
from charmodels.runtime.generation import Array, PureWalker, StepModel, walk
from charmodels.runtime.onnx_step import OnnxStep

GOLDEN_TOLERANCE = 1e-4
"""Of the scaled difference to the golden logits: room for another processor's rounding."""

MAX_TOLERANCE = 1.0
"""A variant's may be no larger: with more, the golden logits would prove nothing."""


def golden_tolerance(bundle: Bundle, variant: str) -> float:
    """How far the logits of a variant may be from the golden ones: as far as bundle.json says.

    Raises:
        BundleError: it says nothing of that variant, or that its logits may be any.
    """
    if variant == FP32:
        return GOLDEN_TOLERANCE
    if variant not in bundle.variants:
        raise BundleError(f"bundle.json: no figures of variant {variant}; export the run again")
    tolerance = bundle.variants[variant].golden_tolerance
    if not 0.0 <= tolerance <= MAX_TOLERANCE:
        raise BundleError(
            f"bundle.json: variant {variant} has golden_tolerance {tolerance:.3g}; "
            f"expected at most {MAX_TOLERANCE:g}, or it says another thing than fp32"
        )
    return tolerance


def golden_difference(
    step: StepModel, bundle: Bundle, where: str | Path, tolerance: float = GOLDEN_TOLERANCE
) -> float:
    """Feed the golden tokens; the worst scaled difference to the golden logits of `where`.

    Raises:
        BundleError: there are none, or the graph gives other logits.
    """
    golden, vocab = bundle.golden, len(bundle.vocabulary)
    if golden is None or len(golden.logits) != vocab or not golden.tokens:
        raise BundleError(f"{where}: holds no usable golden vectors; export the run again")
    if max(golden.tokens) >= vocab:
        raise BundleError(f"{where}: golden token {max(golden.tokens)}; expected 0 to {vocab - 1}")
    worst, state = 0.0, step.initial_state()
    for walker in (PureWalker(step, state), walk(step, state)):  # which may be two engines
        for token in golden.tokens:
            logits = walker.advance(np.array([token]))
        worst = max(worst, scaled_difference(np.array(golden.logits), logits[0]))
    if not worst <= tolerance:
        raise BundleError(
            f"{where}: its logits differ from the golden ones by {worst:.1e}; "
            f"expected at most {tolerance:.0e}"
        )
    return worst


def prefill_difference(step: OnnxStep, bundle: Bundle, where: str | Path) -> float:
    """Read the golden tokens at once; the worst scaled difference to what the steps come to.

    Raises:
        BundleError: logits or a state differ.
    """
    assert bundle.golden is not None
    assert step.prefill is not None
    tokens, state = np.array(bundle.golden.tokens), step.initial_state()
    found, found_state = step.prefill.read(tokens[None], state)
    for token in tokens:
        logits, state = step.step(token[None], state)
    worst = scaled_difference(logits, found)
    for name, value in state.items():
        worst = max(worst, scaled_difference(value, found_state[name]))
    if not worst <= GOLDEN_TOLERANCE:
        raise BundleError(f"{where}: does not end where the steps do (by {worst:.1e})")
    return worst


def scaled_difference(expected: Array, found: Array) -> float:
    """The worst |a - b| / max(1, |a|); infinite for other shapes."""
    if expected.shape != found.shape:
        return float("inf")
    return float((np.abs(found - expected) / np.maximum(1.0, np.abs(expected))).max())
