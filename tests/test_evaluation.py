"""Honest figures: likelihood by two engines, divergence, novelty and copying on known cases."""

import hashlib
import itertools
import json
import math
import shutil
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from charmodels.__main__ import main
from charmodels.corpus.splitting import Split
from charmodels.evaluation import novelty
from charmodels.evaluation.measure import measure, read_along
from charmodels.evaluation.novelty import divergence, measure_names, nearest_distances, ngrams
from charmodels.evaluation.overlap import PASSAGE, match_lengths, measure_text
from charmodels.evaluation.report import read_evaluation
from charmodels.evaluation.windows import measure_windows, windows_of
from charmodels.ngram.bigram import Bigram
from charmodels.ngram.counting import count
from charmodels.ngram.smoothing import smooth
from charmodels.runtime.bundle import Kind
from charmodels.runtime.errors import CorpusError, RunError, SettingError
from charmodels.runtime.model import Model
from charmodels.runtime.vocabulary import BOUNDARY_ID
from charmodels.training.checkpoint import Plan
from charmodels.training.display import TrainingDisplay
from charmodels.training.loop import Progress
from tests.runs import TINY, run_json, write_names, write_text
from tests.tiny import tiny_bundle

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
    assert copier.edit_distance_curve == (0.0,) * 21
    held_out_curve = copier.edit_distance_curve_held_out
    assert held_out_curve[0] == pytest.approx(1 / 3, abs=1e-4)  # Ada, from Ana
    assert held_out_curve[10] == copier.edit_distance_median_held_out
    assert list(held_out_curve) == sorted(held_out_curve)
    inventor = measure_names(["Ada", "Ivo", "Uma"], 1.0, NAMES, held_out)
    assert inventor.novel_share == 1.0
    assert inventor.held_out_hit_share == pytest.approx(2 / 3)


def test_lengths_are_compared_beside_their_own_floor() -> None:
    found = measure_names(["Ana", "Evaristo"], 1.0, NAMES, ("Ada", "Ivo"))
    assert found.length_divergence_floor == 0.0  # all have three characters
    # Half of the samples have three, half have eight: D(p || m) = (1/2) ln(2/3) + (1/2) ln 2.
    own, theirs = (math.log(2 / 3) + math.log(2)) / 2, math.log(4 / 3)
    assert found.length_divergence == pytest.approx((own + theirs) / 2, abs=1e-5)


def test_nearest_distance_is_normalised_levenshtein() -> None:
    assert nearest_distances(["Anna"], ["Ana", "Evaristo"]) == pytest.approx([1 / 4])


def test_verbatim_passages_are_counted_in_characters() -> None:
    rng = np.random.default_rng(0)
    train = "".join(rng.choice(list("abcdefgh"), size=5_000))
    fresh = "".join(rng.choice(list("abcdefgh"), size=300))
    passage = train[100 : 100 + PASSAGE + 30]
    text = fresh[:150] + passage + fresh[150:]
    found = measure_text([text], train, fresh)
    assert found.longest_verbatim in range(PASSAGE + 30, PASSAGE + 34)
    assert found.verbatim_share == pytest.approx(found.longest_verbatim / len(text))
    assert found.verbatim_share_held_out == 0.0


def test_the_nearest_name_is_found_in_any_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(novelty, "_BLOCK", 4)
    many = [f"Evaristo{i}" for i in range(9)]
    for place in (0, 3, 4, 8, 9):
        train = [*many[:place], "Ana", *many[place:]]
        assert nearest_distances(["Anna"], train) == pytest.approx([1 / 4])


def test_matches_are_those_that_a_search_finds() -> None:
    """At the ends of texts, in letters of four bytes, and where a text holds the mark of an end."""
    rng = np.random.default_rng(0)
    for letters in ("ab", "abñ", "a\0𝄞€") * 20:
        train, *texts = (
            "".join(rng.choice([*letters], size=size)) for size in rng.integers(0, 25, size=4)
        )
        texts.append(train + "z" + train[3:])
        found = match_lengths(texts, train)
        for text, lengths in zip(texts, found, strict=True):
            ends = (range(i, len(text) + 1) for i in range(len(text)))
            searched = [max(j - i for j in js if text[i:j] in train) for i, js in enumerate(ends)]
            assert lengths.tolist() == searched, (train, text)


