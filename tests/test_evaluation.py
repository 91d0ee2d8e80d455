"""Honest figures: likelihood by two engines, divergence, novelty and copying on known cases."""

import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from charmodels.__main__ import main
from charmodels.evaluation.novelty import (
    PASSAGE,
    divergence,
    measure_names,
    measure_text,
    nearest_distance,
    ngrams,
)
from tests.runs import TINY, run_json, write_names, write_text

NAMES = ("Ana", "Eva", "Luz", "Sol", "Paz", "Mar")


def test_divergence_is_nothing_for_the_same_and_ln_2_for_strangers() -> None:
    a = ngrams(["ana", "eva"], 2)
    assert divergence(a, a) == 0.0
    assert divergence(ngrams(["ana"], 1), ngrams(["xyz"], 1)) < math.log(2)  # both have ends
    assert divergence(Counter("aab"), Counter("xxy")) == pytest.approx(math.log(2))
    assert divergence(Counter("ab"), Counter("ac")) == pytest.approx(math.log(2) / 2)


def test_ngrams_count_boundaries() -> None:
    assert ngrams(["ab"], 1) == Counter({"\0": 2, "a": 1, "b": 1})
    assert ngrams(["ab"], 3) == Counter({"\0ab": 1, "ab\0": 1})


def test_a_copier_is_seen_through() -> None:
    held_out = ("Ada", "Ivo", "Lia")
    copier = measure_names(list(NAMES) * 5, 1.0, NAMES, held_out)
    assert copier.novel_share == 0.0
    assert copier.train_hit_share == 1.0
    assert copier.held_out_hit_share == 0.0
    assert copier.unique_share == pytest.approx(1 / 5)
    assert copier.edit_distance_median == 0.0 < copier.edit_distance_median_held_out
    assert copier.divergence == copier.divergence_floor
    inventor = measure_names(["Ada", "Ivo", "Uma"], 1.0, NAMES, held_out)
    assert inventor.novel_share == 1.0
    assert inventor.held_out_hit_share == pytest.approx(2 / 3)


def test_nearest_distance_is_normalised_levenshtein() -> None:
    assert nearest_distance(["Anna"], ["Ana", "Evaristo"]) == pytest.approx(1 / 4)


def test_verbatim_passages_are_counted_in_characters() -> None:
    rng = np.random.default_rng(0)
    train = "".join(rng.choice(list("abcdefgh"), size=5_000))
    fresh = "".join(rng.choice(list("abcdefgh"), size=300))
    passage = train[100 : 100 + PASSAGE + 30]
    text = fresh[:150] + passage + fresh[150:]
    novelty = measure_text([text], train, fresh)
    assert novelty.longest_verbatim in range(PASSAGE + 30, PASSAGE + 34)
    assert novelty.verbatim_share == pytest.approx(novelty.longest_verbatim / len(text))
    assert novelty.verbatim_share_held_out == 0.0


@pytest.mark.parametrize("kind", ["names", "text"])
def test_run_and_bundle_give_the_same_figures(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Torch in training, torch by steps and onnxruntime by steps: one likelihood."""
    corpus = write_names(tmp_path) if kind == "names" else write_text(tmp_path)
    run, bundle = tmp_path / "run", tmp_path / "bundle"
    flags = ["--max-steps", "40", "--learning-rate", "0.02", "--kind", kind]
    assert main(["train", str(corpus), "--out", str(run), *TINY, *flags]) == 0
    from export.__main__ import main as export

    assert export([str(run), "--out", str(bundle)]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(run), "--json"]) == 0
    of_run = json.loads(capsys.readouterr().out)
    assert main(["evaluate", str(bundle), "--corpus", str(corpus), "--json"]) == 0
    of_bundle = json.loads(capsys.readouterr().out)
    trained = run_json(run)["metrics"]["nats_per_char"]
    assert of_run["nats_per_char"] == pytest.approx(trained, abs=2e-5)
    assert of_bundle["nats_per_char"] == pytest.approx(trained, abs=2e-5)
    assert of_bundle["split"] == of_run["split"]
    wanted = {
        "names": {"novel_share", "unique_share", "held_out_hit_share", "edit_distance_median"},
        "text": {"windowed_nats_per_char", "verbatim_share"},
    }
    assert wanted[kind] <= set(of_run)
    assert json.loads((run / "evaluation.json").read_text())["nats_per_char"] == pytest.approx(
        trained, abs=2e-5
    )


def test_a_bundle_of_an_unknown_corpus_asks_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.tiny import write_tiny

    assert main(["evaluate", str(write_tiny(tmp_path / "tiny"))]) == 1
    assert "--corpus FILE" in capsys.readouterr().err
