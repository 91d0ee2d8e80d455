"""Around each default, one setting changed at a time: what `recipes.py` was chosen by.

Every trial is one training of a minute, judged by the validation part; the test part stays unread,
and `--read-all 0` keeps the validation part unlearned to the end. A finished trial is a line of
results/trials.jsonl and is not run again; `python -m tests.benchmarks sweep` runs what is missing.
`SWEEP_ONLY=us_baby` in the environment runs only trials whose name begins so.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from charmodels.corpus.registry import open_corpus
from charmodels.recipes import Recipe, default_recipe
from charmodels.runtime.errors import CorpusError
from tests.benchmarks.rows import RESULTS, Row, command_json, machine

LINES = RESULTS / "trials.jsonl"
SECONDS, SEED = 60, 0
CORPORA = ("mx_municipios", "us_baby_names_10k", "makemore_names", "tinyshakespeare")
"""One for each default: a short list, a list, a long list, a text."""


@dataclass(frozen=True)
class Trial:
    """One corpus and the flags that differ from its default."""

    corpus: str
    flags: tuple[str, ...]

    @property
    def change(self) -> str:
        """The flags as a person would say them."""
        return " ".join(self.flags).replace("--", "") or "default"

    @property
    def recipe(self) -> Recipe:
        """The default that the flags change."""
        return default_recipe(open_corpus(self.corpus), SECONDS)

    def run(self) -> dict[str, Any]:
        """Train in a process of its own."""
        with tempfile.TemporaryDirectory() as folder:
            flags = ("--max-seconds", str(SECONDS), "--seed", str(SEED), "--read-all", "0")
            out = ("--out", str(Path(folder) / "run"), "--no-test")
            command = ("-m", "charmodels", "train", self.corpus)
            return command_json(*command, *out, *flags, *self.flags)


def trials() -> Iterator[Trial]:
    """The defaults and what is beside them."""
    for corpus in CORPORA:
        yield Trial(corpus, ())
        recipe = default_recipe(open_corpus(corpus), SECONDS)
        model, training = recipe.model, recipe.training
        for factor in (0.5, 2):
            yield Trial(corpus, ("--learning-rate", f"{training.learning_rate * factor:g}"))
        for dropout in (model.dropout - 0.1, model.dropout + 0.1):
            yield Trial(corpus, ("--dropout", f"{max(dropout, 0.0):g}"))
        yield Trial(corpus, ("--hidden-size", str(round(model.hidden_size * 1.25 / 8) * 8)))
        yield Trial(corpus, ("--weight-decay", "0.03"))
        yield Trial(corpus, ("--batch-size", str(training.batch_size // 2)))
        yield Trial(corpus, ("--batch-size", str(training.batch_size * 2)))
        if model.arch == "lstm":
            hidden = training.weight_dropout
            for share in (0.0, 0.15) if not hidden else (0.0, hidden - 0.15, hidden + 0.15):
                if share != hidden:
                    yield Trial(corpus, ("--weight-dropout", f"{share:g}"))
        other = "resgru" if model.arch == "lstm" else "lstm"
        yield Trial(corpus, ("--arch", other))


def rows() -> list[Row]:
    """Run what is missing; for each default what it costs, and what a change would gain."""
    done = {
        (line["corpus"], line["base"], line["change"]): line
        for line in (
            map(json.loads, LINES.read_text(encoding="utf-8").splitlines())
            if LINES.is_file()
            else ()
        )
    }
    only, found = os.environ.get("SWEEP_ONLY", ""), []
    for trial in _there():
        base = f"{trial.recipe.model} {trial.recipe.training}"
        key = (trial.corpus, base, trial.change)
        if key not in done and f"{trial.corpus} {trial.change}".startswith(only):
            line = {"corpus": trial.corpus, "base": base, "change": trial.change, **machine()}
            line |= trial.run()
            line.pop("run")
            with LINES.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            done[key] = line
            print(f"  {trial.corpus} {trial.change}: {_nats(line)}")
        if key in done:
            line, default = done[key], done.get((trial.corpus, base, "default"))
            gain = _nats(default) - _nats(line) if default else 0.0
            note = f"{gain:+.4f} gained; network alone {line['validation_nats_per_char']:.4f}"
            name = f"{trial.corpus}, {trial.change}"
            found.append(Row(name=name, value=_nats(line), unit="nats (validation)", note=note))
    return found


def _there() -> Iterator[Trial]:
    """The trials of corpora that are there."""
    try:
        yield from trials()
    except CorpusError as error:
        print(f"  skipped: {error}")


def _nats(line: dict[str, Any]) -> float:
    """Of network and n-gram together, on validation."""
    return float(line["mixed_validation_nats_per_char"])
