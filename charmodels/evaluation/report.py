"""`evaluation.json` in a run folder: what `evaluate` measured, for the bundle's card to carry."""

import json
from pathlib import Path
from typing import Any

EVALUATION = "evaluation.json"


def read_evaluation(run: Path) -> dict[str, Any]:
    """What was measured of a run's samples; empty when nothing was."""
    path = run / EVALUATION
    if not path.is_file():
        return {}
    facts = json.loads(path.read_text(encoding="utf-8"))
    return facts if isinstance(facts, dict) else {}
