"""`python -m charmodels evaluate`: a run or a bundle measured on records it has never seen."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charmodels.commands.sample import open_model
from charmodels.corpus.reading import Corpus
from charmodels.corpus.registry import DATASETS, open_corpus
from charmodels.corpus.splitting import Split, split_corpus
from charmodels.evaluation.measure import measure
from charmodels.evaluation.report import sha256_of_weights, write_evaluation
from charmodels.runtime.bundle import Kind
from charmodels.runtime.errors import CorpusError, RunError
from charmodels.runtime.model import Model, load_bundle

if TYPE_CHECKING:
    from charmodels.training.checkpoint import RunFacts


def evaluate_command(
    source: Path, corpus: str | None, window: int | None = None, *, as_json: bool
) -> int:
    """Print the figures; in a run folder, also keep them for the bundle."""
    if (source / "run.json").is_file():
        measured, split = _evaluate_run(source, corpus, window)
    else:
        model = load_bundle(source)
        split = _split_of_bundle(source, model, corpus)
        measured = _measure(model, split, window)
    result: dict[str, Any] = {**measured, "split": split.hash}
    if as_json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f"{key:<30} {value}")
    return 0


def _evaluate_run(
    folder: Path, corpus: str | None, window: int | None
) -> tuple[dict[str, Any], Split]:
    from charmodels.training.checkpoint import read_run

    facts = read_run(folder)
    if facts.metrics is None:
        raise RunError(
            f"{folder}: still in training, and the test part is read once its weights are chosen; "
            f"finish with: python -m charmodels train --out {folder} --resume"
        )
    split = _split_of_run(facts, corpus)
    weights = sha256_of_weights(folder)
    measured = _measure(open_model(folder), split, window)
    if corpus is None:
        write_evaluation(folder, measured, weights)
    return measured, split


def _measure(model: Model, split: Split, window: int | None) -> dict[str, Any]:
    print(f"test part {split.hash[:12]}, {len(split.test):,} records", file=sys.stderr)
    return measure(model, split, window)


def _split_of_run(facts: "RunFacts", corpus: str | None) -> Split:
    from charmodels.training.train import reopen_corpus

    if corpus is not None:
        lowercase = facts.corpus.get("lowercase") is True
        found = open_corpus(corpus, facts.kind, lowercase=lowercase)
        split = split_corpus(found, facts.split["salt"])
        _say_if_strange(corpus, split, facts.split["hash"])
        return split
    try:
        return reopen_corpus(facts)[1]
    except (CorpusError, RunError) as error:
        raise RunError(f"{error}; or say where it is with --corpus FILE") from error


def _split_of_bundle(folder: Path, model: Model, corpus: str | None) -> Split:
    provenance, kind = model.bundle.provenance, model.bundle.kind
    about = provenance.get("split")
    about = about if isinstance(about, dict) else {}
    salt = about["salt"] if isinstance(about.get("salt"), str) else ""
    if corpus is not None:
        lowercase = provenance.get("lowercase") is True
        split = split_corpus(open_corpus(corpus, kind, lowercase=lowercase), salt)
        _say_if_strange(corpus, split, about.get("hash"))
        return split
    return split_corpus(_dataset_of(folder, provenance.get("dataset"), provenance, kind), salt)


def _say_if_strange(corpus: str, split: Split, own: Any) -> None:
    """A figure on other records says something else: some may have been trained on."""
    if split.hash != own:
        print(
            f"{corpus}: its test part is not known to be the one held out in training; "
            "the model may have been trained on these records",
            file=sys.stderr,
        )


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