def test_the_longest_passage_is_found_at_any_length() -> None:
    found = measure_text(["xxbananaxx", "zz"], "a banana", "nab")
    assert (found.longest_verbatim, found.longest_verbatim_held_out) == (6, 2)
    assert (found.verbatim_share, found.samples) == (0.0, 12)
    assert (found.verbatim_curve[0], found.verbatim_curve[20]) == (0, 6)
    assert found.verbatim_curve_held_out == (1,) * 20 + (2,)


def test_more_characters_than_fit_into_a_byte_stay_apart() -> None:
    letters = "".join(map(chr, range(0x4E00, 0x4E00 + 556)))
    (lengths,) = match_lengths([letters[256:]], letters[:300])
    assert lengths.tolist() == [*range(44, 0, -1), *[0] * 256]


def test_copying_is_looked_for_in_little_memory() -> None:
    """Every passage of a text this long would take 14 MB."""
    train = "".join(map(str, range(20_000)))
    tracemalloc.start()
    found = measure_text([train[500:600]], train, "x" * 100)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found.longest_verbatim, found.verbatim_share) == (100, 1.0)
    assert peak < 40 * len(train)


def test_names_with_a_floor_of_nothing_have_no_ratio(
    names_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All orders of four letters: every part has the same letters, so the divergence is 0."""
    names = ["".join(order) for order in itertools.permutations("abcd")]
    parts = Split(
        train=tuple(names[4:]),
        train_weights=np.ones(20),
        validation=tuple(names[2:4]),
        test=tuple(names[:2]),
        hash="",
        salt="",
    )
    monkeypatch.setattr("charmodels.evaluation.measure.SAMPLES", 50)
    measured = measure(names_model, parts)
    assert measured["divergence_floor"][0] == 0
    assert measured["divergence_ratio"][0] is None
    assert measured["divergence_ratio"][3] > 0


def split_of(
    train: tuple[str, ...], test: tuple[str, ...], validation: tuple[str, ...] = ()
) -> Split:
    return Split(
        train=train,
        train_weights=np.ones(len(train)),
        validation=validation,
        test=test,
        hash="",
        salt="",
    )


def test_windows_of_a_text_are_all_its_places_or_evenly_spaced_ones() -> None:
    assert list(windows_of(["abcde"], 3, endless=True)) == [("abc", "d"), ("bcd", "e")]
    few = list(windows_of(["abcdefghijk"], 1, endless=True, most=3))
    assert few == [("a", "b"), ("d", "e"), ("g", "h")]
    assert list(windows_of(["abc"], 3, endless=True)) == []


def test_a_window_of_a_name_is_its_beginning_and_may_be_all_of_it() -> None:
    found = list(windows_of(["ana", "anahi", "al"], 3, endless=False))
    assert found == [("ana", ""), ("ana", "h")]


def test_the_memoryless_guesser_says_what_followed_most_often(text_model: Model) -> None:
    """After b came c three times and d twice; e never came, so its answer is the likeliest, b."""
    split = split_of(("bcbcbcbdbd",), ("bcbdebcec",))
    measured = measure_windows(text_model, split, 1)
    assert (measured["windows"], measured["window"]) == (8, 1)
    # It says c b c b b c b b; what came was c b d e b c e c.
    assert measured["window_accuracy_bigram"] == 4 / 8
    assert measured["windows_seen"] == 4 / 8  # bc, cb, bd, bc


@pytest.mark.parametrize("kind", ["names", "text"])
def test_the_first_guess_is_what_predict_says(
    kind: str, names_model: Model, text_model: Model
) -> None:
    model = names_model if kind == "names" else text_model
    rng = np.random.default_rng(0)
    drawn = ["".join(rng.choice(list("abcdef"), size=size)) for size in rng.integers(3, 9, 300)]
    test = tuple(drawn) if kind == "names" else ("".join(drawn),)
    asked = list(windows_of(test, 3, endless=model.endless))
    right = [model.predict(text, 1)[0].character == answer for text, answer in asked]
    measured = measure_windows(model, split_of(test, test), 3)
    assert 0 < sum(right) < len(right) > 256  # several batches, the last one not full
    assert measured["window_accuracy"] == pytest.approx(sum(right) / len(right), abs=1e-5)
    assert measured["windows_seen"] == 1.0


@pytest.mark.parametrize("kind", ["names", "text"])
def test_a_reading_is_a_score_with_first_guesses(
    kind: str, names_model: Model, text_model: Model
) -> None:
    model = names_model if kind == "names" else text_model
    text = "".join(np.random.default_rng(0).choice(model.vocabulary.symbols[1:], size=300))
    nats, foreseen = read_along(model, text)
    np.testing.assert_array_equal(nats, model.score(text))
    answers = [*text, *([] if model.endless else [""])]
    guesses = [model.predict(text[:i], 1)[0].character for i in range(len(answers))]
    assert foreseen.tolist() == [a == b for a, b in zip(guesses, answers, strict=True)]
    assert foreseen.any()


@pytest.mark.parametrize("kind", ["names", "text"])
def test_a_first_guess_never_ends_what_cannot_end(kind: Kind) -> None:
    """To this model an end is likeliest always, then an a; yet no name is empty, no text ends."""
    bundle = tiny_bundle(kind)
    chances = np.full(len(bundle.vocabulary), 0.01)
    chances[[BOUNDARY_ID, *bundle.vocabulary.encode("a")]] = 0.5, 0.3
    model = Model(Bigram(np.log(np.tile(chances, (len(chances), 1)))), bundle)
    _, foreseen = read_along(model, "aa")
    assert foreseen.tolist() == ([True, False, True] if kind == "names" else [True, True])


def test_a_window_that_nothing_held_out_fills_is_refused(
    names_model: Model, text_model: Model
) -> None:
    for model in (names_model, text_model):
        split = split_of(("abcdef",), ("abc",))
        with pytest.raises(SettingError, match="window is 0; expected 1 or more"):
            measure_windows(model, split, 0)
        with pytest.raises(CorpusError, match="window is 4, and nothing held out has"):
            measure_windows(model, split, 4)


def test_a_strangers_training_part_may_hold_unknown_characters(names_model: Model) -> None:
    """Only what is read by the model must be known to it."""
    split = split_of(("ana", "Ωmega", "eva"), ("ava", "nena"), ("Ψana",))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("charmodels.evaluation.measure.SAMPLES", 50)
        measured = measure(names_model, split)
    assert 0 < measured["bigram_nats_per_char"] < math.log(len(names_model.vocabulary))


@pytest.mark.parametrize(("validation", "order"), [(("banana",), 4), (("abba",), 2), ((), 0)])
def test_the_order_of_the_ngram_beside_is_chosen_on_the_validation_part(
    names_model: Model, monkeypatch: pytest.MonkeyPatch, validation: tuple[str, ...], order: int
) -> None:
    monkeypatch.setattr("charmodels.evaluation.measure.SAMPLES", 50)
    train, test = ("bananada", "cabana", "dacada"), ("anaba", "bad")
    measured = measure(names_model, split_of(train, test, validation))
    if not validation:
        assert measured["ngram_order"] is measured["ngram_nats_per_char"] is None
        return
    encode = names_model.vocabulary.encode
    ids, vocab = [encode(name) for name in train], len(names_model.vocabulary)
    ngram = smooth(count(ids, vocab, order=order, endless=False), order)
    nats = ngram.score([encode(name) for name in test], endless=False).mean()
    assert measured["ngram_order"] == order
    assert measured["ngram_nats_per_char"] == pytest.approx(nats, abs=1e-5)


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
    assert main(["evaluate", str(run), "--json", "--window", "4"]) == 0
    of_run = json.loads(capsys.readouterr().out)
    words = ["--corpus", str(corpus), "--json", "--window", "4"]
    assert main(["evaluate", str(bundle), *words]) == 0
    of_bundle = json.loads(capsys.readouterr().out)
    trained = run_json(run)["metrics"]["nats_per_char"]
    assert of_run["nats_per_char"] == pytest.approx(trained, abs=2e-5)
    assert of_bundle["nats_per_char"] == pytest.approx(trained, abs=2e-5)
    assert of_bundle["split"] == of_run["split"]
    counted = ("bigram_nats_per_char", "ngram_nats_per_char", "ngram_order")
    for figure in (*counted, "accuracy", "window_accuracy", "windows_seen"):
        assert of_bundle[figure] == of_run[figure], figure
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


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on names. A test that changes it copies it."""
    folder = tmp_path_factory.mktemp("evaluation")
    flags = [*TINY, "--max-steps", "5", "--no-test"]
    assert main(["train", str(write_names(folder)), "--out", str(folder / "run"), *flags]) == 0
    return folder / "run"


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "copy"))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charmodels.evaluation.measure.SAMPLES", 50)


