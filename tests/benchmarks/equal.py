"""Every architecture at equal parameters and equal seconds: the table, resumable cell by cell.

Each cell is one training, with the n-gram counted and weighed at its end, so that it gives the
network alone, the n-gram alone and the two together. A finished cell is a line of
results/cells.jsonl and is not run again; `python -m tests.benchmarks equal` runs what is missing,
prints the table and draws it. `EQUAL_ONLY=names/lstm` in the environment runs only cells whose name
begins so.

Learning rates were chosen on validation, one seed, out of two or three; the test part is read once
by each cell.
"""

import hashlib
import json
import os
import statistics
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from charmodels.config import ModelConfig, TrainConfig
from charmodels.corpus.registry import find_dataset, open_corpus
from charmodels.corpus.splitting import split_corpus
from charmodels.evaluation.plots import Curve, draw_curves
from charmodels.ngram.counting import MAX_ORDER, MIN_ORDER, count
from charmodels.ngram.packing import pack
from charmodels.ngram.smoothing import smooth
from charmodels.recipes import default_recipe
from charmodels.runtime.errors import CorpusError
from charmodels.runtime.vocabulary import Vocabulary
from tests.benchmarks.cells import NAMES, SEEDS, TEXT
from tests.benchmarks.rows import RESULTS, Row, command_json, machine

LINES = RESULTS / "cells.jsonl"


@dataclass(frozen=True)
class Cell:
    """One training: a corpus, a model, a budget, a seed."""

    corpus: str
    label: str
    flags: tuple[str, ...]
    seconds: int
    seed: int

    @property
    def name(self) -> str:
        """What a line of results is found by."""
        return f"{self.corpus}/{self.label}/{self.seconds}s/{self.seed}"

    @property
    def settings(self) -> str:
        """A mark of the flags, or of the default where there are none: it decides what is stale.

        A setting that came later, and is as it always was, makes nothing stale.
        """
        recipe = default_recipe(open_corpus(self.corpus), self.seconds)
        told = self.flags or (*_told(recipe.model), *_told(recipe.training))
        return hashlib.sha256(" ".join(told).encode()).hexdigest()[:12]

    def run(self) -> dict[str, Any]:
        """Train in a process of its own; for the first seed, also export and measure windows."""
        with tempfile.TemporaryDirectory() as folder:
            run, bundle = Path(folder) / "run", Path(folder) / "bundle"
            command = ("-m", "charmodels", "train", self.corpus, "--out", str(run))
            budget = ("--max-seconds", str(self.seconds), "--seed", str(self.seed))
            row = command_json(*command, *budget, *self.flags)
            if self.seed == SEEDS[0]:
                command_json("-m", "export", str(run), "--out", str(bundle), "--no-weights")
                row["graph_bytes"] = (bundle / "step.onnx").stat().st_size
                if self.corpus == TEXT.corpus:
                    row["windowed_nats_per_char"] = _windowed(bundle)
        row.pop("run")
        return row


def _told(config: ModelConfig | TrainConfig) -> Iterator[str]:
    """The settings that are not what they are by themselves."""
    for field in fields(config):
        value = getattr(config, field.name)
        if value != field.default:
            yield f"{field.name}={value}"


def cells() -> Iterator[Cell]:
    """All of the table, seed by seed, so that one seed of everything comes first."""
    for seed in SEEDS:
        for table in (NAMES, TEXT):
            for label, model in table.models.items():
                for seconds in model.seconds:
                    yield Cell(table.corpus, label, model.flags, seconds, seed)


def rows() -> list[Row]:
    """Run what is missing; the medians over seeds, and what is still missing."""
    done = read_lines()
    only = os.environ.get("EQUAL_ONLY", "")
    for cell in cells():
        if not cell.name.startswith(only):
            continue
        try:
            find_dataset(cell.corpus)
        except CorpusError as error:
            print(f"  {cell.name}: skipped, {error}")
            continue
        if done.get(cell.name, {}).get("settings") == cell.settings:
            continue
        about = {
            "cell": cell.name,
            "settings": cell.settings,
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            **machine(),
        }
        line = about | {"flags": " ".join(cell.flags)} | cell.run()
        with LINES.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        done[cell.name] = line
        print(f"  {cell.name}: {line['nats_per_char']}, network {line['network_nats_per_char']}")
    return summary(done)


def read_lines() -> dict[str, dict[str, Any]]:
    """Finished cells by name, the last line of each."""
    lines = LINES.read_text(encoding="utf-8").splitlines() if LINES.is_file() else []
    return {line["cell"]: line for line in map(json.loads, lines)}


def summary(done: dict[str, dict[str, Any]]) -> list[Row]:
    """A row a model and budget: the median over seeds, beside it their spread and the n-gram."""
    found = []
    for table in (NAMES, TEXT):
        for label, model in table.models.items():
            for seconds in model.seconds:
                names = [f"{table.corpus}/{label}/{seconds}s/{seed}" for seed in SEEDS]
                lines = [done[name] for name in names if name in done]
                if len(lines) < len(SEEDS):
                    print(f"  {names[0][:-2]}: {len(lines)} of {len(SEEDS)} seeds")
                if lines:
                    found.append(_row(table.corpus, label, seconds, lines, model.goals))
        found += _kneser_ney(table.corpus, done)
    draw(done)
    return found


