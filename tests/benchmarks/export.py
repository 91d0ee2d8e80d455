"""Every architecture exported by the command, parity included, checked, and walked for long.

Two layers, in blocks but for `resgru`, which is one itself: the slowest to export. Weights are
random, but as large as trained ones.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from charmodels.models import MODELS, build_model
from charmodels.models.torch_step import TorchStep
from charmodels.runtime import load_bundle
from charmodels.training.checkpoint import MODEL, put_weights, read_tensors
from export.parity import TOLERANCE, Difference, compare, written_tokens
from tests.benchmarks.rows import Row
from tests.test_parity import write_run_folder

STEPS = 1_000


def rows() -> list[Row]:
    """The slowest export and check, and the worst difference after a thousand carried steps."""
    export: dict[str, float] = {}
    check: dict[str, float] = {}
    worst: dict[str, Difference] = {}
    for arch in MODELS:
        with tempfile.TemporaryDirectory() as folder:
            run, bundle = Path(folder, "run"), Path(folder, "bundle")
            block = arch != "resgru"
            facts = write_run_folder(run, arch, 2, False, embedding_size=24, block=block)
            export[arch] = _seconds([str(run), "--out", str(bundle)])
            check[arch] = _seconds(["--check", str(bundle)])
            model = build_model(len(facts.vocabulary), facts.model)
            put_weights(model, read_tensors(run / MODEL)[0], arch)
            engine = TorchStep(model.eval())
            tokens = written_tokens(engine, STEPS, 2)
            differences = compare(engine, load_bundle(bundle).step, tokens)
            worst[arch] = max(differences, key=lambda difference: difference.scaled)
    slowest, farthest = (
        max(export, key=export.__getitem__),
        max(worst, key=lambda a: worst[a].scaled),
    )
    return [
        Row(
            name="export, the slowest of ten architectures",
            value=export[slowest],
            unit="s",
            limit=15,
            note=f"{slowest}, of two layers of 24; the quickest {min(export.values()):.1f} s",
        ),
        Row(
            name="export --check, the slowest",
            value=max(check.values()),
            unit="s",
            limit=3,
            note=max(check, key=check.__getitem__),
        ),
        Row(
            name=f"parity, the worst of ten over {STEPS:,} carried steps",
            value=worst[farthest].scaled,
            unit="scaled",
            limit=TOLERANCE,
            note=f"{farthest}, {worst[farthest].output}; raw {worst[farthest].raw:.1e}",
        ),
    ]


def _seconds(arguments: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "export", *arguments], check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - start
