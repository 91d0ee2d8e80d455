"""`python -m charmodels evaluate`: a run or a bundle measured on records it has never seen."""

import json
import sys
from pathlib import Path
from typing import Any

from charmodels.commands.sample import open_model
from charmodels.corpus.reading import Corpus
from charmodels.corpus.registry import DATASETS, open_corpus
from charmodels.corpus.splitting import Split, split_corpus
from charmodels.evaluation.measure import measure
from charmodels.evaluation.report import EVALUATION
from charmodels.runtime.bundle import Kind
from charmodels.runtime.errors import CorpusError
from charmodels.runtime.model import Model


def evaluate_command(source: Path, corpus: str | None, *, as_json: bool) -> int:
    """Print the figures; in a run folder, also keep them for the bundle."""
    model = open_model(source)
    is_run = (source / "run.json").is_file()
    split = _split_of_run(source, corpus) if is_run else _split_of_bundle(source, model, corpus)
    print(f"test part {split.hash[:12]}, {len(split.test):,} records", file=sys.stderr)
    measured = measure(model, split)
    if is_run and corpus is None:
        text = json.dumps(measured, indent=1)
        (source / EVALUATION).write_text(text + "\n", encoding="utf-8")
    result: dict[str, Any] = {**measured, "split": split.hash}
    if as_json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f"{key:<30} {value}")
    return 0


def _split_of_run(folder: Path, corpus: str | None) -> Split:
    from charmodels.training.checkpoint import read_run
    from charmodels.training.train import reopen_corpus

    facts = read_run(folder)
    if corpus is not None:
        return split_corpus(open_corpus(corpus, facts.kind), facts.split["salt"])
    return reopen_corpus(facts)[1]


def _split_of_bundle(folder: Path, model: Model, corpus: str | None) -> Split:
    provenance, kind = model.bundle.provenance, model.bundle.kind
    about = provenance.get("split")
    salt = str(about.get("salt", "")) if isinstance(about, dict) else ""
    if corpus is not None:
        return split_corpus(open_corpus(corpus, kind), salt)
    return split_corpus(_dataset_of(folder, provenance.get("dataset"), provenance, kind), salt)


def _dataset_of(folder: Path, name: Any, provenance: Any, kind: Kind) -> Corpus:
    if name not in DATASETS:
        raise CorpusError(
            f"{folder} was made from {name!r}, no dataset of ours; pass --corpus FILE"
        )
    found = open_corpus(name, kind)
    if found.sha256 != provenance.get("dataset_sha256"):
        raise CorpusError(f"{folder} was made from another copy of {name}; pass --corpus FILE")
    return found
