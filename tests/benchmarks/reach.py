"""Vanishing gradients, measured: three recurrences of one size, trained alike on one text.

Also draws demo/assets/reach.svg. Nothing here must be reached: the curves are what they are.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.benchmarks.rows import Row
from tests.runs import ROOT, environment

TEXT = "biblia_rv1909_evangelios"
ARCHS = ("rnn", "gru", "lstm")
SETTINGS = (
    "--hidden-size 128 --batch-size 32 --window 64 --learning-rate 0.004 --seed 0 --no-test "
    "--max-steps 4000 --validations 25 --patience 25"  # equal steps, so equal characters
).split()
DISTANCE, SHOWN = 60, (1, 2, 5, 10, 20, 30, 40, 50, 60)
PICTURE = ROOT / "demo" / "assets" / "reach.svg"


def rows() -> list[Row]:
    """The curve of each recurrence at a few distances, beside what it learned and what it cost."""
    with tempfile.TemporaryDirectory() as folder:
        return measure(Path(folder))


def measure(folder: Path) -> list[Row]:
    """Train the three in `folder`, each in one of its name, and draw them."""
    trained = {}
    for arch in ARCHS:
        trained[arch] = _command(
            folder, "train", TEXT, "--out", arch, "--arch", arch, "--json", *SETTINGS
        )
    curves = _command(
        folder, "reach", *ARCHS, f"--distance={DISTANCE}", f"--plot={PICTURE}", "--json"
    )["reach"]
    found = []
    for arch, run in trained.items():
        note = (
            f"{run['parameters']:,} parameters, {run['chars_seen']:,} characters of {TEXT}, "
            f"{run['seconds']:.0f} CPU s, seed 0"
        )
        nats = run["validation_nats_per_char"]
        found.append(Row(name=f"{arch}, validation, nats/character", value=nats, unit="nats"))
        for k in SHOWN:
            found.append(
                Row(
                    name=f"{arch}, gradient at {k}",
                    value=curves[arch][k],
                    unit="of that at 0",
                    note=note if k == SHOWN[0] else "",
                )
            )
    return found


def _command(folder: Path, *words: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "charmodels", *words]
    done = subprocess.run(
        command, check=True, cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result
