"""Notebook 002: the cyclic alphabet as it was taught, and the task that memory is needed for."""

import contextlib
import io
import json
import re
from pathlib import Path
from string import ascii_lowercase as LETTERS

import pytest

from charmodels.__main__ import main
from charmodels.commands.sample import open_model
from charmodels.corpus.registry import open_corpus
from charmodels.corpus.splitting import split_corpus
from charmodels.evaluation.windows import windows_of
from tests.datasets import SHIPPED
from tests.runs import run_json

NOTEBOOK = {"abcde": "f", "fghij": "k", "nopqr": "s", "wxyza": "b"}


def trained(folder: Path, recipe: str, *flags: str) -> Path:
    words = ["train", "--recipe", recipe, "--out", str(folder / recipe), *flags]
    assert main(words) == 0
    return folder / recipe


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples are not what is measured here."""
    monkeypatch.setattr("charmodels.evaluation.measure.SAMPLES", 50)
    monkeypatch.setattr("charmodels.evaluation.measure.TEXTS", 1)


def evaluated(run: Path) -> dict[str, float]:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main(["evaluate", str(run), "--window", "5", "--json"]) == 0
    figures: dict[str, float] = json.loads(out.getvalue())
    return figures


def test_the_alphabet_is_the_notebooks() -> None:
    assert (SHIPPED / "alphabet.txt").read_bytes() == LETTERS.encode() * 100


def test_recall_is_what_its_page_writes() -> None:
    page = (SHIPPED / "README.md").read_text(encoding="utf-8")
    code = re.search(r"### recall\.txt\n.*?```python\n(.*?)```", page, re.DOTALL)
    assert code
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(code[1], {})
    assert out.getvalue().encode() == (SHIPPED / "recall.txt").read_bytes()


def test_no_window_of_recall_is_tested_that_was_trained_on() -> None:
    split = split_corpus(open_corpus("recall"))
    asked, told = (dict(windows_of(part, 5, endless=False)) for part in (split.test, split.train))
    assert len(asked) == len(split.test) == 800
    assert not asked.keys() & told.keys()
    for text, answer in asked.items():
        assert answer == LETTERS[(LETTERS.index(text[0]) + 1) % 26]


def test_every_window_of_the_alphabet_was_trained_on() -> None:
    """The notebook's fault, held here so that nobody takes the 26 right answers for more."""
    split = split_corpus(open_corpus("alphabet"))
    asked, told = (set(windows_of(part, 5, endless=True)) for part in (split.test, split.train))
    assert asked == told
    assert len(asked) == 26


def test_the_cyclic_alphabet_gives_26_of_26(tmp_path: Path) -> None:
    run = trained(tmp_path, "seed-alphabet")
    model = open_model(run)
    for text, answer in NOTEBOOK.items():
        assert model.predict(text, 1)[0].character == answer
    circle = LETTERS * 2
    wrong = [
        circle[i : i + 5]
        for i in range(26)
        if model.predict(circle[i : i + 5], 1)[0].character != circle[i + 5]
    ]
    assert wrong == []
    figures = evaluated(run)
    assert (figures["windows"], figures["window_accuracy"]) == (255, 1.0)
    assert figures["windows_seen"] == figures["window_accuracy_bigram"] == 1.0
    assert figures["bigram_nats_per_char"] < 0.1  # no memory is needed


def test_recall_needs_memory_and_an_lstm_has_it(tmp_path: Path) -> None:
    """Windows never trained on: a memoryless model is right once in 26, give or take."""
    run = trained(tmp_path, "seed-alphabet-recall", "--max-steps", "2000")  # half the recipe's
    assert run_json(run)["metrics"]["parameters"] == 2271
    figures = evaluated(run)
    assert (figures["windows"], figures["windows_seen"]) == (800, 0.0)
    assert figures["window_accuracy"] > 0.95
    assert figures["window_accuracy_bigram"] < 0.08


def test_a_memory_that_was_not_trained_cannot_recall(tmp_path: Path) -> None:
    """The check above can fail."""
    run = trained(tmp_path, "seed-alphabet-recall", "--max-steps", "20")
    assert evaluated(run)["window_accuracy"] < 0.2
