"""The five notebooks repeated: their own way where it can be measured, their architecture mended,
and the best of this project beside them; clean held-out names and text, the test part read once.

What ships is measured as it ships. Other runs are kept in runs/notebooks: one that was killed goes
on, one that is finished is only measured again. `seed-prose` alone takes an hour.
"""

import json
import subprocess
import sys
import time
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from charmodels.commands.sample import open_model
from charmodels.corpus.registry import open_corpus
from charmodels.corpus.splitting import split_corpus
from charmodels.models import CharModel
from charmodels.recipes import RECIPES
from charmodels.runtime.bundle import read_bundle
from charmodels.runtime.errors import CorpusError
from charmodels.runtime.vocabulary import Vocabulary
from charmodels.training.checkpoint import LOG, read_run
from tests.benchmarks.rows import Row
from tests.seed_layout import fresh_model, nats_as_sampled, nats_as_trained, train_as_the_notebook

RUNS, BUNDLES = Path("runs/notebooks"), Path("demo/bundles")

WINDOW = 5
"""Characters of a window of notebook 002."""

NOTEBOOKS: dict[str, tuple[str, ...]] = {
    "000": ("seed-argentina", "argentina", "seed-argentina-counts", "argentina-counts"),
    "001": ("seed-prose", "biblia"),
    "002": ("seed-alphabet", "seed-alphabet-recall"),
    "003": (
        "seed-municipios-rnn",
        "seed-municipios-rnn-gentle",
        "seed-municipios-lstm",
        "municipios",
    ),
    "004": ("seed-dinosaurs", "dinosaurs"),
}
"""Which recipes belong to each."""

LAYOUTS = {
    # recipe that reads the same corpus, optimizer, steps of one name each
    "seed-argentina": ("000", "Adam 1e-3, 32,000 steps", 32_000),
    "seed-dinosaurs": ("004", "SGD 5e-4, 1,600 steps", 1_600),
}


def rows() -> list[Row]:
    """One row a figure, its notebook's number first."""
    measured = []
    for notebook, recipes in NOTEBOOKS.items():
        for recipe in recipes:
            try:
                open_corpus(str(RECIPES[recipe].dataset))
            except CorpusError as error:
                print(f"  {recipe}: skipped, {error}")
                continue
            if recipe in LAYOUTS:
                measured += _as_the_notebook(recipe)
            measured += _mended(notebook, recipe)
    return measured


def _as_the_notebook(recipe: str) -> list[Row]:
    """Trained with the length where the batch belongs, then measured on the clean test part."""
    notebook, how, steps = LAYOUTS[recipe]
    corpus = open_corpus(str(RECIPES[recipe].dataset), lowercase=RECIPES[recipe].lowercase)
    split, vocabulary = split_corpus(corpus), Vocabulary.of(corpus.records)
    train, test = ([vocabulary.encode(n) for n in part] for part in (split.train, split.test))
    torch.set_num_threads(1)
    model = fresh_model(len(vocabulary))
    start = time.process_time()
    train_as_the_notebook(model, train, _optimizer(recipe, model), steps)
    seconds = time.process_time() - start
    note = _note(split.hash, model.parameter_count(), seconds, how)
    return [
        Row(name=f"{notebook} {how_measured}", value=round(nats, 5), unit="nats", note=note)
        for how_measured, nats in (
            ("its layout, one character at a time as it trains", nats_as_trained(model, test)),
            ("its layout, state carried as it samples", nats_as_sampled(model, test)),
        )
    ]


def _optimizer(recipe: str, model: CharModel) -> torch.optim.Optimizer:
    parameters = [p for p in model.parameters() if p.requires_grad]
    if recipe == "seed-argentina":
        return torch.optim.Adam(parameters, lr=1e-3)
    return torch.optim.SGD(parameters, lr=5e-4)


def _mended(notebook: str, recipe: str) -> list[Row]:
    """A recipe's shipped bundle, or its run, measured."""
    source = BUNDLES / recipe
    if source.is_dir():
        metrics = dict(read_bundle(source).metrics)
    else:
        source = RUNS / recipe
        _finish(source, recipe)
        metrics = dict(read_run(source).metrics or {})
    window = ("--window", str(WINDOW)) if notebook == "002" else ()
    figures = _charmodels("evaluate", str(source), *window)
    speed = metrics["chars_seen"] / metrics["seconds"]
    note = _note(
        figures["split"], metrics["parameters"], metrics["seconds"], f"{speed:,.0f} characters/s"
    )
    name = f"{notebook} {recipe}"
    found = [
        Row(name=name, value=figures["nats_per_char"], unit="nats", note=note),
        Row(name=f"{name}: bigram", value=figures["bigram_nats_per_char"], unit="nats"),
    ]
    for key in ("window_accuracy", "window_accuracy_bigram", "novel_share", "held_out_hit_share"):
        if key in figures:
            found.append(Row(name=f"{name}: {key}", value=figures[key], unit=""))
    for key in ("train_hit_share", "verbatim_share", "verbatim_share_held_out"):
        if key in figures:
            found.append(Row(name=f"{name}: {key}", value=figures[key], unit=""))
    if recipe == "seed-prose":
        found += _epochs(source)
    if recipe.endswith("-counts"):
        found += _accent_twins(name, source, recipe)
    return found


def _accent_twins(name: str, source: Path, recipe: str) -> list[Row]:
    """The table spells one name with and without accents: how many held-out names are such twins.

    What the others cost is the figure that no twin helps.
    """
    corpus = open_corpus(str(RECIPES[recipe].dataset), lowercase=RECIPES[recipe].lowercase)
    split, model = split_corpus(corpus), open_model(source)
    known = {_folded(each) for each in split.train}
    others = [each for each in split.test if _folded(each) not in known]
    nats = np.concatenate([model.score(each) for each in others])
    twins = 1 - len(others) / len(split.test)
    return [
        Row(name=f"{name}: held-out names in training but for accents", value=twins, unit=""),
        Row(name=f"{name}: the other held-out names", value=float(nats.mean()), unit="nats"),
    ]


def _folded(name: str) -> str:
    """Its letters and spaces, without accents."""
    apart = unicodedata.normalize("NFD", name)
    return "".join(c for c in apart if c.isalpha() or c == " ")


def _epochs(run: Path) -> list[Row]:
    """Where validation was best, and what became of it: epochs of the training part."""
    log = [json.loads(line) for line in (run / LOG).read_text(encoding="utf-8").splitlines()]
    per_epoch = read_run(run).split["train"]
    best = min(log, key=lambda line: line["validation_nats_per_char"])
    return [
        Row(
            name=f"001 seed-prose: {what}",
            value=line["validation_nats_per_char"],
            unit="nats",
            note=f"after {line['chars_seen'] / per_epoch:.1f} epochs and {line['seconds']:,.0f} "
            f"CPU s; training {line['train_nats_per_char']:.3f}",
        )
        for what, line in (("best validation", best), ("last validation", log[-1]))
    ]


def _finish(run: Path, recipe: str) -> None:
    """Train, go on where a killed training stands, or leave a finished run as it is."""
    begun = (run / "run.json").is_file()
    if begun and read_run(run).metrics is not None:
        return
    _charmodels("train", "--out", str(run), *(("--resume",) if begun else ("--recipe", recipe)))


def _charmodels(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "charmodels", *arguments, "--json"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _note(split: str, parameters: int, seconds: float, more: str) -> str:
    return f"split {split[:12]}, seed 0, {parameters:,} parameters, {seconds:.0f} CPU s, {more}"
