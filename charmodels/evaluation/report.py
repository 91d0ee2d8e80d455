"""`evaluation.json` in a run folder: what `evaluate` measured, for the bundle's card to carry.

It belongs to the weights that were measured: their sha256 stands in it, and the n-gram's.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from charmodels.aside import write_aside
from charmodels.runtime.bundle import sha256_of
from charmodels.runtime.errors import RunError

EVALUATION = "evaluation.json"
_WEIGHTS = "model_sha256"


def write_evaluation(run: Path, measured: Mapping[str, Any], model_sha256: str) -> None:
    """Keep what was measured of the weights with that sha256."""
    text = json.dumps({**measured, _WEIGHTS: model_sha256}, indent=1)
    write_aside(run / EVALUATION, (text + "\n").encode())


def read_evaluation(run: Path) -> dict[str, Any]:
    """What was measured of a run's samples; empty when nothing was, or of other weights.

    Raises:
        RunError: the file is broken.
    """
    path = run / EVALUATION
    if not path.is_file():
        return {}
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise RunError(
            f"{path}: not valid JSON ({error}); measure again with: "
            f"python -m charmodels evaluate {run}"
        ) from error
    if not isinstance(facts, dict):
        raise RunError(
            f"{path}: expected an object; measure again with: python -m charmodels evaluate {run}"
        )
    measured_weights = facts.pop(_WEIGHTS, None)
    return facts if measured_weights and measured_weights == sha256_of_weights(run) else {}


def sha256_of_weights(run: Path) -> str:
    """Of the network's weights, and after a space of the n-gram's tables where there are some."""
    from charmodels.training.checkpoint import MODEL
    from charmodels.training.mixing import NGRAM

    return " ".join(sha256_of(run / name) for name in (MODEL, NGRAM) if (run / name).is_file())
