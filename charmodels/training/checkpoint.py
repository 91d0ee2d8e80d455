"""The run folder: what a run was, is and became, in files that need no trust to be read.

run.json            settings, vocabulary, split, plan, versions; at the end also the metrics
log.jsonl           one line a validation
state.safetensors   where training stands: resumes to the same bits
model.safetensors   the best weights on validation
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from charmodels.config import ModelConfig, TrainConfig
from charmodels.models import CharModel, build_model
from charmodels.runtime.bundle import Kind
from charmodels.runtime.errors import RunError
from charmodels.runtime.vocabulary import Vocabulary

FORMAT = 1
MODEL, STATE, RUN, LOG = "model.safetensors", "state.safetensors", "run.json", "log.jsonl"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What was decided before step 1 and is obeyed by a resumed run."""

    steps: int
    """Training steps in all."""
    validate_every: int
    """Steps between two validations."""
    precision: str
    """Of the matrix products: float32 or bfloat16."""
    device: str
    """cpu, cuda or mps."""
    threads: int
    """CPU threads of torch."""


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """The content of run.json."""

    kind: Kind
    vocabulary: Vocabulary
    model: ModelConfig
    training: TrainConfig
    corpus: Mapping[str, Any]
    """name, source, sha256, records; for a registered dataset also title, licence, credit"""
    split: Mapping[str, Any]
    """hash, salt, and how many records (names) or characters (text) each part has"""
    versions: Mapping[str, str]
    recipe: str | None = None
    started_from: str | None = None
    """The folder whose weights this run began with."""
    read_test: bool = True
    """Whether the test part is read at the end."""
    plan: Plan | None = None
    metrics: Mapping[str, Any] | None = None

    def to_json(self) -> str:
        """The text of run.json."""
        facts = asdict(self) | {"vocabulary": list(self.vocabulary.symbols), "format": FORMAT}
        return json.dumps(facts, ensure_ascii=False, indent=1)


def read_run(folder: Path) -> RunFacts:
    """Read run.json.

    Raises:
        RunError: the folder is no run, or of another format.
    """
    path = folder / RUN
    if not path.is_file():
        raise RunError(
            f"{folder}: no {RUN} in it; a run is made with: "
            f"python -m charmodels train CORPUS --out {folder}"
        )
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        if facts["format"] != FORMAT:
            raise RunError(f"{path} has format {facts['format']}; this version reads {FORMAT}")
        plan = facts.pop("plan")
        known = {field.name for field in fields(RunFacts)}
        return RunFacts(
            **{name: value for name, value in facts.items() if name in known}
            | {
                "vocabulary": Vocabulary(tuple(facts["vocabulary"])),
                "model": ModelConfig(**facts["model"]),
                "training": TrainConfig(**facts["training"]),
                "plan": Plan(**plan) if plan else None,
            }
        )
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, RunError):
            raise
        raise RunError(f"{path}: not a run of this version ({error}); train again") from error


def write_run(folder: Path, facts: RunFacts) -> None:
    """Write run.json aside and rename it into place."""
    write_aside(folder / RUN, (facts.to_json() + "\n").encode())


def write_aside(path: Path, data: bytes) -> None:
    """Replace a file whole or not at all: written beside it, flushed, renamed."""
    aside = path.with_name(f".{path.name}.part")
    with aside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors and a few facts as one safetensors file, whole or not at all."""
    aside = path.with_name(f".{path.name}.part")
    copies = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    save_file(copies, aside, metadata={"facts": json.dumps(facts)})
    aside.replace(path)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_tensors` wrote; nothing in the file is run.

    Raises:
        RunError: the file is missing or broken.
    """
    if not path.is_file():
        raise RunError(f"{path}: missing; the run has not come so far, or the file was removed")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
            return tensors, json.loads(metadata.get("facts", "{}"))
    except (SafetensorError, ValueError) as error:
        raise RunError(f"{path}: not a readable safetensors file ({error})") from error


def weights_of(model: CharModel) -> dict[str, Tensor]:
    """Every weight by name; tied ones once."""
    return dict(model.named_parameters())


def put_weights(model: CharModel, weights: Mapping[str, Tensor], where: str) -> None:
    """Copy weights into a model of the same shape.

    Raises:
        RunError: a name or shape differs, naming it and `where`.
    """
    own = weights_of(model)
    if own.keys() != weights.keys():
        odd = sorted(own.keys() ^ weights.keys())
        raise RunError(f"{where}: weights {', '.join(odd[:4])} do not belong to this model")
    with torch.no_grad():
        for name, value in own.items():
            if value.shape != weights[name].shape:
                found, expected = tuple(weights[name].shape), tuple(value.shape)
                raise RunError(f"{where}: {name} has shape {found}; expected {expected}")
            value.copy_(weights[name])


def read_model(folder: Path, facts: RunFacts | None = None) -> CharModel:
    """The best model of a run, ready to speak, on the CPU.

    Raises:
        RunError: the folder is no run, or has no weights yet.
    """
    facts = facts or read_run(folder)
    if not (folder / MODEL).is_file():
        raise RunError(
            f"{folder}: no weights yet; finish with: "
            f"python -m charmodels train --out {folder} --resume"
        )
    model = build_model(len(facts.vocabulary), facts.model)
    put_weights(model, read_tensors(folder / MODEL)[0], str(folder / MODEL))
    return model.eval()
