"""How long a person waits before anything happens: importing the runtime, asking for help."""

import statistics
import subprocess
import sys
import time

from tests.benchmarks.rows import Row

ROUNDS = 7


def rows() -> list[Row]:
    """Medians of whole processes, the bare interpreter's start taken off the import."""
    bare = _seconds("-c", "pass")
    runtime = _seconds("-c", "import charmodels.runtime")
    helps = {
        "python -m charmodels --help": ("-m", "charmodels", "--help"),
        "python -m charmodels train --help": ("-m", "charmodels", "train", "--help"),
        "python -m export --help": ("-m", "export", "--help"),
        "python -m demo --help": ("-m", "demo", "--help"),
    }
    return [
        Row(name="import charmodels.runtime", value=runtime - bare, unit="s", limit=0.5),
        *(
            Row(name=name, value=_seconds(*arguments), unit="s", limit=1.0)
            for name, arguments in helps.items()
        ),
    ]


def _seconds(*arguments: str) -> float:
    def once() -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        return time.perf_counter() - start

    once()
    return statistics.median(once() for _ in range(ROUNDS))
