"""Text comes back as it went in; what the model does not know is named."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charmodels.runtime import VocabularyError
from charmodels.runtime.vocabulary import BOUNDARY_ID, MAX_SYMBOLS, Vocabulary, normalise

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@pytest.mark.parametrize(
    "text",
    [
        "Ñuñoa",
        "n\u0303",
        "x\u0323\u0301",
        "👩‍👩‍👧🏽",
        "שלום עולם",
        "مرحبا",
        "𝔘𐍈",
        "ﬁ",
        "a\tb\n",
        "\u200f\u202e",
    ],
)
def test_text_comes_back_in_composed_form(text):
    vocabulary = Vocabulary.of([normalise(text)])
    assert vocabulary.decode(vocabulary.encode(text)) == unicodedata.normalize("NFC", text)


@given(TEXTS)
def test_any_text_comes_back_in_composed_form(text):
    vocabulary = Vocabulary.of([normalise(text)])
    ids = vocabulary.encode(text)
    assert ids.dtype == np.int64
    assert BOUNDARY_ID not in ids
    assert vocabulary.decode(ids) == normalise(text)
    assert vocabulary.unknown(text) == ()


def test_composed_and_decomposed_text_have_the_same_ids():
    vocabulary = Vocabulary.of(["é"])
    assert vocabulary.encode("e\u0301").tolist() == vocabulary.encode("é").tolist() == [1]


def test_unknown_characters_are_named_once_each_in_order():
    vocabulary = Vocabulary.of(["abc"])
    assert vocabulary.unknown("zaxz👩") == ("z", "x", "👩")
    with pytest.raises(
        VocabularyError, match="does not know 'z' 'x' '👩'; it knows 3 characters: abc"
    ):
        vocabulary.encode("zaxz👩")


def test_characters_start_at_id_1_in_code_point_order():
    assert Vocabulary.of(["cab", "b"]).symbols == ("", "a", "b", "c")


@given(TEXTS, TEXTS)
def test_extending_keeps_every_id(text, more):
    vocabulary = Vocabulary.of([text])
    extended = vocabulary.extended([more])
    assert extended.symbols[: len(vocabulary)] == vocabulary.symbols
    assert set(extended.symbols[1:]) == set(text) | set(more)


def test_boundaries_leave_no_mark():
    assert Vocabulary(("", "a", "b")).decode([0, 1, 0, 2, 0]) == "ab"


@pytest.mark.parametrize(
    ("symbols", "reason"),
    [
        ((), "id 0 must be the boundary"),
        (("a", "b"), "id 0 must be the boundary"),
        (("",), "0 characters"),
        (("", "a", "bc"), "'bc' is not a single character"),
        (("", "a", ""), "'' is not a single character"),
        (("", "a", "a"), "stands in it twice"),
        (("", "\ud800"), "is not a single character"),
        (("", *map(chr, range(0x10000, 0x10000 + MAX_SYMBOLS + 1))), "65536 characters"),
    ],
    ids=["empty", "no boundary", "no character", "two", "none", "twice", "surrogate", "too many"],
)
def test_a_hostile_list_is_refused(symbols, reason):
    with pytest.raises(VocabularyError, match=reason):
        Vocabulary(symbols)
