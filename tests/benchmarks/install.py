"""A Gradio Space's folder from nothing to its first character, and what is installed for it.

python -m tests.benchmarks install
"""

import tempfile
import time
from pathlib import Path

from demo.gradio_space import stage
from tests.benchmarks.rows import Row
from tests.fresh import asked, install
from tests.serving import free_port


def rows() -> list[Row]:
    """One fresh environment: packages are downloaded, nothing comes from pip's cache."""
    with tempfile.TemporaryDirectory() as base:
        folder = stage(Path(base) / "space").folder
        environment = Path(base) / "venv"
        start = time.perf_counter()
        python = install(folder, environment, "--no-cache-dir")
        installed = time.perf_counter() - start
        with asked(folder, python, free_port(), "municipios", "San ") as visitor:
            assert visitor.stdout is not None
            assert visitor.stdout.readline() == "first\n"
            first = time.perf_counter() - start
        files = [path for path in environment.rglob("*") if not path.is_symlink()]
        size = sum(path.stat().st_size for path in files if path.is_file()) / 1e6
    note = f"installing {installed:.0f} s, from the nearest mirror, without pip's cache"
    return [
        Row(name="gradio space: fresh install to first character", value=first, unit="s",
            limit=90, note=note),
        Row(name="gradio space: environment", value=size, unit="MB", limit=500,
            note="with pip and compiled modules"),
    ]  # fmt: skip
