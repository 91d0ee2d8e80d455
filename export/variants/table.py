"""What the variants are worth, side by side."""

from collections.abc import Mapping

from charmodels.evaluation.figures import Group, Row
from charmodels.evaluation.table import render_table
from charmodels.runtime.bundle import FP32, Judgement


def render_judgements(
    judged: Mapping[str, Judgement], sizes: Mapping[str, int], fp32_size: int
) -> str:
    """A table of one column for each variant, fp32's first; bytes of the graphs beside them."""
    if not judged:
        return ""
    of = list(judged.values())
    rows = (
        Row("MB", tuple(f"{size / 1e6:.2f}" for size in (fp32_size, *sizes.values()))),
        Row("KL divergence from fp32, nats", ("", *(f"{j.kl:.1e}" for j in of))),
        Row("  refused above", ("", *(f"{j.kl_limit:.0e}" for j in of))),
        Row("change, nats/character", ("", *(f"{j.nats_change:+.5f}" for j in of))),
        Row("  its standard error", ("", *(f"{j.nats_change_error:.5f}" for j in of))),
        Row("same likeliest character", ("", *(f"{j.greedy_agreement:.2%}" for j in of))),
        Row("speed at batch 1, times fp32", ("1", *(f"{j.speed:.2f}" for j in of))),
        Row("speed at batch 64, times fp32", ("1", *(f"{j.speed_at_64:.2f}" for j in of))),
    )
    note = f"on {of[0].characters:,} characters of {of[0].judged_on}"
    return render_table([Group("variants", (FP32, *judged), rows, note)], terminal=False).rstrip()
