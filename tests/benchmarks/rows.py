"""One measured figure, and the folder where figures are kept."""

import json
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A figure, its unit, and what it must reach."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    """The figure to reach."""
    at_least: bool = False
    """Whether more is better."""
    note: str = ""

    @property
    def reached(self) -> bool:
        if self.limit is None:
            return True
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def __str__(self) -> str:
        sign = ">=" if self.at_least else "<="
        limit = "" if self.limit is None else f"  must be {sign} {self.limit:g}"
        verdict = "" if self.reached else "  NOT REACHED"
        note = f"  ({self.note})" if self.note else ""
        return f"{self.name:<52} {self.value:>10.4g} {self.unit}{limit}{verdict}{note}"


def machine() -> dict[str, str]:
    """What a figure must be read with: processor and versions."""
    packages = ("torch", "onnxruntime", "gradio", "numpy")
    return {
        "processor": _processor(),
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def keep(benchmark: str, rows: list[Row]) -> None:
    """Append a run's figures to results/BENCHMARK.jsonl."""
    RESULTS.mkdir(exist_ok=True)
    entry = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        **machine(),
        "rows": [asdict(row) for row in rows],
    }
    with (RESULTS / f"{benchmark}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


def command_json(*arguments: str) -> dict[str, Any]:
    """What `python ARGUMENTS --json` prints, run in a process of its own."""
    command = [sys.executable, *arguments, "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result
