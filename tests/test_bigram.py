"""The memoryless baseline: the textbook's numbers, rows that sum to one, and a model like any."""

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charmodels.corpus.reading import lowercased, read_corpus
from charmodels.corpus.splitting import split_corpus
from charmodels.ngram.bigram import Bigram, count_bigram
from charmodels.runtime.generation import score_ids
from charmodels.runtime.model import Model
from charmodels.runtime.vocabulary import Ids, Vocabulary
from tests.datasets import bench_file
from tests.test_imports import PAGE, TORCH, import_all, modules_of
from tests.tiny import tiny_bundle

NAMES = ("ana", "anna", "eva", "nan", "ven")
TEXT = "anna vena van ana, nana even"


def encoded(records: Sequence[str]) -> tuple[list[Ids], int]:
    vocabulary = Vocabulary.of([*records, "z"])  # z never comes
    return [vocabulary.encode(record) for record in records], len(vocabulary)


def textbook(records: Sequence[Ids], vocab: int, *, endless: bool) -> list[list[float]]:
    """The equations of the module's docstring, one number at a time, from dictionaries."""
    pairs: Counter[tuple[int, int]] = Counter()
    for record in records:
        whole = [0, *record.tolist()] + ([] if endless else [0])
        pairs.update(itertools.pairwise(whole))
    follows = Counter(after for _, after in pairs)

    def discount(counts: Counter[int]) -> float:
        return counts[1] / (counts[1] + 2 * counts[2]) if counts[1] and counts[2] else 0.5

    of_pairs, of_characters = discount(Counter(pairs.values())), discount(Counter(follows.values()))

    def anywhere(w: int) -> float:
        left = of_characters * len(follows) / len(pairs) / vocab
        return max(follows[w] - of_characters, 0) / len(pairs) + left

    def chance(v: int, w: int) -> float:
        total = sum(count for pair, count in pairs.items() if pair[0] == v)
        if total == 0:
            return anywhere(w)
        kinds = sum(pair[0] == v for pair in pairs)
        own = max(pairs[v, w] - of_pairs, 0) / total
        return own + of_pairs * kinds / total * anywhere(w)

    return [[chance(v, w) for w in range(vocab)] for v in range(vocab)]


@pytest.mark.parametrize(("records", "endless"), [(NAMES, False), ((TEXT,), True)])
def test_it_is_the_textbooks_kneser_ney(records: tuple[str, ...], endless: bool) -> None:
    ids, vocab = encoded(records)
    expected = np.array(textbook(ids, vocab, endless=endless))
    found = np.exp(count_bigram(ids, vocab, endless=endless).log_probabilities)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert expected.std() > 0.05  # no flat table agrees by chance


def test_a_small_case_by_hand() -> None:
    """One name, "aab": pairs 0a aa ab b0, each once, so D = 1/2; a follows 2, b and 0 follow 1."""
    bigram = count_bigram([np.array([1, 1, 2])], 3, endless=False)
    discount = 2 / (2 + 2 * 1)  # of the characters: two counts of 1, one of 2
    a = (2 - discount) / 4 + discount * 3 / 4 / 3
    assert math.exp(bigram.log_probabilities[1, 1]) == pytest.approx(0.5 / 2 + 0.5 * 2 / 2 * a)


@given(
    records=st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=12), min_size=1, max_size=8),
    endless=st.booleans(),
)
def test_rows_sum_to_one_and_nothing_is_impossible(records: list[list[int]], endless: bool) -> None:
    ids = [np.array(record) for record in (records[:1] if endless else records)]
    table = count_bigram(ids, 8, endless=endless).log_probabilities
    np.testing.assert_allclose(np.exp(table).sum(axis=1), 1.0, rtol=1e-12)
    assert np.isfinite(table).all()


@pytest.mark.parametrize(("records", "endless"), [(NAMES, False), ((TEXT,), True)])
def test_scoring_at_once_is_scoring_by_steps(records: tuple[str, ...], endless: bool) -> None:
    ids, vocab = encoded(records)
    bigram = count_bigram(ids, vocab, endless=endless)
    end = [] if endless else [0]
    by_steps = np.concatenate([score_ids(bigram, np.array([*each, *end])) for each in ids])
    np.testing.assert_allclose(bigram.score(ids, endless=endless), by_steps, atol=1e-6)


def test_it_writes_like_any_model() -> None:
    bundle = tiny_bundle()
    ids = [bundle.vocabulary.encode(name) for name in NAMES]
    model = Model(count_bigram(ids, len(bundle.vocabulary), endless=False), bundle)
    assert set("".join(model.generate(200, seed=0))) >= set("anev")
    assert model.predict("xyzv")[0] == model.predict("v")[0]  # only the last character counts


def test_it_needs_no_torch() -> None:
    answer = import_all(modules_of("charmodels/ngram"), (*TORCH, *PAGE))
    assert answer.stdout == "imported\n", answer.stderr


def held_out_nats(path: Path) -> float:
    split = split_corpus(lowercased(read_corpus(path, "names")))
    vocabulary = Vocabulary.of((*split.train, *split.validation, *split.test))
    train = [vocabulary.encode(name) for name in split.train]
    bigram = count_bigram(train, len(vocabulary), endless=False)
    test = [vocabulary.encode(name) for name in split.test]
    return float(bigram.score(test, endless=False).mean())


@pytest.mark.parametrize(("file", "nats"), [("ar_nombres_193k.txt", 2.5390), ("dinos.txt", 2.1536)])
def test_what_a_list_costs_without_memory(file: str, nats: float) -> None:
    """Held-out nats per character, end marks included; lower-cased as the notebooks do."""
    assert held_out_nats(bench_file(file)) == pytest.approx(nats, abs=5e-4)


def test_smoothing_beats_adding_one() -> None:
    """The measured reason for Kneser-Ney: held-out nats of the alternative on the same names."""
    split = split_corpus(lowercased(read_corpus(bench_file("dinos.txt"), "names")))
    vocabulary = Vocabulary.of((*split.train, *split.validation, *split.test))
    vocab = len(vocabulary)
    train = [vocabulary.encode(name) for name in split.train]
    counts = np.ones((vocab, vocab))
    for name in train:
        np.add.at(counts, ([0, *name], [*name, 0]), 1)
    added = Bigram(np.log(counts / counts.sum(axis=1, keepdims=True)))
    test = [vocabulary.encode(name) for name in split.test]
    smoothed = count_bigram(train, vocab, endless=False).score(test, endless=False).mean()
    assert smoothed < added.score(test, endless=False).mean()
