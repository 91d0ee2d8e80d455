"""Every variant that was asked for: made, judged beside fp32, and kept or refused."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx

from charmodels.runtime.bundle import Golden, Judgement, variant_file
from charmodels.runtime.generation import StepModel, walk
from charmodels.runtime.golden import scaled_difference
from charmodels.runtime.onnx_step import OnnxStep, open_session
from export.variants import LIMITS, VARIANTS
from export.variants.held_out import HeldOut
from export.variants.judge import Likeness, compare_on, speeds
from export.variants.table import render_judgements

_NOISE = 0.95
"""Below this many times fp32's speed a variant is called slower: clocks are no better."""

_LEAST_TOLERANCE = 1e-4
"""Of golden logits: room for another processor's rounding, as for fp32."""


def make_variants(
    step: onnx.ModelProto,
    fp32: StepModel,
    names: Sequence[str],
    text: HeldOut,
    golden: Golden,
    folder: Path,
    report: Callable[[str], None],
) -> dict[str, Judgement]:
    """Write the graph of each variant into `folder`, unless it is refused.

    Args:
        step: the finished step in fp32.
        fp32: the same, opened.
        names: of `VARIANTS`.
        text: what they are judged on.
        golden: what fp32 gives, and they should nearly.
        folder: where the graphs go, beside step.onnx.
        report: told the table, and each refusal and loss of speed in a line.

    Returns:
        What each is worth. Figures of one whose scores are no finite numbers are left out.
    """
    engines: dict[str, StepModel] = {}
    for name in names:
        path = folder / variant_file(name)
        path.write_bytes(VARIANTS[name](step).SerializeToString())
        engines[name] = OnnxStep(open_session(path))
    likeness = compare_on(text, fp32, engines)
    at_one, at_64 = (speeds(fp32, engines, batch) for batch in (1, 64))
    judged: dict[str, Judgement] = {}
    for name, like in likeness.items():
        if np.isfinite(like.kl).all():
            tolerance = _golden_tolerance(golden, engines[name])
            judged[name] = _judge(name, text, like, at_one[name], at_64[name], tolerance)
    files = {name: folder / variant_file(name) for name in judged}
    sizes = {name: path.stat().st_size for name, path in files.items()}
    report(render_judgements(judged, sizes, len(step.SerializeToString())))
    for name in names:
        report_line = _verdict(name, judged.get(name))
        if report_line:
            report(report_line)
        if name not in judged or not judged[name].accepted:
            (folder / variant_file(name)).unlink()
    return judged


def _judge(
    name: str, text: HeldOut, like: Likeness, speed: float, speed_at_64: float, tolerance: float
) -> Judgement:
    return Judgement(
        judged_on=text.name,
        characters=len(like.kl),
        kl=float(like.kl.mean()),
        kl_limit=LIMITS[name],
        nats_change=float(like.nats_change.mean()),
        nats_change_error=like.nats_change_error,
        greedy_agreement=float(like.agrees.mean()),
        speed=round(speed, 3),
        speed_at_64=round(speed_at_64, 3),
        golden_tolerance=tolerance,
    )


def _verdict(name: str, judgement: Judgement | None) -> str:
    """Why a variant is refused, or where it is slower than fp32; nothing to say is nothing."""
    if judgement is None:
        return f"{name} is refused: its scores are not finite numbers"
    if not judgement.accepted:
        return (
            f"{name} is refused: it strays {judgement.kl:.1e} nats from fp32; "
            f"at most {judgement.kl_limit:.0e} is allowed"
        )
    batches = {"batch 1": judgement.speed, "batch 64": judgement.speed_at_64}
    slow = [f"at {batch} ({speed:.2f}x)" for batch, speed in batches.items() if speed < _NOISE]
    return f"{name} is slower than fp32 {' and '.join(slow)}" if slow else ""


def _golden_tolerance(golden: Golden, variant: StepModel) -> float:
    """Twice the scaled difference that there is to fp32's golden logits."""
    walker = walk(variant, variant.initial_state())
    for token in golden.tokens:
        logits = walker.advance(np.array([token]))
    worst = scaled_difference(np.array(golden.logits), logits[0])
    return max(_LEAST_TOLERANCE, 2 * worst)
