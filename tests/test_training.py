"""From a file to a run folder: it learns, it tells, it stops, and no interruption changes a bit."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from charmodels.__main__ import main
from charmodels.evaluation.likelihood import name_nats, text_nats, text_nats_side_by_side
from charmodels.training.checkpoint import read_model, read_run, read_tensors
from tests.runs import TINY, run_json, start, write_names, write_text
from tests.tiny import write_tiny


def train(*arguments: str | Path) -> int:
    return main(["train", *map(str, arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("training")


@pytest.fixture(scope="module")
def names(folder: Path) -> Path:
    return write_names(folder)


@pytest.fixture(scope="module")
def run(folder: Path, names: Path) -> Path:
    """A finished run on names."""
    out = folder / "run"
    assert train(names, "--out", out, "--max-steps", "60", *TINY, "--learning-rate", "0.03") == 0
    return out


def weights(run: Path) -> bytes:
    return (run / "model.safetensors").read_bytes()


def test_the_loss_falls(run: Path) -> None:
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    losses = [line["validation_nats_per_char"] for line in log]
    assert losses[-1] < losses[0] - 0.5
    assert run_json(run)["metrics"]["validation_nats_per_char"] == pytest.approx(min(losses), 1e-4)


def test_the_run_says_everything_about_itself(run: Path) -> None:
    facts = run_json(run)
    assert facts["kind"] == "names"
    assert facts["vocabulary"][0] == ""
    assert facts["plan"]["steps"] == 60
    assert facts["plan"]["precision"] == "float32", "nothing was measured, so nothing was risked"
    assert facts["split"] | {"hash": ""} == {
        "hash": "",
        "salt": "",
        "unit": "names",
        "train": 64,
        "validation": 8,
        "test": 8,
    }
    metrics = facts["metrics"]
    assert metrics["bits_per_char"] == pytest.approx(metrics["nats_per_char"] / np.log(2), 1e-4)
    assert {path.name for path in run.iterdir()} == {
        "run.json",
        "log.jsonl",
        "state.safetensors",
        "model.safetensors",
    }


def test_the_best_weights_are_kept_not_the_last(folder: Path, names: Path) -> None:
    out = folder / "overfit"
    flags = ("--max-steps", "600", "--learning-rate", "0.03", "--dropout", "0", "--patience", "3")
    assert train(names, "--out", out, *TINY, *flags) == 0
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    best = min(log, key=lambda line: line["validation_nats_per_char"])
    metrics = run_json(out)["metrics"]
    assert metrics["stopped"] == "overfitting"
    assert metrics["best_step"] == best["step"] < metrics["steps"] < 600
    facts = read_run(out)
    model = read_model(out, facts)
    from charmodels.training.train import reopen_corpus

    records = [facts.vocabulary.encode(name) for name in reopen_corpus(facts)[1].validation]
    nats = name_nats(model, records).sum() / sum(len(record) + 1 for record in records)
    assert nats == pytest.approx(best["validation_nats_per_char"], abs=1e-5)


BY_NUMPY = ("--engine", "numpy", "--hidden-size", "24", "--patience", "99")


@pytest.mark.parametrize("kind", ["names", "text"])
@pytest.mark.parametrize(
    "budget",
    [
        ("--max-steps", "250", *TINY, "--read-all", "0.4"),
        ("--max-seconds", "3", *TINY, "--weight-dropout", "0.2"),
        ("--max-steps", "4000", *BY_NUMPY),
    ],
    ids=["steps", "seconds", "numpy"],
)
def test_killed_at_any_moment_it_resumes_to_the_same_bits(
    tmp_path: Path, kind: str, budget: tuple[str, ...]
) -> None:
    corpus = write_names(tmp_path) if kind == "names" else write_text(tmp_path)
    budget = (*budget, "--kind", kind)
    out, whole = tmp_path / "killed", tmp_path / "whole"
    process = start("train", corpus, "--out", out, *budget, "--patience", "99")
    deadline = time.monotonic() + 60
    while not (out / "log.jsonl").is_file() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.07)  # somewhere between two checkpoints
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "it ended before it could be killed"
    killed = run_json(out)
    assert killed["metrics"] is None
    # The whole run obeys the killed one's plan: a budget in seconds was turned into steps once.
    whole.mkdir()
    shutil.copy(out / "run.json", whole / "run.json")
    assert train("--out", whole, "--resume") == 0
    assert train("--out", out, "--resume") == 0
    assert run_json(out)["plan"] == killed["plan"]
    assert read_tensors(out / "state.safetensors")[1]["progress"]["step"] == killed["plan"]["steps"]
    assert weights(out) == weights(whole)
    end, other = (read_tensors(path / "state.safetensors")[0] for path in (out, whole))
    assert all(torch.equal(end[name], other[name]) for name in end | other)


def test_another_seed_gives_other_weights(folder: Path, names: Path, run: Path) -> None:
    out = folder / "seeded"
    assert train(names, "--out", out, "--max-steps", "60", *TINY, "--seed", "1") == 0
    assert weights(out) != weights(run)


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = start("train", write_names(tmp_path), "--out", out, "--max-steps", "100000", *TINY)
    deadline = time.monotonic() + 60
    while not (out / "log.jsonl").is_file() and not (out / "run.json").is_file():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(1.0)
    os.kill(process.pid, signal.SIGINT)
    _, talk = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"train --out {out} --resume" in talk.splitlines()[-1]
    assert read_tensors(out / "state.safetensors")[1]["progress"]["step"] > 0


def test_seconds_become_steps_within_the_budget(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert train(write_names(tmp_path), "--out", out, "--max-seconds", "3", *TINY) == 0
    metrics = run_json(out)["metrics"]
    assert metrics["steps"] > 100
    assert metrics["seconds"] < 3 * 5, "fivefold slack: the machine may be busy"


def test_a_run_in_the_way_is_not_overwritten(
    run: Path, names: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = weights(run)
    assert train(names, "--out", run, "--max-steps", "1") == 1
    assert "--resume, or replace it with --force" in capsys.readouterr().err
    assert weights(run) == before
    assert train("--out", run, "--resume") == 1
    assert "already finished" in capsys.readouterr().err


def test_a_changed_corpus_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus, out = write_names(tmp_path), tmp_path / "run"
    process = start("train", corpus, "--out", out, "--max-steps", "100000", *TINY)
    while not (out / "run.json").is_file():
        time.sleep(0.01)
    process.kill()
    process.communicate()
    corpus.write_text(corpus.read_text(encoding="utf-8") + "Otro\n", encoding="utf-8")
    assert train("--out", out, "--resume") == 1
    assert "changed since the run read it" in capsys.readouterr().err


def test_a_short_list_goes_on_from_a_model(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus, out = tmp_path / "thirty.txt", tmp_path / "thirty"
    corpus.write_text("".join(f"Ñu {chr(97 + i)}ß\n" for i in range(26)), encoding="utf-8")
    assert train(corpus, "--out", out, "--from", run, "--max-steps", "40") == 0
    facts = read_run(out)
    known = read_run(run).vocabulary.symbols
    assert facts.vocabulary.symbols[: len(known)] == known, "old ids keep their meaning"
    assert {"Ñ", "ß"} <= set(facts.vocabulary.symbols[len(known) :])
    assert facts.model.hidden_size == 24
    capsys.readouterr()
    flags = ("--hidden-size", "99", "--max-steps", "1")
    assert train(corpus, "--out", tmp_path / "x", "--from", run, *flags) == 1
    assert "decides the model's sizes" in capsys.readouterr().err


def test_from_needs_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = write_tiny(tmp_path / "tiny")
    corpus = write_names(tmp_path)
    assert train(corpus, "--out", tmp_path / "x", "--from", bundle, "--max-steps", "1") == 1
    assert "made without weights" in capsys.readouterr().err


def test_json_is_all_that_reaches_stdout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert train(write_text(tmp_path), "--out", out, "--max-steps", "5", *TINY, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert {"nats_per_char", "validation_nats_per_char", "bits_per_char", "parameters"} <= set(
        result
    )
    assert {"seconds", "wall_seconds", "chars_seen", "split"} <= set(result)


def test_no_test_leaves_the_test_part_unread(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert train(write_names(tmp_path), "--out", out, "--max-steps", "5", *TINY, "--no-test") == 0
    assert "nats_per_char" not in run_json(out)["metrics"]


def test_under_ten_names_no_figure_is_claimed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus, out = tmp_path / "few.txt", tmp_path / "run"
    corpus.write_text("Ana\nEva\nLuz\nSol\nPaz\n", encoding="utf-8")
    assert train(corpus, "--out", out, "--max-steps", "20", *TINY, "--json") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["nats_per_char"] is None
    assert "NOT SPLIT" in captured.err


def test_two_ways_of_reading_a_text_nearly_agree(folder: Path) -> None:
    out = folder / "text"
    corpus = write_text(folder)
    assert train(corpus, "--out", out, "--kind", "text", "--max-steps", "80", *TINY) == 0
    facts = read_run(out)
    model = read_model(out, facts)
    ids = facts.vocabulary.encode(corpus.read_text(encoding="utf-8"))
    one = text_nats(model, ids)
    many = text_nats_side_by_side(model, ids, streams=4, warm_up=64)
    assert len(many) == len(ids) // 4 * 4
    assert many.mean() == pytest.approx(one[: len(many)].mean(), abs=0.01)


def test_a_folder_that_cannot_be_made_is_an_error_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")
    assert train(write_names(tmp_path), "--out", in_the_way / "run", "--max-steps", "1") == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert len(errors) == 1
    assert str(in_the_way) in errors[0]


def test_force_removes_nothing_before_everything_is_right(
    run: Path, names: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = weights(run)
    mistakes: list[tuple[str | Path, ...]] = [
        ("nosuch.txt",),
        ("--recipe", "nosuch"),
        (names, "--from", "nowhere"),
        (names, "--from", run, "--hidden-size", "7"),
    ]
    for mistake in mistakes:
        assert train(*mistake, "--out", run, "--force", "--max-steps", "1") == 1, mistake
        assert weights(run) == before, mistake
    assert capsys.readouterr().out == ""


def test_a_diverged_training_says_so(
    tmp_path: Path, names: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = (*TINY, "--max-steps", "60", "--learning-rate", "1e30")
    assert train(names, "--out", tmp_path / "run", *flags) == 1
    assert "training diverged" in capsys.readouterr().err.splitlines()[-1]


def test_killed_between_its_last_files_a_run_still_ends_whole(tmp_path: Path, run: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(run, out)
    facts = run_json(out)
    facts["metrics"] = None
    (out / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    (out / "model.safetensors").unlink()
    (out / "log.jsonl").unlink()
    assert train("--out", out, "--resume") == 0
    assert weights(out) == weights(run)
    assert (out / "log.jsonl").read_text() == (run / "log.jsonl").read_text()


def test_a_resumed_run_keeps_the_test_part_unread(tmp_path: Path, run: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(run, out)
    facts = run_json(out) | {"metrics": None, "read_test": False}
    (out / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    assert train("--out", out, "--resume") == 0
    assert "nats_per_char" not in run_json(out)["metrics"]


def test_killed_before_its_first_checkpoint_a_started_run_starts_again(
    tmp_path: Path, run: Path, names: Path
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert train(names, "--out", whole, "--from", run, "--max-steps", "30") == 0
    killed.mkdir()
    facts = run_json(whole) | {"metrics": None}
    (killed / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    assert train("--out", killed, "--resume") == 0
    assert weights(killed) == weights(whole)


def test_a_run_resumes_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_names(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert train("names.txt", "--out", "run", "--max-steps", "5", *TINY) == 0
    monkeypatch.chdir("/")
    assert main(["evaluate", str(tmp_path / "run"), "--json"]) == 0


def test_names_do_not_start_from_a_text(
    tmp_path: Path, names: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text"
    flags = ("--kind", "text", "--max-steps", "3", *TINY)
    assert train(write_text(tmp_path), "--out", text, *flags) == 0
    assert train(names, "--out", tmp_path / "x", "--from", text, "--max-steps", "1") == 1
    assert "writes text; this corpus is names" in capsys.readouterr().err


def test_a_budget_of_ones_own_is_not_cut_short(tmp_path: Path, names: Path) -> None:
    """The default for short lists stops after 60 passes; whoever says 400 steps gets 400."""
    out = tmp_path / "run"
    assert train(names, "--out", out, "--max-steps", "400", *TINY, "--patience", "99") == 0
    assert run_json(out)["metrics"]["steps"] == 400
    out = tmp_path / "epochs"
    assert train(names, "--out", out, "--max-epochs", "0.1", "--max-steps", "9", *TINY) == 0
    assert run_json(out)["metrics"]["steps"] == 1


@pytest.mark.parametrize(
    "flags", [("--max-seconds", "inf"), ("--max-epochs", "inf"), ("--learning-rate", "inf")]
)
def test_infinite_settings_are_refused(names: Path, tmp_path: Path, flags: tuple[str, str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        train(names, "--out", tmp_path / "x", *flags)
    assert stopped.value.code == 2


def test_the_largest_seed_works(names: Path, tmp_path: Path) -> None:
    flags = ("--seed", str(2**53 - 1), "--max-steps", "2", *TINY)
    assert train(names, "--out", tmp_path / "run", *flags) == 0


def test_a_lower_case_run_stays_lower_case(
    tmp_path: Path, names: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "small"
    assert train(names, "--out", out, "--lowercase", "--max-steps", "5", *TINY) == 0
    assert "made lower-case" in capsys.readouterr().err
    facts = read_run(out)
    assert facts.corpus["lowercase"] is True
    assert all(symbol == symbol.lower() for symbol in facts.vocabulary.symbols)
    assert main(["evaluate", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["split"] == facts.split["hash"]


def test_a_one_hot_run_grows_for_new_characters(tmp_path: Path, names: Path) -> None:
    first, second, corpus = tmp_path / "first", tmp_path / "second", tmp_path / "more.txt"
    sizes = ("--embedding-size", "0", "--hidden-size", "24", "--batch-size", "16")
    assert train(names, "--out", first, "--max-steps", "5", *sizes) == 0
    corpus.write_text("".join(f"Ñu {chr(97 + i)}ß\n" for i in range(26)), encoding="utf-8")
    assert train(corpus, "--out", second, "--from", first, "--max-steps", "5") == 0
    assert len(read_run(second).vocabulary) > len(read_run(first).vocabulary)


def test_resume_takes_no_other_settings(
    tmp_path: Path, names: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They would not be obeyed: the run goes on with its own."""
    for extra in ((names,), ("--max-steps", "9"), ("--force",), ("--lowercase",)):
        assert train("--out", tmp_path / "run", "--resume", *extra) == 1
        assert "leave the other options out" in capsys.readouterr().err
