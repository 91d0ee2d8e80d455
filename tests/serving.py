"""Starts the real page in a process of its own, where torch cannot be imported."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]

# What a page must not need cannot be imported there.
WITHOUT_TORCH = """
import sys

class Blocked:
    names = ("torch", "safetensors", "export", "charmodels.models", "charmodels.training")

    def find_spec(self, name, path=None, target=None):
        if name.startswith(self.names):
            raise ModuleNotFoundError(f"{{name}} is blocked here", name=name)

sys.meta_path.insert(0, Blocked())
sys.path.insert(0, {root!r})
{before}
from demo.__main__ import main
sys.exit(main(sys.argv[1:]))
"""

WITH_TORCH = "sys.meta_path.pop(0)"
"""Code to run `before`: this page may train."""


def free_port() -> int:
    """A port that nobody listens on: other tests may serve pages of their own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(
    arguments: Sequence[str | Path] = (), before: str = ""
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`python -m demo ARGUMENTS` without torch; gives its address and its process.

    `before` is code that its process runs first: a fault to plant, something to measure.
    """
    code = WITHOUT_TORCH.format(root=str(ROOT), before=before)
    chosen = () if "--port" in arguments else ("--port", str(free_port()))
    command = [sys.executable, "-c", code, *map(str, arguments), *chosen, "--no-open"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    said: list[str] = []
    assert process.stdout is not None
    assert process.stderr is not None
    reader = threading.Thread(target=lambda: said.extend(process.stderr or ()), daemon=True)
    reader.start()
    try:
        address = process.stdout.readline().strip()
        if not address:
            process.wait(10)
            reader.join(5)
            raise AssertionError("the page did not start:\n" + "".join(said))
        yield address.rstrip("/"), process
    finally:
        process.terminate()
        process.wait(10)
        reader.join(5)
        process.stdout.close()
        process.stderr.close()
