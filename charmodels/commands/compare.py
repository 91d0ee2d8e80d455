"""`python -m charmodels compare`: runs side by side, by validation; the test part stays unread."""

import json
import sys
from pathlib import Path

from charmodels.runtime.errors import RunError
from charmodels.training.checkpoint import read_run

_COLUMNS = ("run", "corpus", "arch", "parameters", "validation_nats_per_char", "seconds", "steps")


def compare_command(runs: tuple[Path, ...], *, as_json: bool) -> int:
    """Print the finished runs, best validation first; warn when their splits differ."""
    if not runs:
        raise RunError("no run given; for example: compare runs/a runs/b")
    rows = []
    for folder in runs:
        facts = read_run(folder)
        metrics = facts.metrics or {}
        row = {"run": str(folder), "corpus": facts.corpus["name"], "arch": facts.model.arch}
        row |= {name: metrics.get(name) for name in _COLUMNS[3:]}
        row["finished"] = facts.metrics is not None
        rows.append(row | {"split": facts.split["hash"]})
    rows.sort(key=lambda row: row["validation_nats_per_char"] or float("inf"))
    if len({row["split"] for row in rows}) > 1:
        print(
            "these runs hold out different records: their figures do not compare", file=sys.stderr
        )
    if as_json:
        print(json.dumps({"runs": rows}))
        return 0
    print(*_COLUMNS, sep="\t")
    for row in rows:
        missing = "nothing held out" if row["finished"] else "unfinished"
        print(*(missing if row[c] is None else row[c] for c in _COLUMNS), sep="\t")
    return 0
