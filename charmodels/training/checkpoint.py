"""The run folder: what a run was, is and became, in files that need no trust to be read.

run.json            settings, vocabulary, split, plan, versions; at the end also the metrics
log.jsonl           one line a validation
state.safetensors   where training stands: resumes to the same bits
model.safetensors   the best weights on validation; at the end the last ones, where those learned
                    from the validation part too
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from charmodels.aside import write_aside
from charmodels.config import ModelConfig, TrainConfig
from charmodels.models import (
    MODELS,
    CharModel,
    GatedDeltaNet,
    LinearRecurrence,
    Transformer,
    build_model,
)
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
    choose_at: int = 0
    """The step of the last choice, from which on the validation part is learned too; 0: never."""


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


_KEYS: dict[str, dict[str, type]] = {
    "corpus": {"name": str, "source": str, "sha256": str, "longest": int},
    "split": {
        "hash": str,
        "salt": str,
        "unit": str,
        "train": int,
        "validation": int,
        "test": int,
    },
    "plan": {"steps": int, "validate_every": int, "precision": str, "device": str, "threads": int},
    "versions": {},
    "model": {},
    "training": {},
    "metrics": {},
}
"""What each object of run.json must hold, whole numbers from 0; other keys may stand beside."""


def read_run(folder: Path) -> RunFacts:
    """Read run.json, trusting nothing in it.

    Raises:
        RunError: the folder is no run, or of another format; or a key is missing or wrong.
    """
    path = folder / RUN
    if not path.is_file():
        if (folder / "bundle.json").is_file():
            raise RunError(f"{folder} is a bundle; expected the run it was made from")
        raise RunError(
            f"{folder}: no {RUN} in it; a run is made with: "
            f"python -m charmodels train CORPUS --out {folder}"
        )
    try:
        return _from_facts(json.loads(path.read_text(encoding="utf-8")))
    except KeyError as error:
        raise RunError(f"{path}: key {error} is missing; train again") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise RunError(f"{path}: not a run of this version ({error}); train again") from error


def _from_facts(facts: Any) -> RunFacts:
    if not isinstance(facts, dict):
        raise RunError("it holds no object")
    if facts["format"] != FORMAT or isinstance(facts["format"], bool):
        raise RunError(f"format is {facts['format']!r:.60}; this version reads {FORMAT}")
    kind = facts["kind"]
    if kind not in ("names", "text"):
        raise RunError(f"kind is {kind!r:.60}; expected names or text")
    symbols = facts["vocabulary"]
    if not isinstance(symbols, list) or not all(isinstance(symbol, str) for symbol in symbols):
        raise RunError("vocabulary: expected a list of characters")
    read_test = facts.get("read_test", True)  # not said by the first runs, which all read it
    if not isinstance(read_test, bool):
        raise RunError(f"read_test is {read_test!r:.60}; expected true or false")
    return RunFacts(
        kind=kind,
        vocabulary=Vocabulary(tuple(symbols)),
        model=ModelConfig(**_object(facts, "model")),
        training=TrainConfig(**_object(facts, "training")),
        corpus=_object(facts, "corpus"),
        split=_object(facts, "split"),
        versions=_object(facts, "versions"),
        recipe=_optional_name(facts, "recipe"),
        started_from=_optional_name(facts, "started_from"),
        read_test=read_test,
        plan=None if facts["plan"] is None else _plan(_object(facts, "plan")),
        metrics=None if facts["metrics"] is None else _object(facts, "metrics"),
    )


def _object(facts: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = facts[key]
    if not isinstance(found, dict):
        raise RunError(f"{key} is {found!r:.60}; expected an object")
    for name, kind in _KEYS[key].items():
        if name not in found:
            raise KeyError(f"{key}.{name}")
        value = found[name]
        is_whole = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
        if not (is_whole if kind is int else isinstance(value, kind)):
            raise RunError(f"{key}.{name} is {value!r:.60}; expected {kind.__name__}")
    return found


def _plan(facts: Mapping[str, Any]) -> Plan:
    plan = Plan(**facts)
    for name in ("steps", "validate_every", "threads"):
        if getattr(plan, name) < 1:
            raise RunError(f"plan.{name} is {getattr(plan, name)}; expected 1 or more")
    if type(plan.choose_at) is not int or not 0 <= plan.choose_at < plan.steps:
        raise RunError(f"plan.choose_at is {plan.choose_at!r:.60}; expected 0 to plan.steps - 1")
    if plan.precision not in ("float32", "bfloat16"):
        raise RunError(f"plan.precision is {plan.precision!r:.60}; expected float32 or bfloat16")
    if plan.device not in ("cpu", "cuda", "mps"):
        raise RunError(f"plan.device is {plan.device!r:.60}; expected cpu, cuda or mps")
    return plan


def _optional_name(facts: Mapping[str, Any], key: str) -> str | None:
    found = facts[key]
    if found is not None and not isinstance(found, str):
        raise RunError(f"{key} is {found!r:.60}; expected a string or null")
    return found


def write_run(folder: Path, facts: RunFacts) -> None:
    """Write run.json aside and rename it into place; `?` for what is not UTF-8 in a path."""
    write_aside(folder / RUN, (facts.to_json() + "\n").encode(errors="replace"))


def write_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors and a few facts as one safetensors file, whole or not at all."""
    copies = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    write_aside(path, save(copies, metadata={"facts": json.dumps(facts)}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_tensors` wrote; nothing in the file is run.

    The tensors are copies: a file that is still mapped into memory cannot be replaced on Windows.

    Raises:
        RunError: the file is missing or broken.
    """
    if not path.is_file():
        raise RunError(f"{path}: missing; the run has not come so far, or the file was removed")
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            tensors = {name: file.get_tensor(name).clone() for name in names}
            facts = json.loads((file.metadata() or {}).get("facts", "{}"))
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path}: not a readable safetensors file ({error})") from error
    if not isinstance(facts, dict):
        raise RunError(f"{path}: its facts are {facts!r:.60}; expected an object")
    return tensors, facts


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
        RunError: the folder is no run, or has no weights yet, or weights of other sizes.
    """
    facts = facts or read_run(folder)
    if not (folder / MODEL).is_file():
        raise RunError(
            f"{folder}: no weights yet; finish with: "
            f"python -m charmodels train --out {folder} --resume"
        )
    _raise_if_too_small(folder / MODEL, facts)
    model = build_model(len(facts.vocabulary), facts.model)
    put_weights(model, read_tensors(folder / MODEL)[0], str(folder / MODEL))
    return model.eval()


def _raise_if_too_small(path: Path, facts: RunFacts) -> None:
    """Refuse sizes the file cannot hold before memory is taken for them."""
    config = facts.model
    # The least of any recurrence: one matrix from the input and one from the memory; where the
    # gates know no memory, two from the input.
    is_linear = issubclass(MODELS[config.arch], (LinearRecurrence, GatedDeltaNet, Transformer))
    second = config.embedding_size if is_linear else config.hidden_size
    first = config.hidden_size * (config.embedding_size + second)
    others = (config.layers - 1) * 2 * config.hidden_size**2
    numbers = len(facts.vocabulary) * config.embedding_size + first + others
    size = path.stat().st_size
    if 4 * numbers > size:
        raise RunError(
            f"{path}: {size:,} bytes cannot hold the {numbers:,} weights or more that {RUN} "
            "promises; train again"
        )
