"""Two anchors of the field, trained here and now within their budgets, the test part read once."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from charmodels.corpus.registry import find_dataset
from charmodels.runtime.errors import CorpusError
from tests.benchmarks.rows import Row

ANCHORS = (
    # recipe, most parameters, CPU seconds, nats/char to reach, the peer
    ("bench-names", 200_000, 120, 1.98, "makemore's Transformer, 204,544 parameters: 2.021"),
    ("bench-tinyshakespeare", 400_000, 180, 1.60, "nanoGPT's CPU recipe: 1.886"),
)
DATASETS = {"bench-names": "makemore_names", "bench-tinyshakespeare": "tinyshakespeare"}


def rows() -> list[Row]:
    """Nats per character on the clean test part."""
    measured = []
    for recipe, parameters, seconds, limit, peer in ANCHORS:
        try:
            find_dataset(DATASETS[recipe])
        except CorpusError as error:
            print(f"  {recipe}: skipped, {error}")
            continue
        result = _train(recipe)
        split = result["split"][:12]
        measured += [
            Row(
                name=f"{recipe}, network alone, test, nats/character",
                value=result["network_nats_per_char"],
                unit="nats",
                limit=limit,
                note=f"{peer}; split {split}, seed 0",
            ),
            Row(
                name=f"{recipe}, with its n-gram, test, nats/character",
                value=result["nats_per_char"],
                unit="nats",
                note=f"order {result['expert_order']}, "
                f"{result['expert_bytes'] / 1e6:.2f} MB beside the parameters",
            ),
            Row(
                name=f"{recipe}, parameters",
                value=result["parameters"],
                unit="",
                limit=parameters,
            ),
            Row(
                name=f"{recipe}, CPU seconds",
                value=result["seconds"],
                unit="s",
                limit=seconds,
                note=f"wall {result['wall_seconds']} s",
            ),
        ]
    return measured


def _train(recipe: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "charmodels", "train", "--recipe", recipe]
        command += ["--out", str(Path(folder) / "run"), "--json"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result
