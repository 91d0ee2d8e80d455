"""The run folder is checked as a stranger's: key by key, in one line; files whole or not at all."""

import json
import os
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from charmodels.aside import write_aside
from charmodels.config import ModelConfig, TrainConfig
from charmodels.corpus.reading import read_corpus
from charmodels.corpus.splitting import split_corpus
from charmodels.models import MODELS, build_model
from charmodels.runtime.errors import RunError
from charmodels.training.checkpoint import (
    MODEL,
    RUN,
    Plan,
    read_model,
    read_run,
    read_tensors,
    weights_of,
    write_run,
    write_tensors,
)
from charmodels.training.train import new_facts
from tests.runs import write_names

PLAN: dict[str, Any] = {
    "steps": 9,
    "validate_every": 3,
    "precision": "float32",
    "device": "cpu",
    "threads": 1,
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with weights that nobody trained."""
    corpus = read_corpus(write_names(tmp_path))
    config = ModelConfig(arch="gru", embedding_size=4, hidden_size=8)
    facts = new_facts(corpus, split_corpus(corpus), config, TrainConfig(max_steps=9))
    folder = tmp_path / "run"
    folder.mkdir()
    write_run(folder, facts)
    write_tensors(folder / MODEL, weights_of(build_model(len(facts.vocabulary), config)), {})
    return folder


def change(run: Path, place: str, value: Any) -> None:
    """Set the value at `place` (a.b) of run.json."""
    facts = json.loads((run / RUN).read_text(encoding="utf-8"))
    *outer, last = place.split(".")
    inner = facts
    for key in outer:
        inner = inner[key]
    inner[last] = value
    (run / RUN).write_text(json.dumps(facts), encoding="utf-8")


def refusal(read: Callable[[], object]) -> str:
    with pytest.raises(RunError) as caught:
        read()
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600
    return message


def test_a_run_comes_back_as_it_was_written(run: Path) -> None:
    facts = read_run(run)
    write_run(run, facts)
    assert read_run(run) == facts
    changed: dict[str, Any] = {
        "recipe": "a",
        "started_from": "b",
        "read_test": False,
        "metrics": {"steps": 9},
    }
    facts = replace(facts, plan=Plan(**PLAN), **changed)
    assert all(getattr(facts, each.name) != each.default for each in fields(facts))
    write_run(run, facts)
    assert read_run(run) == facts


def test_a_path_that_is_not_utf8_does_not_stop_a_run(run: Path) -> None:
    write_run(run, replace(read_run(run), started_from="/runs/espa\udcf1a"))
    assert read_run(run).started_from == "/runs/espa?a"


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("format", 2),
        ("format", True),
        ("kind", "poem"),
        ("kind", ["names"]),
        ("vocabulary", "abc"),
        ("vocabulary", ["", 1]),
        ("model", []),
        ("model.arch", "grru"),
        ("model.arch", ["gru"]),
        ("model.hidden_size", 8.5),
        ("model.hidden_size", True),
        ("model.hidden_size", "8"),
        ("model.tied", 1),
        ("model.dropout", "much"),
        ("model.new", 1),
        ("training.batch_size", 2.5),
        ("training.seed", None),
        ("training.device", "tpu"),
        ("corpus", None),
        ("corpus.name", 3),
        ("corpus.source", None),
        ("corpus.sha256", ["0"]),
        ("corpus.longest", "long"),
        ("corpus.longest", -1),
        ("split", "half"),
        ("split.hash", 1),
        ("split.salt", None),
        ("split.test", 1.5),
        ("split.train", 10**400),
        ("versions", None),
        ("recipe", 3),
        ("started_from", []),
        ("read_test", 1),
        ("plan", [1]),
        ("plan", {**PLAN, "steps": 0}),
        ("plan", {**PLAN, "threads": "1"}),
        ("plan", {**PLAN, "device": "tpu"}),
        ("plan", {**PLAN, "precision": "float8"}),
        ("plan", {**PLAN, "more": 1}),
        ("plan", {"steps": 1}),
        ("metrics", [1]),
        ("metrics", "good"),
    ],
)
def test_a_wrong_value_is_named_in_one_line(run: Path, place: str, value: Any) -> None:
    change(run, place, value)
    message = refusal(lambda: read_run(run))
    assert str(run / RUN) in message
    said = place.rpartition(".")[2].replace("_", "-")
    assert said in message.lower().replace("_", "-")


@pytest.mark.parametrize(
    "key", ["kind", "vocabulary", "model", "training", "corpus", "split", "plan", "metrics"]
)
def test_a_missing_key_is_named(run: Path, key: str) -> None:
    facts = json.loads((run / RUN).read_text(encoding="utf-8"))
    del facts[key]
    (run / RUN).write_text(json.dumps(facts), encoding="utf-8")
    assert f"key '{key}' is missing" in refusal(lambda: read_run(run))


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "[" * 100_000, "\xff"])
def test_what_is_no_json_object_is_refused(run: Path, text: str) -> None:
    (run / RUN).write_bytes(text.encode("latin-1"))
    refusal(lambda: read_run(run))


@pytest.mark.parametrize("size", ["hidden_size", "embedding_size"])
def test_sizes_the_weights_cannot_have_take_no_memory(
    run: Path, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_model(*_: object) -> None:
        pytest.fail("a model was built")

    change(run, f"model.{size}", 16_384)
    monkeypatch.setattr("charmodels.training.checkpoint.build_model", no_model)
    assert "cannot hold" in refusal(lambda: read_model(run))


@pytest.mark.parametrize("arch", MODELS)
def test_a_wide_model_of_few_symbols_is_not_refused(run: Path, arch: str) -> None:
    """The least weights of a run's sizes must not be more than there are."""
    facts = read_run(run)
    config = ModelConfig(arch=arch, embedding_size=1, hidden_size=256)  # type: ignore[arg-type]
    model = build_model(len(facts.vocabulary), config)
    write_tensors(run / MODEL, weights_of(model), {})
    assert read_model(run, replace(facts, model=config)).config == config


def test_tensors_that_were_read_leave_their_file_alone(tmp_path: Path) -> None:
    """Were they maps of the file, writing to it would change them."""
    path = tmp_path / "some.safetensors"
    write_tensors(path, {"a": torch.arange(1000.0)}, {"step": 1})
    tensors, facts = read_tensors(path)
    with path.open("r+b") as file:
        file.seek(-4000, os.SEEK_END)
        file.write(bytes(4000))
    assert torch.equal(tensors["a"], torch.arange(1000.0))
    assert facts == {"step": 1}


def test_facts_that_are_no_object_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "some.safetensors"
    write_tensors(path, {"a": torch.zeros(1)}, [1])  # type: ignore[arg-type]
    assert "expected an object" in refusal(lambda: read_tensors(path))


@pytest.mark.parametrize("write", ["bytes", "tensors"])
def test_a_full_disk_keeps_the_old_file(
    tmp_path: Path, write: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    message = refusal(
        lambda: (
            write_aside(path, b"new")
            if write == "bytes"
            else write_tensors(path, {"a": torch.zeros(1)}, {})
        )
    )
    assert message == f"{path}: cannot be written (No space left on device)"
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
