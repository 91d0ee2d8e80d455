"""`python -m charmodels compare`: runs side by side, by validation; the test part stays unread."""

import json
import sys
from pathlib import Path

from charmodels.evaluation.plots import Curve, check_picture, draw_curves
from charmodels.runtime.errors import RunError
from charmodels.training.checkpoint import LOG, read_run

_MIXED = "mixed_validation_nats_per_char"
_COLUMNS = (
    "run",
    "corpus",
    "arch",
    "seed",
    "parameters",
    "validation_nats_per_char",
    _MIXED,
    "seconds",
    "steps",
    "split",
)


def compare_command(runs: tuple[Path, ...], plot: Path | None = None, *, as_json: bool) -> int:
    """Print the runs, the best network on validation first; draw how they learned.

    Says so when their splits differ.

    Raises:
        SettingError: `plot` ends neither in .svg nor in .png.
        RunError: a folder is no run, its log is broken, or there is nothing to draw.
    """
    if not runs:
        raise RunError("no run given; for example: compare runs/a runs/b")
    if plot is not None:
        check_picture(plot)
    rows = []
    for folder in runs:
        facts = read_run(folder)
        metrics = facts.metrics or {}
        row = {"run": str(folder), "corpus": facts.corpus["name"], "arch": facts.model.arch}
        row |= {"seed": facts.training.seed, "split": facts.split["hash"]}
        row |= {name: metrics.get(name) for name in _COLUMNS if name not in row}
        rows.append(row | {"finished": facts.metrics is not None})
    rows.sort(key=lambda row: row["validation_nats_per_char"] or float("inf"))
    if len({row["split"] for row in rows}) > 1:
        print(
            "these runs hold out different records: their figures do not compare", file=sys.stderr
        )
    if plot is not None:
        _draw(runs, plot)
    if as_json:
        print(json.dumps({"runs": rows}))
        return 0
    print(*_COLUMNS, sep="\t")
    for row in rows:
        row["split"] = str(row["split"])[:12]
        missing = dict.fromkeys(_COLUMNS, "nothing held out" if row["finished"] else "unfinished")
        missing[_MIXED] = "no n-gram" if row["finished"] else "unfinished"
        print(*(missing[c] if row[c] is None else row[c] for c in _COLUMNS), sep="\t")
    return 0


def _draw(runs: tuple[Path, ...], plot: Path) -> None:
    """Validation against characters read, a curve a run."""
    curves = {name: read_learning(folder) for name, folder in short_names(runs).items()}
    drawn = {label: curve for label, curve in curves.items() if curve[0]}
    if not drawn:
        raise RunError("no run has a validation in its log yet, so there is no curve to draw")
    for label in curves.keys() - drawn.keys():
        print(f"{label}: no validation in its log, so it has no curve", file=sys.stderr)
    draw_curves(
        plot, drawn, across="characters read in training", up="validation, nats per character"
    )
    print(f"wrote {plot}", file=sys.stderr)


def short_names(runs: tuple[Path, ...]) -> dict[str, Path]:
    """Runs by the ends of their paths, as long as it takes to tell them apart."""
    paths = [folder.resolve() for folder in runs]
    names: list[str] = []
    for length in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-length:]) for path in paths]
        if len(set(names)) == len(set(paths)):
            break
    return dict(zip(names, runs, strict=True))


def read_learning(folder: Path) -> Curve:
    """Characters read and validation nats per character at each validation of a run's log.

    Both are empty when nothing is held out or no validation was reached.

    Raises:
        RunError: a line of the log is broken.
    """
    path = folder / LOG
    chars, nats = [], []
    lines = path.read_bytes().splitlines() if path.is_file() else []
    for number, line in enumerate(lines, 1):
        try:
            facts = json.loads(line)
            seen, validation = facts["chars_seen"], facts["validation_nats_per_char"]
            if validation is not None:
                chars.append(float(seen))
                nats.append(float(validation))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise RunError(
                f"{path}, line {number}: not a validation ({error}); train again with --force"
            ) from error
    return chars, nats
