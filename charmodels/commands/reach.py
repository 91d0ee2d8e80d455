"""`python -m charmodels reach`: how far back the loss of trained runs feels their memory."""

import json
import math
import sys
from pathlib import Path

from charmodels.commands.compare import short_names
from charmodels.evaluation.plots import check_picture, draw_curves
from charmodels.evaluation.reach import POSITIONS, measure_reach
from charmodels.runtime.errors import RunError
from charmodels.training.checkpoint import read_model, read_run
from charmodels.training.train import reopen_corpus


def reach_command(
    runs: tuple[Path, ...], distance: int, plot: Path | None, *, as_json: bool
) -> int:
    """Print a row a distance and a column a run; draw them where asked."""
    if not runs:
        raise RunError("no run given; for example: reach runs/rnn runs/lstm")
    if plot is not None:
        check_picture(plot)
    if len({read_run(folder).split["hash"] for folder in runs}) > 1:
        print("these runs read different texts: their curves do not compare", file=sys.stderr)
    curves = {name: _reach_of(folder, distance) for name, folder in short_names(runs).items()}
    if plot is not None:
        distances = range(distance + 1)
        draw_curves(
            plot,
            {label: (distances, curve) for label, curve in curves.items()},
            across="characters between the memory and the loss",
            up="gradient of the loss, share of that at 0",
            logarithmic=True,
        )
        print(f"wrote {plot}", file=sys.stderr)
    if as_json:
        print(json.dumps({"distance": distance, "reach": curves}))
        return 0
    print("distance", *curves, sep="\t")
    for place in range(distance + 1):
        print(place, *(f"{curve[place]:.3e}" for curve in curves.values()), sep="\t")
    return 0


def _reach_of(folder: Path, distance: int) -> list[float]:
    """The curve on a run's validation part, so that the test part stays unread."""
    facts = read_run(folder)
    if facts.kind != "text":
        raise RunError(f"{folder}: learned names, which are too short; reach is measured on texts")
    _, split = reopen_corpus(facts)
    if not split.validation:
        raise RunError(f"{folder}: its text was too short to hold anything out")
    ids = facts.vocabulary.encode(split.validation[0])
    print(
        f"{folder}: {facts.model.arch} on the validation part of {facts.corpus['name']}, "
        f"{len(ids):,} characters, at most {POSITIONS:,} positions",
        file=sys.stderr,
    )
    curve: list[float] = measure_reach(read_model(folder, facts), ids, distance).tolist()
    if not all(map(math.isfinite, curve)):
        raise RunError(f"{folder}: its gradients are no numbers; the training diverged")
    return curve
