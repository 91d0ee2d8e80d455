"""Run benchmarks by name, print their figures with machine and versions, keep them as rows."""

import importlib
import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.benchmarks.rows import keep, machine

NAMES = (
    "startup",
    "streaming",
    "speed",
    "export",
    "hybrid",
    "page",
    "load",
    "hostile",
    "recurrences",
    "equal",
    "sweep",
    "salts",
    "training",
    "table",
    "scratch",
    "notebooks",
    "keras",
    "reach",
    "ngram",
    "gpu",
    "constraints",
    "variants",
    "web",
    "install",
)


def main(argv: list[str]) -> int:
    """Exit 0 when every figure is reached, 1 when one is not, 2 for an unknown name."""
    wanted = argv or list(NAMES)
    unknown = set(wanted) - set(NAMES)
    if unknown:
        print(f"no benchmark {', '.join(sorted(unknown))}; expected {', '.join(NAMES)}")
        return 2
    print(" · ".join(f"{key} {value}" for key, value in machine().items()))
    reached = True
    for name in wanted:
        print(f"\n{name}")
        rows = importlib.import_module(f"tests.benchmarks.{name}").rows()
        for row in rows:
            print(f"  {row}")
            reached = reached and row.reached
        if rows:
            keep(name, rows)
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
