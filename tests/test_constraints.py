"""What names are asked to be they are, every one, or it is said at once; and as the model would."""

import itertools
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from charmodels.__main__ import main
from charmodels.runtime import ConstraintError, Model, SettingError, load_bundle
from charmodels.runtime import guide as guides
from charmodels.runtime.candidates import MAX_TRIES
from charmodels.runtime.constraints import Constraint, guide_names, parse_length
from charmodels.runtime.foresight import count_pairs
from charmodels.runtime.glushkov import build_glushkov
from charmodels.runtime.guide import Guide
from charmodels.runtime.membership import Membership
from charmodels.runtime.pattern import parse_pattern
from charmodels.runtime.rows import Written, generate_ids, write_rows
from charmodels.runtime.sampling import Sampling, row_keys
from charmodels.runtime.vocabulary import Vocabulary
from tests import readme

ABC = Vocabulary(("", *"ab."))


def strings(longest: int) -> list[str]:
    """Every string of a, b and . up to a length, but the empty one."""
    lengths = range(1, longest + 1)
    return ["".join(s) for n in lengths for s in itertools.product("ab.", repeat=n)]


def walked(guide: Guide) -> set[str]:
    """Every name that a guide lets through; it must never be stuck."""

    def go(node: int, length: int, name: str) -> Iterator[str]:
        allowed = np.flatnonzero(np.isfinite(guide.outlook(np.array([node]))[0]))
        assert len(allowed), f"stuck after {name!r}"
        for token in allowed:
            if token == 0:
                yield name
                continue
            after = guide.advance(np.array([node]), np.array([token]), np.array([length]))
            yield from go(int(after[0]), length + 1, name + ABC.symbols[token])

    return set(go(0, guide.length, "")) if guide.is_possible else set()


# --- patterns mean what they mean to Python ---

ATOMS = st.sampled_from(
    ["a", "b", ".", r"\.", "[ab]", "[^a]", r"\w", r"[\W]", "x", "(a|b)", "(?:ab)"]
)
REPEATS = st.sampled_from(["", "*", "+", "?", "{2}", "{1,}", "{,2}", "{0,2}", "*?", "{2,3}"])


