"""Small corpora and quick runs for tests that need a trained model."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

_STARTS = ("San", "Santa", "Villa", "Monte", "Rio", "Alta", "Puerto", "Campo")
_ENDS = ("Ana", "Rosa", "Luz", "Clara", "Pedro", "Mar", "Viejo", "Nuevo", "Azul", "Ángel")

TINY = ("--embedding-size", "8", "--hidden-size", "24", "--batch-size", "16", "--ngram", "none")
"""Flags that make training a matter of a second, and a network of it without an n-gram."""


def write_names(folder: Path) -> Path:
    """Eighty made-up names."""
    path = folder / "names.txt"
    names = [f"{start} {end}" for start in _STARTS for end in _ENDS]
    path.write_text("\n".join(names) + "\n", encoding="utf-8")
    return path


def write_text(folder: Path) -> Path:
    """A short text in verse."""
    path = folder / "verse.txt"
    lines = [f"{start.lower()} {end.lower()},\nque {end}." for end in _ENDS for start in _STARTS]
    path.write_text("\n".join(lines * 3) + "\n", encoding="utf-8")
    return path


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "COLUMNS": "200"}


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    """`python -m charmodels ...` in a process of its own."""
    command = [sys.executable, "-m", "charmodels", *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )


def run_json(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return facts
