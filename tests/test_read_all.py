"""The last steps of a run may also learn from the validation part, once it has chosen."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from charmodels.__main__ import main
from charmodels.config import TrainConfig
from charmodels.evaluation.likelihood import name_nats
from charmodels.evaluation.measure import has_read_validation
from charmodels.runtime.errors import SettingError
from charmodels.training.checkpoint import read_model, read_run, read_tensors
from charmodels.training.speaker import read_speaker
from charmodels.training.train import reopen_corpus
from tests.runs import TINY, run_json, write_names

STEPS, CHOOSE_AT = 200, 140


def train(folder: Path, *flags: str, corpus: Path | None = None) -> Path:
    out = folder / "run"
    corpus = corpus or write_names(folder)
    budget = ("--max-steps", str(STEPS), "--learning-rate", "0.02", "--dropout", "0.2")
    assert main(["train", str(corpus), "--out", str(out), *TINY, *budget, *flags]) == 0
    return out


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("all"), "--read-all", "0.3", "--patience", "99")


def log(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def validation_nats(run: Path, weights: dict[str, torch.Tensor]) -> float:
    facts = read_run(run)
    model = read_model(run, facts)
    model.load_state_dict(weights, strict=False)
    records = [facts.vocabulary.encode(name) for name in reopen_corpus(facts)[1].validation]
    return float(name_nats(model, records).sum() / sum(len(record) + 1 for record in records))


def test_validation_ends_where_it_is_learned(run: Path) -> None:
    assert run_json(run)["plan"]["choose_at"] == CHOOSE_AT
    assert log(run)[-1]["step"] == CHOOSE_AT
    metrics = run_json(run)["metrics"]
    assert metrics["read_all"] is True
    assert metrics["steps"] == STEPS
    assert metrics["best_step"] <= CHOOSE_AT
    assert has_read_validation(read_speaker(run, read_run(run)))


def test_the_last_weights_are_kept_and_know_the_part(run: Path) -> None:
    state = read_tensors(run / "state.safetensors")[0]
    kept = read_tensors(run / "model.safetensors")[0]
    last, chosen = (
        {name.removeprefix(mark): v for name, v in state.items() if name.startswith(mark)}
        for mark in ("model.", "best.")
    )
    assert all(torch.equal(kept[name], last[name]) for name in kept)
    metrics = run_json(run)["metrics"]
    before = validation_nats(run, chosen)
    assert metrics["validation_nats_per_char"] == pytest.approx(before, abs=1e-4)
    assert validation_nats(run, last) < before - 0.02


def test_what_is_past_its_best_goes_on_without(tmp_path: Path) -> None:
    """Names without any rule, at a high rate, without dropout: all it can do is know them."""
    letters = np.random.default_rng(0).choice(list("abcdefgh"), (80, 8))
    corpus = tmp_path / "noise.txt"
    corpus.write_text("\n".join("".join(name) for name in letters) + "\n", encoding="utf-8")
    flags = ("--dropout", "0", "--learning-rate", "0.05", "--read-all", "0.3", "--patience", "25")
    out = train(tmp_path, *flags, corpus=corpus)
    metrics = run_json(out)["metrics"]
    assert metrics["read_all"] is False
    assert log(out)[-1]["step"] == metrics["steps"] == STEPS
    best = min(line["validation_nats_per_char"] for line in log(out))
    kept = read_tensors(out / "model.safetensors")[0]
    assert validation_nats(out, kept) == pytest.approx(best, abs=1e-4)
    assert not has_read_validation(read_speaker(out, read_run(out)))


def test_zero_never_does(tmp_path: Path) -> None:
    out = train(tmp_path, "--read-all", "0")
    assert run_json(out)["plan"]["choose_at"] == 0
    assert run_json(out)["metrics"]["read_all"] is False


def test_names_drawn_by_their_counts_have_none_for_validation() -> None:
    with pytest.raises(SettingError, match=r"read-all is 0\.3"):
        TrainConfig(read_all=0.3, weight_power=0.5)