def _kneser_ney(corpus: str, done: dict[str, dict[str, Any]]) -> list[Row]:
    """No network at all: an n-gram with as many bytes as the default's whole graph."""
    sizes = [
        line["graph_bytes"]
        for name, line in done.items()
        if name.startswith(f"{corpus}/default/") and "graph_bytes" in line
    ]
    if not sizes:
        return []
    opened = open_corpus(corpus)
    endless, split = opened.kind == "text", split_corpus(opened)
    vocabulary = Vocabulary.of(opened.records)
    train, validation, test = (
        [vocabulary.encode(record) for record in part]
        for part in (split.train, split.validation, split.test)
    )
    counts = count(train, len(vocabulary), order=MAX_ORDER, endless=endless)
    packed = (pack(smooth(counts, order), max(sizes)) for order in range(MIN_ORDER, MAX_ORDER + 1))
    best = min(packed, key=lambda each: each.ngram.score(validation, endless=endless).sum())
    whole = [*train, *validation]
    again = count(
        [np.concatenate(whole)] if endless else whole,
        len(vocabulary),
        order=best.ngram.order,
        endless=endless,
    )
    final = pack(smooth(again, best.ngram.order), max(sizes))
    nats = final.ngram.score(test, endless=endless)
    note = (
        f"order {best.ngram.order}, chosen on validation, which it then counts too; "
        f"{final.bytes / 1e6:.2f} MB of at most {max(sizes) / 1e6:.2f}, pruned at "
        f"{final.least_nats:.2f} nats; split {split.hash[:12]}"
    )
    value = round(float(nats.mean()), 4)
    return [Row(name=f"{corpus}, Kneser-Ney alone", value=value, unit="nats", note=note)]


def draw(done: dict[str, dict[str, Any]]) -> None:
    """Quality against seconds and against bytes, medians over seeds, into results/*.svg.

    Of network and n-gram, without a text's past, which not all rows have.
    """
    for table in (NAMES, TEXT):
        by_seconds: dict[str, Curve] = {}
        by_bytes: dict[str, Curve] = {}
        for label, model in table.models.items():
            points = []
            for seconds in model.seconds:
                names = [f"{table.corpus}/{label}/{seconds}s/{seed}" for seed in SEEDS]
                lines = [done[name] for name in names if name in done]
                if lines and "graph_bytes" in lines[0]:
                    nats = statistics.median(
                        line.get("uncached_nats_per_char", line["nats_per_char"]) for line in lines
                    )
                    used = statistics.median(line["seconds"] for line in lines)
                    points.append((used, lines[0]["graph_bytes"] / 1e6, nats))
            if points:
                used_, sizes, nats_ = zip(*points, strict=True)
                by_seconds[label], by_bytes[label] = (used_, nats_), (sizes, nats_)
        up = f"{table.corpus}, test, nats per character"
        if by_seconds:
            path = RESULTS / f"equal-{table.corpus}"
            draw_curves(Path(f"{path}-seconds.svg"), by_seconds, across="CPU seconds", up=up)
            draw_curves(Path(f"{path}-bytes.svg"), by_bytes, across="MB of the graph", up=up)


def _row(
    corpus: str,
    label: str,
    seconds: int,
    lines: list[dict[str, Any]],
    goals: Mapping[int, tuple[float, float | None]],
) -> Row:
    together = [line["nats_per_char"] for line in lines]
    alone = [line["network_nats_per_char"] for line in lines]
    key = "uncached_nats_per_char"
    uncached = [line[key] for line in lines if key in line]
    spoken = "with n-gram and its own past" if uncached else "with n-gram"
    first = lines[0]
    windowed = first.get("windowed_nats_per_char")
    note = (
        f"{seconds} s, {len(lines)} seeds, spread {max(together) - min(together):.3f}; "
        f"{f'without its own past {statistics.median(uncached):.3f}; ' if uncached else ''}network "
        f"alone {statistics.median(alone):.3f}, spread {max(alone) - min(alone):.3f}, "
        f"{first['parameters']:,} parameters; n-gram of order {first['expert_order']}, "
        f"{first['expert_bytes'] / 1e6:.2f} MB; "
        f"{_graph(first)}{'' if windowed is None else f'windowed {windowed:.3f}; '}"
        f"split {first['split'][:12]}"
    )
    value = round(statistics.median(together), 4)
    limit, _ = goals.get(seconds, (None, None))
    return Row(
        name=f"{corpus}, {label}, {spoken}", value=value, unit="nats", limit=limit, note=note
    )


def _graph(line: dict[str, Any]) -> str:
    """Only the first seed exports its graph."""
    return f"graph {line['graph_bytes'] / 1e6:.2f} MB; " if "graph_bytes" in line else ""


def _windowed(bundle: Path) -> float:
    """Nats a character of the test part in windows of 256, each from the zero state."""
    from charmodels.evaluation.measure import WINDOW
    from charmodels.runtime import load_bundle

    model, (test,) = load_bundle(bundle), split_corpus(open_corpus(TEXT.corpus)).test
    windows = [test[i : i + WINDOW] for i in range(0, len(test) - WINDOW + 1, WINDOW)]
    return round(float(np.concatenate([model.score(window) for window in windows]).mean()), 5)
