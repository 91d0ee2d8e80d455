"""`python -m charmodels evaluate`: a run or a bundle measured on records it has never seen."""

import json
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charmodels.commands.sample import open_model
from charmodels.corpus.reading import Corpus
from charmodels.corpus.registry import DATASETS, open_corpus
from charmodels.corpus.splitting import Split, split_corpus
from charmodels.evaluation.figures import group_figures
from charmodels.evaluation.measure import draw_samples, measure
from charmodels.evaluation.page import Subject, check_report, write_report
from charmodels.evaluation.plots import Curve
from charmodels.evaluation.report import sha256_of_weights, write_evaluation
from charmodels.evaluation.subject import describe_subject, said
from charmodels.evaluation.table import render_table
from charmodels.runtime.bundle import Kind
from charmodels.runtime.errors import CorpusError, RunError
from charmodels.runtime.model import Model, load_bundle

if TYPE_CHECKING:
    from charmodels.training.checkpoint import RunFacts


@dataclass(frozen=True)
class _Opened:
    """What is evaluated, and on what."""

    model: Model
    split: Split
    warning: str
    """Why the test part may not be the one held out in training; empty when it is."""
    provenance: Mapping[str, Any]
    """As a bundle has it; a stranger's may say anything."""
    weights: str = ""
    """The sha256 of a run's weights."""


def evaluate_command(
    source: Path,
    corpus: str | None,
    window: int | None = None,
    report: Path | None = None,
    *,
    as_json: bool,
) -> int:
    """Print the figures, write the report; in a run folder, also keep them for the bundle."""
    if report is not None:
        check_report(report)
    is_run = (source / "run.json").is_file()
    opened = _open_run(source, corpus) if is_run else _open_bundle(source, corpus)
    model, split = opened.model, opened.split
    if opened.warning:
        print(f"{corpus}: {opened.warning}", file=sys.stderr)
    print(f"test part {split.hash[:12]}, {len(split.test):,} records", file=sys.stderr)
    if known := model.bundle.membership:
        print(
            f"its filter knows {known.entries:,} names it learned, and takes a new one for one of "
            f"them {known.false_positive_rate:.0e} times: whoever has it can test a name",
            file=sys.stderr,
        )
    samples = draw_samples(model) if split.test else []  # without one, measure says why not
    measured = measure(model, split, window, samples)
    if is_run and corpus is None:
        write_evaluation(source, measured, opened.weights)
    result: dict[str, Any] = {**measured, "split": split.hash}
    if as_json:
        print(json.dumps(result))
    else:
        is_terminal = sys.stdout is not None and sys.stdout.isatty()
        print(render_table(group_figures(measured), terminal=is_terminal))
        print(f"split {split.hash}")
    if report is not None:
        given = (("--corpus", corpus), ("--window", window), ("--report", report))
        words = [source, *(word for name, value in given if value for word in (name, value))]
        learning = _read_learning(source) if is_run else None
        subject = _describe(source, opened, learning, shlex.join(map(str, words)))
        files = write_report(report, subject, measured, samples, split)
        print(f"wrote {', '.join(map(str, files))}", file=sys.stderr)
    return 0


def _read_learning(folder: Path) -> Curve:
    from charmodels.commands.compare import read_learning

    return read_learning(folder)


def _describe(source: Path, opened: _Opened, learning: Curve | None, words: str) -> Subject:
    bundle, about, name = opened.model.bundle, opened.provenance, source.resolve().name
    facts = describe_subject(name, about, bundle.metrics, bundle.kind, opened.split)
    titles = (about.get("title"), about.get("dataset"), name)
    return Subject(
        title=next(said(title) for title in titles if isinstance(title, str) and title.strip()),
        summary=f"{facts['Name']}, a model of {bundle.kind} with {facts['Parameters']} parameters",
        of_names=bundle.kind == "names",
        facts=facts,
        warning=opened.warning,
        command=f"python -m charmodels evaluate {words}",
        learning=learning,
    )


def _open_run(folder: Path, corpus: str | None) -> _Opened:
    from charmodels.training.checkpoint import read_run

    facts = read_run(folder)
    if facts.metrics is None:
        raise RunError(
            f"{folder}: still in training, and the test part is read once its weights are chosen; "
            f"finish with: python -m charmodels train --out {folder} --resume"
        )
    split = _split_of_run(facts, corpus)
    about = {name: facts.corpus.get(name) for name in ("title", "licence", "credit")}
    about |= {"dataset": facts.corpus["name"], "recipe": facts.recipe}
    about |= {"seed": facts.training.seed, "model": asdict(facts.model)}
    return _Opened(
        open_model(folder),
        split,
        _doubt(corpus, split, facts.split["hash"]),
        about,
        sha256_of_weights(folder),
    )


def _open_bundle(source: Path, corpus: str | None) -> _Opened:
    model = load_bundle(source)
    split, own = _split_of_bundle(source, model, corpus)
    return _Opened(model, split, _doubt(corpus, split, own), model.bundle.provenance)


def _doubt(corpus: str | None, split: Split, own: Any) -> str:
    """A figure on other records says something else: some may have been trained on."""
    if corpus is None or split.hash == own:
        return ""
    return (
        "its test part is not known to be the one held out in training; "
        "the model may have been trained on these records"
    )


def _split_of_run(facts: "RunFacts", corpus: str | None) -> Split:
    from charmodels.training.train import reopen_corpus

    if corpus is not None:
        lowercase = facts.corpus.get("lowercase") is True
        found = open_corpus(corpus, facts.kind, lowercase=lowercase)
        return split_corpus(found, facts.split["salt"])
    try:
        return reopen_corpus(facts)[1]
    except (CorpusError, RunError) as error:
        raise RunError(f"{error}; or say where it is with --corpus FILE") from error


def _split_of_bundle(folder: Path, model: Model, corpus: str | None) -> tuple[Split, Any]:
    """The split, and the hash of the one that the bundle says it was trained with."""
    provenance, kind = model.bundle.provenance, model.bundle.kind
    about = provenance.get("split")
    about = about if isinstance(about, dict) else {}
    salt = about["salt"] if isinstance(about.get("salt"), str) else ""
    if corpus is None:
        found = _dataset_of(folder, provenance.get("dataset"), provenance, kind)
    else:
        found = open_corpus(corpus, kind, lowercase=provenance.get("lowercase") is True)
    return split_corpus(found, salt), about.get("hash")


def _dataset_of(folder: Path, name: Any, provenance: Any, kind: Kind) -> Corpus:
    if not isinstance(name, str) or name not in DATASETS:
        raise CorpusError(
            f"{folder} was made from {name!r:.80}, no dataset of ours; pass --corpus FILE"
        )
    try:
        found = open_corpus(name, kind, lowercase=provenance.get("lowercase") is True)
    except CorpusError as error:
        raise CorpusError(f"{error}; or say where it is with --corpus FILE") from error
    if found.sha256 != provenance.get("dataset_sha256"):
        raise CorpusError(f"{folder} was made from another copy of {name}; pass --corpus FILE")
    return found