def _joined(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    rows = st.lists(st.builds("{}{}".format, parts, REPEATS), min_size=1, max_size=3).map("".join)
    return st.lists(rows, min_size=1, max_size=3).map("|".join).map("({})".format)


PATTERNS = st.recursive(ATOMS, _joined, max_leaves=5)


@settings(max_examples=200)
@given(PATTERNS, st.integers(0, 4), st.integers(0, 4))
def test_a_guide_lets_through_what_python_matches(pattern: str, least: int, more: int) -> None:
    assume(len(pattern) <= 100)
    longest = max(1, least + more)
    guide = Guide(build_glushkov(parse_pattern(pattern), ABC.symbols), 4, least, longest)
    expected = {s for s in strings(longest) if len(s) >= least and re.fullmatch(pattern, s)}
    assert walked(guide) == expected


@given(PATTERNS, *[st.text("ab.", max_size=2)] * 3)
def test_all_that_is_asked_is_met_together(
    pattern: str, starts: str, ends: str, holds: str
) -> None:
    assume(len(pattern) <= 100)
    constraint = Constraint(pattern=pattern, starts=starts, ends=ends, contains=holds)

    def fits(s: str) -> bool:
        ended = s.startswith(starts) and s.endswith(ends) and holds in s
        return ended and re.fullmatch(pattern, s) is not None

    expected = {s for s in strings(5) if fits(s)}
    try:
        beginning, guide = guide_names(constraint, ABC, "", 5)
    except ConstraintError:
        assert not expected
        return
    assert guide is not None
    assert {beginning + rest for rest in walked(guide)} == expected


CLASSES = r"\d+ \D\s\S [\d_]\w []a] [^]] [a\-]b \x61 \u0062\t? [.-] a{ a{x}".split()


@pytest.mark.parametrize("pattern", [*CLASSES, "^ab$", "^a|b$", "(?P<n>a)b", "", "()", "a||b"])
def test_signs_mean_what_they_mean_to_python(pattern: str) -> None:
    symbols = ("", *"ab.]-_1 {}x\tñ")
    tree = build_glushkov(parse_pattern(pattern), symbols)
    guide = Guide(tree, len(symbols), 1, 3)
    names = ["".join(s) for n in (1, 2, 3) for s in itertools.product(symbols[1:], repeat=n)]
    allowed = [name for name in names if _follows(guide, [symbols.index(c) for c in name])]
    assert allowed == [name for name in names if re.fullmatch(pattern, name)]


def _follows(guide: Guide, ids: list[int]) -> bool:
    node = np.array([0])
    for length, token in enumerate([*ids, 0]):
        if not np.isfinite(guide.outlook(node)[0, token]):
            return False
        node = guide.advance(node, np.array([token]), np.array([length]))
    return True


BROKEN = {
    "(": r"a \( without its \)",
    "a)": r"a \) too many",
    "[a": r"a \[ without its \]",
    "*a": "nothing to repeat",
    "{2}": "nothing to repeat",
    "a**": "a repeat of a repeat",
    "a{3,2}": "expected the smaller number first",
    "a{99999}": "a repeat of more than",
    "[b-a]": "a range that does not go",
    r"[a-\d]": "a range that does not go",
    "a\\": "nothing after it",
    r"\q": r"\\q is not supported",
    r"\b": r"\\b is not supported",
    r"(a)\1": "a reference to a group, is not supported",
    r"\x4": "hexadecimal",
    "(?=a)": "look-ahead is not supported",
    "(?!a)": "look-ahead is not supported",
    "(?<=a)": "look-behind is not supported",
    "(?i)a": "is not supported",
    "(?>a)": "an atomic group is not supported",
    "a*+": "possessive",
    "a^b": "may only stand",
    "(a$)": "may only stand",
    "a" * 101: "at most 100",
    "(" * 60 + ")" * 60: "at most 100",
}


@pytest.mark.parametrize("pattern", BROKEN)
def test_what_cannot_be_read_is_said_in_one_line(pattern: str) -> None:
    with pytest.raises(ConstraintError, match=BROKEN[pattern]) as caught:
        parse_pattern(pattern)
    assert "\n" not in str(caught.value)


WORST = {
    "(a|b)*a[ab]{12}": True,
    ".{0,50}x.{0,50}": True,
    "(a?){1000}b": True,
    "(.{0,9}y?){0,99}": True,
    ".{0,999}x.{0,999}": True,
    "(a{99}){99}": False,
    "((((a{99}){99}){99}){99}){99}": False,
    "(a|b|c|d|e|f|g|h|i|j|k|l|m|n|o|p|q|r|s|t|u){0,90}z": True,
    "(((((((a*)*)*)*)*)*)*)*b": True,
    "(.?.?.?.?.?.?.?.?.?.?.?.?.?.?.?.?.?.?.?.?){0,90}": True,
}
"""Whether they are affordable; interegular takes 7.7 s for the first."""


@pytest.mark.parametrize("pattern", WORST)
def test_no_pattern_takes_long(names_model: Model, pattern: str) -> None:
    """200 ms on an idle machine; processor time here, for tests run on busy ones."""
    pairs = count_pairs(names_model.step)
    constraint = Constraint(pattern=pattern, contains="a", length=(2, 100))
    start = time.thread_time()
    try:
        guide_names(constraint, names_model.vocabulary, "", 100, pairs)
    except ConstraintError as error:
        assert "shorten" in str(error)  # noqa: PT017
    assert time.thread_time() - start < 3 * 0.2
    alone = Constraint(pattern=pattern)
    if WORST[pattern]:
        for name in names_model.generate(2, pattern=pattern, max_chars=60):
            assert re.fullmatch(pattern, name)
    else:
        with pytest.raises(ConstraintError, match="shorten"):
            guide_names(alone, names_model.vocabulary, "", 100)


# --- names are as they were asked ---


@settings(max_examples=60)
@given(
    pattern=PATTERNS,
    ends=st.sampled_from(["", "", "a", "ñe"]),
    contains=st.sampled_from(["", "", "b", "ab"]),
    length=st.sampled_from([None, (1, 6), (4, 4), (3, None)]),
    seed=st.integers(0, 1000),
)
def test_every_name_is_as_it_was_asked(
    names_model: Model, pattern: str, ends: str, contains: str, length: Any, seed: int
) -> None:
    assume(len(pattern) <= 100)
    asked: dict[str, Any] = {"pattern": pattern, "ends": ends, "contains": contains}
    try:
        names = names_model.generate(3, seed=seed, max_chars=12, length=length, **asked)
    except ConstraintError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return
    least, most = length or (1, None)
    for name in names:
        assert re.fullmatch(pattern, name), name
        assert name.endswith(ends)
        assert contains in name
        assert least <= len(name) <= (most or 12)


@pytest.mark.parametrize("temperature", [0.0, 0.3, 3.0])
@pytest.mark.parametrize("filters", [{}, {"top_k": 2}, {"top_p": 0.5}, {"min_p": 0.3}])
def test_at_any_temperature(names_model: Model, temperature: float, filters: Any) -> None:
    names = names_model.generate(
        4, pattern="[a-m]*z?[n-z]+", length=(3, 9), temperature=temperature, **filters
    )
    assert all(re.fullmatch("[a-m]*z?[n-z]+", name) and 3 <= len(name) <= 9 for name in names)
    assert temperature or len(set(names)) == 1


def test_greedy_takes_the_likeliest_that_may_come(names_model: Model) -> None:
    (free,) = names_model.generate(1, temperature=0.0, max_chars=6)
    assert names_model.generate(1, temperature=0.0, pattern=".*", max_chars=6)[0][:5] == free[:5]
    other = f"[^{free[0]}].*"
    second = names_model.predict("", count=2)[1].character
    assert names_model.generate(1, temperature=0.0, pattern=other)[0][0] == second


def test_the_beginning_counts_as_part_of_the_name(names_model: Model) -> None:
    (name,) = names_model.generate(1, prefix="ana", pattern="an.*z", length=(6, 6))
    assert name.startswith("ana")
    assert name.endswith("z")
    assert len(name) == 6
    with pytest.raises(ConstraintError, match="begin with 'ana'"):
        names_model.generate(1, prefix="ana", pattern="eva.*")
    assert names_model.generate(2, prefix="an", starts="ana") == names_model.generate(
        2, starts="ana"
    )
    with pytest.raises(ConstraintError, match="begin with 'eva'"):
        names_model.generate(1, prefix="eva", starts="ana")


def test_a_start_is_a_prefix(names_model: Model) -> None:
    plain = names_model.generate(5, prefix="an", seed=3, max_chars=20)
    assert names_model.generate(5, starts="an", seed=3, max_chars=22) == plain


@pytest.mark.parametrize("asked", [{"pattern": "[a-f]+"}, {"starts": "b"}, {"length": (3, 5)}])
def test_a_row_depends_on_seed_and_row_alone(names_model: Model, asked: Any) -> None:
    many = names_model.generate(40, seed=5, **asked)
    assert many == names_model.generate(40, seed=5, **asked)
    assert many[:3] == names_model.generate(3, seed=5, **asked)
    assert many != names_model.generate(40, seed=6, **asked)
    for row in (0, 17, 39):
        stream = names_model.stream(seed=5, row=row, **asked)
        assert "".join(stream) == many[row]


@pytest.mark.parametrize("asked", [{}, {"ends": "a", "length": (3, 9)}])
def test_rows_go_on_from_any_of_them(names_model: Model, asked: Any) -> None:
    whole = names_model.generate(12, seed=3, **asked)
    assert names_model.generate(5, seed=3, first=7, **asked) == whole[7:]
    with pytest.raises(SettingError, match="first is -1"):
        names_model.generate(1, first=-1, **asked)


@pytest.mark.parametrize(
    ("asked", "why", "place", "fitting"),
    [
        ({"pattern": "ab(c"}, "unreadable", 2, {}),
        ({"pattern": "ab", "length": (3, 9)}, "impossible", 0, {}),
        ({"pattern": "AB.*", "ends": "C"}, "impossible", 0, {"pattern": "ab.*", "ends": "c"}),
        ({"pattern": "(a{40}){60}"}, "costly", 0, {}),
    ],
)
def test_an_error_says_why_to_programs_too(
    names_model: Model, asked: Any, why: str, place: int, fitting: dict[str, str]
) -> None:
    with pytest.raises(ConstraintError) as caught:
        names_model.generate(1, **asked)
    assert (caught.value.why, caught.value.place, caught.value.fitting) == (why, place, fitting)


def test_a_stream_gives_new_characters_and_remembers(names_model: Model) -> None:
    (name,) = names_model.generate(1, prefix="an", seed=2, pattern="an[a-z]{4,8}")
    stream = names_model.stream("an", seed=2, pattern="an[a-z]{4,8}")
    assert "an" + "".join(stream) == name
    assert stream.ended
    half = names_model.stream("an", seed=2, pattern="an[a-z]{4,8}")
    assert "an" + next(half) + next(half) == name[:4]
    plain = names_model.stream(name[:4], max_chars=0).memory
    assert half.memory.token == plain.token
    for state, value in plain.state.items():
        np.testing.assert_allclose(half.memory.state[state], value, atol=1e-6)


def test_without_constraints_nothing_changes(names_model: Model) -> None:
    asked: dict[str, Any] = {"starts": "", "ends": "", "contains": "", "pattern": ""}
    asked |= {"length": None, "novel": False}
    plain = names_model.generate(20, seed=9)
    assert names_model.generate(20, seed=9, **asked) == plain
    assert names_model.generate(20, seed=9, pattern=".*", max_chars=40) != plain


def test_many_nodes_are_forgotten_in_time(
    names_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = names_model.generate(60, pattern="(a|b)*a[ab]{6}", max_chars=30)
    monkeypatch.setattr(guides, "MAX_NODES", 5)
    assert names_model.generate(60, pattern="(a|b)*a[ab]{6}", max_chars=30) == expected


# --- what cannot be ---

IMPOSSIBLE: dict[str, tuple[dict[str, Any], str]] = {
    "another alphabet": ({"pattern": r"[\u0410-\u042f]+"}, "no name"),
    "too long": ({"pattern": "a{50}"}, "at most 40 characters"),
    "both": ({"pattern": "a+", "ends": "b"}, "ends 'b', pattern 'a[+]'"),
    "odd": ({"pattern": "(aa)*", "length": (3, 3)}, "length 3-3"),
    "case": ({"ends": "ANA"}, "does not know 'A' 'N'; it could have ends 'ana'"),
    "accents": ({"contains": "áb"}, "could have contains 'ab'"),
    "case of a pattern": ({"pattern": r"[A-F]\w+"}, r"could have pattern '\[a-f\]"),
    "start": ({"starts": "Ana"}, "could have starts 'ana'"),
    "length": ({"length": (8, 3)}, "expected the least and the most"),
    "nothing": ({"length": (0, 0)}, "expected the least and the most"),
    "texts": ({"ends": "a" * 101}, "expected at most 100"),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_cannot_be_is_said_at_once_in_one_line(names_model: Model, name: str) -> None:
    asked, said = IMPOSSIBLE[name]
    with pytest.raises(ConstraintError, match=said) as caught:
        names_model.generate_each(3, **asked)  # before the first is taken
    assert "\n" not in str(caught.value)
    with pytest.raises(ConstraintError):
        names_model.stream(**asked)


def test_text_and_memory_take_no_constraints(names_model: Model, text_model: Model) -> None:
    with pytest.raises(ConstraintError, match="only names can be asked"):
        text_model.generate(1, ends="a")
    with pytest.raises(ConstraintError, match="no memory"):
        names_model.stream(memory=names_model.stream("a").memory, ends="a")
    assert issubclass(ConstraintError, ValueError)
    with pytest.raises(SettingError):
        names_model.generate(1, ends="a", temperature=-1.0)


@pytest.mark.parametrize(
    ("text", "length"), [("4-8", (4, 8)), ("4-", (4, None)), ("-8", (0, 8)), (" 6 ", (6, 6))]
)
def test_lengths_are_read(text: str, length: Any) -> None:
    assert parse_length(text) == length


@pytest.mark.parametrize("text", ["", "-", "a-b", "4-8-9", "\uff14-5", "9" * 30, "-1-4"])
def test_other_lengths_are_refused(text: str) -> None:
    with pytest.raises(ConstraintError, match="expected a range"):
        parse_length(text)


# --- new names ---


def knowing(model: Model, names: list[str]) -> Model:
    known = Membership.of(names, model.vocabulary)
    return Model(model.step, replace(model.bundle, membership=known))


def test_new_names_are_the_others_as_they_were(names_model: Model) -> None:
    """A name that was new stays; in the place of others stands a new one."""
    plain = names_model.generate(40, seed=1, max_chars=2, temperature=2.0)
    half = sorted(set(plain))[::2]
    found = knowing(names_model, half).generate(
        40, seed=1, max_chars=2, temperature=2.0, novel=True
    )
    assert not set(found) & set(half)
    assert all(new == old for old, new in zip(plain, found, strict=True) if old not in half)
    again = knowing(names_model, half).stream(
        seed=1, row=7, max_chars=2, temperature=2.0, novel=True
    )
    assert "".join(again) == found[7]


def test_new_names_match_too(names_model: Model) -> None:
    model = knowing(names_model, ["ab", "ba"])
    found = model.generate(20, pattern="[ab]{2}", novel=True, seed=4)
    assert set(found) <= {"aa", "bb"}


def test_where_all_are_known_it_ends_and_says_so(names_model: Model) -> None:
    model = knowing(names_model, ["ana"])
    with pytest.raises(ConstraintError, match=r"none of \d+ names written was new") as caught:
        model.generate(1, pattern="ana", novel=True)
    tried = int(re.findall(r"\d+", str(caught.value))[0])
    assert MAX_TRIES <= tried <= 2 * MAX_TRIES
    assert caught.value.why == "known"
    (greedy,) = names_model.generate(1, temperature=0.0)
    with pytest.raises(ConstraintError, match="none of 1 names"):
        knowing(names_model, [greedy]).generate(1, temperature=0.0, novel=True)


def test_a_bundle_without_a_filter_cannot_say_what_is_new(names_model: Model) -> None:
    with pytest.raises(ConstraintError, match="--no-membership"):
        names_model.generate(1, novel=True)


@pytest.mark.parametrize("bundle", ["municipios", "us_names"])
def test_shipped_models_write_new_names_to_order(bundle: str) -> None:
    model = load_bundle(readme.BUNDLES / bundle, trusted=True)
    pattern = {"municipios": "Co.*l", "us_names": "[A-E].*n"}[bundle]
    names = model.generate(10, pattern=pattern, novel=True, seed=3)
    assert all(re.fullmatch(pattern, name) for name in names)
    assert all(model.standing(name) != "known" for name in names)
    assert len(set(names)) >= 8


# --- as the model would ---


def test_names_come_as_often_as_by_throwing_the_others_away(names_model: Model) -> None:
    """Beside thousands of free names of which those that match are kept."""
    pattern = "[a-m]{1,2}"
    free = names_model.generate(40_000, seed=1, max_chars=3)
    kept = Counter(name for name in free if re.fullmatch(pattern, name))
    found = Counter(names_model.generate(4_000, seed=2, pattern=pattern, max_chars=3))
    apart = _distance(kept, found)
    assert kept.total() > 1_000
    assert apart < 0.1
    assert _distance(kept, masked(names_model, pattern)) > 2 * apart, "masks alone do worse"


def masked(model: Model, pattern: str) -> Counter[str]:
    """Names drawn with nothing but the masks, as if whatever may come were as good."""
    _, guide = guide_names(Constraint(pattern=pattern), model.vocabulary, "", 3)
    keys = row_keys(2, np.arange(4_000))
    rows = write_rows(
        model.step,
        np.array([], dtype=np.int64),
        keys,
        sampling=model.bundle.sampling,
        max_chars=4,
        guide=guide,
    )
    return Counter(model.vocabulary.decode(row.ids) for row in rows if row)


def _distance(one: Counter[str], other: Counter[str]) -> float:
    """Total variation."""
    names = one.keys() | other.keys()
    return sum(abs(one[n] / one.total() - other[n] / other.total()) for n in names) / 2


def test_a_weight_is_the_models_chance_over_the_guides(names_model: Model) -> None:
    """Nothing where all may come; all that the name costs where there is one alone."""
    step, symbols = names_model.step, names_model.vocabulary.symbols
    nothing, keys = np.array([], dtype=np.int64), row_keys(0, np.arange(9))

    def led(pattern: str) -> list[Written]:
        guide = Guide(build_glushkov(parse_pattern(pattern), symbols), len(symbols), 0, 40)
        rows = write_rows(step, nothing, keys, sampling=Sampling(), max_chars=41, guide=guide)
        return [row for row in rows if row]

    free = list(generate_ids(step, nothing, 9, sampling=Sampling(), max_chars=41, seed=0))
    pairs = [(row, ids) for row, ids in zip(led(r"[\s\S]*"), free, strict=True) if len(ids) < 40]
    assert len(pairs) >= 3
    for row, ids in pairs:
        assert row.ids == ids
        assert row.log_weight == pytest.approx(0.0, abs=1e-6)
    first = names_model.predict("", count=100)
    begins = next(p.probability for p in first if p.character == "e")
    expected = np.log(begins) - names_model.score("eva")[1:].sum()
    assert led("eva")[0].log_weight == pytest.approx(expected, abs=1e-4)


# --- the command line ---


def test_sample_takes_what_is_asked(
    names_bundle: Path, text_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--starts", "a", "--ends", "z", "--contains", "e", "--length", "4-7"]
    assert main(["sample", str(names_bundle), "--seed", "1", "--pattern", "[a-z]+", *asked]) == 0
    names = capsys.readouterr().out.split()
    assert len(names) == 10
    assert all(re.fullmatch("a[a-z]*e[a-z]*z", name) and 4 <= len(name) <= 7 for name in names)
    for source, extra, said in (
        (text_bundle, ["--ends", "a"], "only names can be asked"),
        (names_bundle, ["--novel"], "no filter"),
        (names_bundle, ["--length", "x"], "expected a range"),
        (names_bundle, ["--pattern", "("], "without its )"),
    ):
        assert main(["sample", str(source), *extra]) == 1
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