def change(run: Path, **facts: object) -> None:
    (run / "run.json").write_text(json.dumps(run_json(run) | facts), encoding="utf-8")


def told(capsys: pytest.CaptureFixture[str], *arguments: str | Path, code: int = 1) -> str:
    """What a command says on stderr; an error is one line."""
    capsys.readouterr()
    assert main([str(each) for each in arguments]) == code
    said = capsys.readouterr().err
    assert code == 0 or said.count("\n") == 1
    return said


@pytest.mark.usefixtures("quick")
def test_an_evaluation_belongs_to_the_weights_it_measured(copy: Path) -> None:
    assert read_evaluation(copy) == {}
    assert main(["evaluate", str(copy), "--report", str(copy.parent / "report.md")]) == 0
    assert (copy.parent / "report-learning.svg").is_file(), "a run has a log to draw"
    kept = json.loads((copy / "evaluation.json").read_text(encoding="utf-8"))
    sha256 = hashlib.sha256((copy / "model.safetensors").read_bytes()).hexdigest()
    assert kept.pop("model_sha256") == sha256
    assert read_evaluation(copy) == kept
    with (copy / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"?")
    assert read_evaluation(copy) == {}


@pytest.mark.parametrize("text", ["{", "[]", "\xff", "[" * 100_000])
def test_a_broken_evaluation_is_one_line(copy: Path, text: str) -> None:
    (copy / "evaluation.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(RunError, match=r"measure again with: \S+ -m charmodels evaluate") as caught:
        read_evaluation(copy)
    assert "\n" not in str(caught.value)


def test_the_test_part_waits_for_the_last_weight(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(copy, metrics=None)
    for corpus in ([], ["--corpus", "names.txt"]):
        assert f"--out {copy} --resume" in told(capsys, "evaluate", copy, *corpus)


@pytest.mark.parametrize("facts", [{"source": "gone.txt"}, {"sha256": "0"}])
def test_a_corpus_that_moved_or_changed_can_be_named(
    copy: Path, facts: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    change(copy, corpus=run_json(copy)["corpus"] | facts)
    assert "--corpus FILE" in told(capsys, "evaluate", copy)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("is_own", [True, False])
def test_records_that_were_not_held_out_are_pointed_at(
    copy: Path, tmp_path: Path, is_own: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = write_names(tmp_path)
    if not is_own:
        corpus.write_text(corpus.read_text(encoding="utf-8").replace("San", "Son"), "utf-8")
    said = told(capsys, "evaluate", copy, "--corpus", corpus, code=0)
    assert ("not known to be the one held out" in said) == (not is_own)
    assert not (copy / "evaluation.json").exists()


@pytest.mark.parametrize("dataset", [["a"], {"a": 1}, None, 3])
def test_a_bundle_may_name_any_nonsense_as_its_dataset(
    names_bundle: Path, tmp_path: Path, dataset: object, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(names_bundle, tmp_path / "bundle"))
    facts = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    facts["provenance"]["dataset"] = dataset
    (folder / "bundle.json").write_text(json.dumps(facts), encoding="utf-8")
    assert "pass --corpus FILE" in told(capsys, "evaluate", folder)


def test_compare_knows_why_a_figure_is_missing(
    run: Path, copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(copy, metrics=None)
    bare = Path(shutil.copytree(run, tmp_path / "bare"))
    change(bare, metrics=run_json(bare)["metrics"] | {"validation_nats_per_char": None})
    capsys.readouterr()
    assert main(["compare", str(run), str(copy), str(bare)]) == 0
    rows = capsys.readouterr().out.splitlines()[1:]
    assert "unfinished" not in rows[0]
    assert [("unfinished" in row, "nothing held out" in row) for row in rows[1:]] == [
        (True, False),
        (False, True),
    ]


def test_the_display_prints_what_was_written(capsys: pytest.CaptureFixture[str]) -> None:
    display = TrainingDisplay(lambda: [":dog: [bold]"])
    plan = Plan(steps=9, validate_every=1, precision="float32", device="cpu", threads=1)
    display.validation(Progress(step=1, best_step=1), plan, math.nan, 2.0)
    said = capsys.readouterr().err
    assert ":dog: [bold]" in said
    assert "train …  validation 2.000 nats" in said
