"""What `train` reaches when it is given a corpus and a budget, and nothing else on the machine.

Three seeds each, medians; the test part is read once by each training. `QUALITY_ONLY=tiny` in the
environment runs only corpora whose name begins so. The peers: makemore's Transformer of 204,544
parameters, 2.021 on clean names in 450 s of one core; nanoGPT on tinyshakespeare, 1.886 by its CPU
recipe in 445 s, 1.470 by its GPU recipe with 10.65 M parameters in minutes of an A100.
"""

import os
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from charmodels.corpus.registry import find_dataset
from charmodels.runtime.errors import CorpusError
from tests.benchmarks.cells import SEEDS
from tests.benchmarks.rows import Row, command_json


@dataclass(frozen=True)
class Goal:
    """Nats per character to reach on the test part, after so many CPU seconds of training."""

    corpus: str
    seconds: int
    limit: float
    alone: float | None = None
    """Of the network without its n-gram."""


GOALS = (
    Goal("makemore_names", 60, 1.945),
    Goal("makemore_names", 450, 1.925, 1.945),
    Goal("tinyshakespeare", 60, 1.47),
    Goal("tinyshakespeare", 180, 1.43, 1.52),
)


def rows() -> list[Row]:
    """Two rows a goal: network and n-gram together, and the network alone."""
    measured: list[Row] = []
    for goal in GOALS:
        if not goal.corpus.startswith(os.environ.get("QUALITY_ONLY", "")):
            continue
        try:
            find_dataset(goal.corpus)
        except CorpusError as error:
            print(f"  {goal.corpus}: skipped, {error}")
            continue
        runs = [_train(goal, seed) for seed in SEEDS]
        about = f"{goal.corpus}, {goal.seconds} s of one core"
        measured += [
            _row(about, "nats_per_char", goal.limit, runs),
            _row(f"{about}, network alone", "network_nats_per_char", goal.alone, runs),
        ]
    return measured


def _train(goal: Goal, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        budget = ("--max-seconds", str(goal.seconds), "--seed", str(seed))
        command = ("-m", "charmodels", "train", goal.corpus, "--out", str(Path(folder) / "run"))
        run = command_json(*command, *budget)
    figures = f"{run['nats_per_char']}, network {run['network_nats_per_char']}"
    print(f"  {goal.corpus}, {goal.seconds} s, seed {seed}: {figures}, {run['chars_seen']:,} read")
    return run


def _row(name: str, figure: str, limit: float | None, runs: list[dict[str, Any]]) -> Row:
    values = [run[figure] for run in runs]
    first = runs[0]
    used, read = (statistics.median(run[key] for run in runs) for key in ("seconds", "chars_seen"))
    note = (
        f"median of {len(runs)} seeds, spread {max(values) - min(values):.3f}; "
        f"{first['parameters']:,} parameters, {read:,.0f} characters in {used:.0f} s; n-gram of "
        f"order {first['expert_order']}, {first['expert_bytes'] / 1e6:.2f} MB; split "
        f"{first['split'][:12]}"
    )
    unit = "nats/character"
    return Row(
        name=name, value=round(statistics.median(values), 4), unit=unit, limit=limit, note=note
    )
