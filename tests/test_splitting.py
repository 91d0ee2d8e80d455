"""Splits: the contract's order and sizes, nothing shared between parts, the same everywhere."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charmodels.corpus.reading import Corpus, read_corpus
from charmodels.corpus.splitting import split_corpus
from charmodels.runtime.errors import SettingError
from tests.datasets import SHIPPED, bench_file


def names(*records: str) -> Corpus:
    weights = np.arange(1, len(records) + 1, dtype=np.float64)
    return Corpus("list", "names", records, weights, "", "", ())


def text(record: str) -> Corpus:
    return Corpus("text", "text", (record,), np.ones(1), "", "", ())


HUNDRED = tuple(f"name {number}" for number in range(100))


def test_the_order_is_that_of_the_hashes():
    ordered = sorted(HUNDRED, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    split = split_corpus(names(*HUNDRED))
    assert split.test == tuple(ordered[:10])
    assert split.validation == tuple(ordered[10:20])
    assert split.train == tuple(ordered[20:])
    assert split.hash == hashlib.sha256("\n".join(sorted(ordered[:10])).encode()).hexdigest()
    assert split.notes == ()


@pytest.mark.parametrize(
    ("size", "held_out"),
    [(10, 1), (19, 1), (20, 2), (9_999, 999), (10_010, 1_000), (12_000, 1_000)],
)
def test_a_tenth_is_held_out_and_a_thousand_at_most(size, held_out):
    split = split_corpus(names(*(str(number) for number in range(size))))
    sizes = (len(split.test), len(split.validation), len(split.train))
    assert sizes == (held_out, held_out, size - 2 * held_out)


@given(st.sets(st.text(min_size=1, max_size=8), min_size=10, max_size=60), st.randoms())
@settings(max_examples=60, deadline=None)
def test_parts_share_nothing_and_ignore_the_order_of_the_file(records, random):
    records = {record.encode("utf-8", "replace").decode() for record in records}
    if len(records) < 10:
        return
    one = sorted(records)
    other = random.sample(one, len(one))
    split, again = split_corpus(names(*one)), split_corpus(names(*other))
    parts = split.train + split.validation + split.test
    assert sorted(parts) == one
    assert (split.train, split.validation, split.test, split.hash) == (
        again.train,
        again.validation,
        again.test,
        again.hash,
    )


def test_weights_follow_their_names():
    corpus = names(*HUNDRED)
    split = split_corpus(corpus)
    weight = dict(zip(corpus.records, corpus.weights, strict=True))
    assert split.train_weights.tolist() == [weight[name] for name in split.train]


def test_a_salt_gives_another_split_of_the_same_names():
    plain, salted = split_corpus(names(*HUNDRED)), split_corpus(names(*HUNDRED), "1")
    ordered = sorted(HUNDRED, key=lambda name: hashlib.sha256(("1" + name).encode()).hexdigest())
    assert salted.test == tuple(ordered[:10])
    assert salted.salt == "1"
    assert salted.hash != plain.hash


def test_a_small_list_is_not_split_and_says_so():
    split = split_corpus(names(*HUNDRED[:9]))
    assert sorted(split.train) == sorted(HUNDRED[:9])
    assert split.validation == split.test == ()
    assert split.hash == hashlib.sha256(b"").hexdigest()
    assert "NOT SPLIT" in split.notes[0]
    assert "9 names" in split.notes[0]


def test_a_text_is_cut_in_reading_order():
    content = "".join(chr(0x100 + number) for number in range(1_000))
    split = split_corpus(text(content))
    assert split.train == (content[:880],)
    assert split.validation == (content[880:900],)
    assert split.test == (content[900:],)
    assert split.hash == hashlib.sha256(content[900:].encode()).hexdigest()
    assert split.train_weights.tolist() == [1]


def test_a_short_text_is_not_split_and_says_so():
    split = split_corpus(text("x" * 99))
    assert (split.train, split.validation, split.test) == (("x" * 99,), (), ())
    assert "NOT SPLIT" in split.notes[0]


def test_a_text_refuses_a_salt():
    with pytest.raises(SettingError, match="split salt 'x' with a text"):
        split_corpus(text("x" * 1_000), "x")


@pytest.mark.parametrize(
    ("file", "digest"),
    [
        ("mx_municipios.txt", "d1dc06579cf6a08cf2b2a3213c4721d23ecb5e7b0cf8951bd80a92c4965f2b8c"),
        (
            "shakespeare_tragedies.txt",
            "c398fb8d84370d1e75b9d6b2b8c121707015b17d32957644266e66055bea3c6b",
        ),
    ],
)
def test_the_split_of_a_shipped_file_never_changes(file, digest):
    """Published figures name these hashes; a change here makes them incomparable."""
    assert split_corpus(read_corpus(SHIPPED / file)).hash == digest


@pytest.mark.parametrize(
    ("file", "digest"),
    [
        ("makemore_names.txt", "8c1f124b21c4c682a97b6c53d0fd6852cef023b059048ea03b134113a0e87be0"),
        ("tinyshakespeare.txt", "c54f3753a4e6e3c3d1759212815a7caf826e68a33021b25312984400bed40a1f"),
    ],
)
def test_the_split_of_a_benchmark_never_changes(file, digest):
    split = split_corpus(read_corpus(bench_file(file)))
    assert split.hash == digest
    if file == "tinyshakespeare.txt":
        assert len(split.test[0]) == 111_540  # the last tenth that nanoGPT validates on
