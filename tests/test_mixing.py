"""A run with an n-gram: chosen on validation, kept in its folder, shipped or left out."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from charmodels.__main__ import main
from charmodels.config import TrainConfig
from charmodels.corpus.splitting import split_corpus
from charmodels.evaluation.report import EVALUATION
from charmodels.ngram.counting import count
from charmodels.ngram.smoothing import smooth
from charmodels.runtime import Memory, Model, load_bundle
from charmodels.runtime.balance import balanced
from charmodels.runtime.bundle import read_bundle
from charmodels.runtime.errors import RunError
from charmodels.training.checkpoint import read_model, read_run, read_tensors, write_tensors
from charmodels.training.mixing import (
    NGRAM,
    _some,
    chars_to_count,
    mix,
    read_expert,
    seconds_to_mix,
)
from charmodels.training.speaker import read_speaker, speaking_model
from charmodels.training.train import reopen_corpus
from demo.inside import inside
from demo.shelf import open_shelf
from export.__main__ import main as export
from export.writer import export_run
from tests.runs import TINY, run_json, write_names, write_text


def train(folder: Path, corpus: Path, *more: str) -> Path:
    out = folder / "run"
    flags = (*TINY, "--max-steps", "60", "--validations", "3", "--ngram", "auto", *more)
    assert main(["train", str(corpus), "--out", str(out), *flags]) == 0
    return out


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("names")
    return train(folder, write_names(folder))


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    return train(folder, write_text(folder), "--kind", "text")


def paid_by_steps(model: Model, run: Path) -> float:
    split = reopen_corpus(read_run(run))[1]
    return float(np.concatenate([model.score(record) for record in split.test]).mean())


@pytest.mark.parametrize("kind", ["names", "text"])
def test_the_figures_are_those_of_the_model_that_speaks(kind: str, names: Path, text: Path) -> None:
    run = names if kind == "names" else text
    facts = read_run(run)
    metrics = run_json(run)["metrics"]
    alone = speaking_model(facts, read_model(run, facts))
    assert paid_by_steps(read_speaker(run, facts), run) == pytest.approx(
        metrics["nats_per_char"], abs=2e-5
    )
    assert paid_by_steps(alone, run) == pytest.approx(metrics["network_nats_per_char"], abs=2e-5)
    assert metrics["nats_per_char"] < metrics["network_nats_per_char"] - 0.1
    best = min(metrics[f"{who}validation_nats_per_char"] for who in ("", "ngram_"))
    assert metrics["mixed_validation_nats_per_char"] < best
    assert metrics["expert_bytes"] < 60_000


def test_what_is_shipped_is_what_was_trained(names: Path, tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    assert export([str(names), "--out", str(out)]) == 0
    shipped, trained = load_bundle(out), read_speaker(names, read_run(names))
    assert shipped.generate(20, seed=5) == trained.generate(20, seed=5)
    assert shipped.score("Villa Luz") == pytest.approx(trained.score("Villa Luz"), abs=1e-5)
    assert [state.name for state in shipped.bundle.states][-2:] == ["n_0", "mix_0"]
    tables = run_json(names)["metrics"]["expert_bytes"]
    network = tmp_path / "network"
    assert export([str(names), "--out", str(network), "--no-ngram"]) == 0
    grown = (out / "step.onnx").stat().st_size - (network / "step.onnx").stat().st_size
    assert tables < grown < tables + 8_000, "the graph's nodes, and its tables as counted"


def test_an_ngram_goes_out_alone(
    names: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "alone"
    assert export([str(names), "--out", str(out), "--no-network"]) == 0
    alone, both = load_bundle(out), read_speaker(names, read_run(names))
    assert [state.name for state in alone.bundle.states] == ["n_0"]
    start = Memory(balanced(both.step.initial_state(), 1.0))
    assert alone.score("Villa Luz") == pytest.approx(both.score("Villa Luz", start), abs=1e-5)
    assert alone.generate(5, seed=2) == both.generate(5, seed=2, balance=1.0)
    assert alone.bundle.weights is None
    assert alone.bundle.metrics["spelled_share"] == 1.0
    assert not {"parameters", "nats_per_char"} & alone.bundle.metrics.keys()
    assert inside(alone, ["Villa Luz"], "en").memory == []
    (speaker,) = open_shelf([out], shipped=tmp_path / "none")
    assert f"n-gram {alone.bundle.states[0].shape[0] + 1}" in str(speaker.facts("en"))
    capsys.readouterr()
    source = ["--corpus", read_run(names).corpus["source"]]
    report = ["--report", str(tmp_path / "report.html")]
    assert main(["evaluate", str(out), *source, *report]) == 0
    assert "an n-gram, no network" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert export([str(out), "--for", "hub", "--out", str(tmp_path / "hub")]) == 0
    network = shutil.copytree(names, tmp_path / "network")
    (network / NGRAM).unlink()
    capsys.readouterr()
    assert export([str(network), "--out", str(tmp_path / "no"), "--no-network"]) == 1
    assert "has no n-gram" in capsys.readouterr().err
    assert export([str(names), "--out", str(tmp_path / "no"), "--no-network", "--no-ngram"]) == 2
    assert not (tmp_path / "no").exists()


def test_without_the_ngram_no_figure_of_it_is_told(names: Path, tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    assert main(["evaluate", str(names)]) == 0
    assert export([str(names), "--out", str(out), "--no-ngram"]) == 0
    told = json.loads((out / "bundle.json").read_text(encoding="utf-8"))
    own = run_json(names)["metrics"]
    assert told["metrics"]["nats_per_char"] == own["network_nats_per_char"]
    assert not any("ngram" in name for name in told["metrics"])
    assert paid_by_steps(load_bundle(out), names) == pytest.approx(
        told["metrics"]["nats_per_char"], abs=2e-5
    )


def test_killed_before_the_ngram_a_run_still_ends_whole(names: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(names, run)
    facts = run_json(run)
    expected = facts["metrics"] | {"seconds": 0, "wall_seconds": 0}
    (run / "run.json").write_text(json.dumps(facts | {"metrics": None}), encoding="utf-8")
    (run / NGRAM).unlink()
    assert main(["train", "--out", str(run), "--resume"]) == 0
    assert run_json(run)["metrics"] | {"seconds": 0, "wall_seconds": 0} == expected
    assert (run / NGRAM).read_bytes() == (names / NGRAM).read_bytes()


def test_bytes_are_kept_to(tmp_path: Path) -> None:
    corpus = write_text(tmp_path)
    run = train(tmp_path, corpus, "--kind", "text", "--ngram-bytes", "1500", "--no-test")
    metrics = run_json(run)["metrics"]
    assert metrics["expert_bytes"] <= 1_500
    assert metrics["expert_pruned_nats"] > 0


def test_nothing_held_out_still_gives_an_ngram(tmp_path: Path) -> None:
    path = tmp_path / "few.txt"
    path.write_text("Ana\nAnabel\nEva\nEvelin\nLuz\n", encoding="utf-8")
    run = train(tmp_path, path)
    model = read_speaker(run, read_run(run))
    assert set(model.generate(30, balance=1, temperature=0.3)) & {"Ana", "Eva", "Anabel", "Luz"}


BREAKS = {
    "leads_to": lambda table: table + 10**6,
    "symbols": lambda table: table - 100,
    "first": lambda table: table.flip(0),
    "from_nothing": lambda table: table[:-1],
    "anywhere": lambda table: table * torch.nan,
    "shares": lambda table: table.float(),
    "log_backoff": lambda table: table - torch.inf,
    "weights": lambda table: table[:-1],
}


@pytest.mark.parametrize("name", [*BREAKS, "order", "file", "missing"])
def test_a_broken_file_is_refused(names: Path, tmp_path: Path, name: str) -> None:
    tensors, facts = read_tensors(names / NGRAM)
    if name in BREAKS:
        tensors[name] = BREAKS[name](tensors[name])
    elif name == "missing":
        del tensors["shares"]
    elif name == "order":
        facts["order"] = "nine"
    write_tensors(tmp_path / NGRAM, tensors, facts)
    if name == "file":
        (tmp_path / NGRAM).write_bytes(b"junk")
    vocab = len(read_run(names).vocabulary)
    with pytest.raises(RunError, match=NGRAM):
        read_expert(tmp_path, vocab)
    assert read_expert(names, vocab) is not None
    assert read_expert(tmp_path / "nowhere", vocab) is None


def test_a_long_corpus_is_counted_as_far_as_budget_and_memory_allow() -> None:
    seconds = {None: 4_100_000, 20.0: 600_000, 90.0: 4_100_000, 8.0: 200_000, 600.0: 5_000_000}
    for budget, most in seconds.items():
        config = TrainConfig(ngram="auto", max_seconds=budget)
        assert chars_to_count(config, 10**9) == most, budget
        assert seconds_to_mix(config, 10**9) <= 0.5 * (budget or 90)
        assert chars_to_count(config, 1_000) == 1_000
    assert chars_to_count(TrainConfig(ngram="auto", max_steps=3), 10**9) == 5_000_000
    assert chars_to_count(TrainConfig(), 10**9) == 0 == seconds_to_mix(TrainConfig(), 10**9)


def test_only_so_much_is_counted(names: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = read_run(names)
    model, split = read_model(names, facts), reopen_corpus(facts)[1]
    train, validation = (
        [facts.vocabulary.encode(name) for name in part] for part in (split.train, split.validation)
    )
    monkeypatch.setattr("charmodels.training.mixing.chars_to_count", lambda config, chars: 200)
    mixed = mix(model, facts.training, train, validation, endless=False)
    held_out = sum(len(name) + 1 for name in validation)
    assert 180 < mixed.metrics["expert_chars"] - held_out <= 200
    long = np.concatenate(train)
    mixed = mix(model, facts.training, [long], [long[:50]], endless=True)
    assert mixed.metrics["expert_chars"] == 250


def test_a_text_looks_back_on_itself_and_the_run_says_what_that_is_worth(text: Path) -> None:
    metrics, expert = run_json(text)["metrics"], read_expert(text, vocab_of(text))
    assert expert
    assert expert.cache
    assert metrics["expert_cache_chars"] == expert.cache.window == 1024
    assert expert.cache.votes[1:].max() > 0
    before, after = (metrics[f"mixed_{how}validation_nats_per_char"] for how in ("uncached_", ""))
    assert after != before
    facts = read_run(text)
    alone = speaking_model(facts, read_model(text, facts), replace(expert, cache=None))
    assert paid_by_steps(alone, text) == pytest.approx(metrics["uncached_nats_per_char"], abs=2e-5)


def vocab_of(run: Path) -> int:
    return len(read_run(run).vocabulary)


@pytest.mark.parametrize("votes", [[0.0], [0.5, 1.0], [0.0, -1.0], [0.0, np.nan], [0.0] * 10])
def test_votes_out_of_range_are_no_cache(text: Path, tmp_path: Path, votes: list[float]) -> None:
    run = shutil.copytree(text, tmp_path / "run")
    tensors, facts = read_tensors(run / NGRAM)
    write_tensors(run / NGRAM, tensors | {"votes": torch.tensor(votes, dtype=torch.float64)}, facts)
    with pytest.raises(RunError, match="votes are out of their range"):
        read_expert(run, vocab_of(run))


def test_names_have_no_past(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, corpus = tmp_path / "run", str(write_names(tmp_path))
    assert main(["train", corpus, "--out", str(out), "--cache", "64"]) == 1
    assert "names are read each alone" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["train", corpus, "--out", str(out), "--cache", "1"])
    assert "expected 0, or 2 to" in capsys.readouterr().err


def test_tables_too_small_for_anything_still_open(tmp_path: Path) -> None:
    run = train(tmp_path, write_names(tmp_path), "--ngram-bytes", "1")
    assert read_speaker(run, read_run(run)).generate(2)


def test_some_of_the_records(names: Path) -> None:
    records = [np.arange(4), np.arange(2), np.arange(5)]  # 5, 3 and 6 characters with their ends
    for chars, some in ((0, 1), (5, 1), (7, 1), (8, 2), (13, 2), (14, 3), (99, 3)):
        assert len(_some(records, chars, endless=False)) == some, chars
    assert len(_some(records[2:], 3, endless=True)[0]) == 3


def test_the_ngram_has_not_read_the_test_part(names: Path) -> None:
    facts = read_run(names)
    split, vocabulary = split_corpus(reopen_corpus(facts)[0]), facts.vocabulary
    expert = read_expert(names, len(vocabulary))
    assert expert is not None
    order = expert.ngram.order
    train, validation, test = (
        [vocabulary.encode(name) for name in part]
        for part in (split.train, split.validation, split.test)
    )
    nats = [
        smooth(count(known, len(vocabulary), order=order, endless=False), order)
        .score(test, endless=False)
        .mean()
        for known in ([*train, *validation], train, [*train, *validation, *test])
    ]
    model = read_speaker(names, facts)
    alone = Memory(balanced(model.step.initial_state(), 1.0))
    own = np.concatenate([model.score(name, alone) for name in split.test]).mean()
    assert own == pytest.approx(nats[0], abs=1e-3)  # its shares are float16
    assert abs(own - nats[1]) > 0.01
    assert abs(own - nats[2]) > 0.01


def test_a_bundle_tells_what_it_gives_away_though_nobody_evaluated(
    names: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(names, tmp_path / "run")
    (run / EVALUATION).unlink(missing_ok=True)
    metrics = read_bundle(export_run(run, tmp_path / "with", report=str)).metrics
    assert metrics["spelled_share"] == 1.0 > metrics["spelled_share_held_out"]
    bare = read_bundle(export_run(run, tmp_path / "without", ngram=False, report=str)).metrics
    assert "spelled_share" not in bare


def test_evaluate_walks_along_the_balance(names: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["evaluate", str(names), "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    rows = {row["balance"]: row for row in measured["along_balance"]}
    own = run_json(names)["metrics"]
    assert rows[-1.0]["nats_per_char"] == pytest.approx(own["network_nats_per_char"], abs=2e-5)
    assert rows[0.0]["nats_per_char"] == pytest.approx(own["nats_per_char"], abs=2e-5)
    assert rows[0.0]["nats_per_char"] < min(rows[end]["nats_per_char"] for end in (-1.0, 1.0))
    assert len({row["copied_share"] for row in rows.values()}) == 5, [rows]
    assert measured["spelled_share"] == 1.0 > measured["spelled_share_held_out"]
    assert main(["evaluate", str(names)]) == 0
    assert "-1.0 network alone" in capsys.readouterr().out
