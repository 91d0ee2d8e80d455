"""Units that tell a property are found where they were planted, and nowhere else."""

import string
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from charmodels.runtime import Model, load_bundle
from charmodels.runtime.bundle import StateSpec
from charmodels.runtime.generation import State
from charmodels.runtime.sampling import Ids, Logits
from charmodels.runtime.vocabulary import Vocabulary
from demo import units
from demo.properties import properties
from demo.reading import read
from demo.units import BAR, Finding, Unit, concordance, find, find_units, unit_states, units_after
from tests.tiny import tiny_bundle, write_tiny

SYMBOLS = ("", *string.ascii_letters, *" .,\n")
UNITS = 12

Plant = Callable[[str, str], float | None]
"""The value of a unit after a character, given the row's first one; None is noise."""


class Planted:
    """A step model of random numbers, but for what was planted at some units of `h_0`."""

    def __init__(self, plants: Mapping[int, Plant]) -> None:
        self._plants = plants
        self._rng = np.random.default_rng(0)

    def initial_state(self, batch: int = 1) -> State:
        return {
            "h_0": np.zeros((batch, UNITS // 3, 3), dtype=np.float32),
            "n_0": np.zeros((batch, 5), dtype=np.int64),
            "first_0": np.zeros((batch, 1), dtype=np.int64),
        }

    def step(self, tokens: Ids, state: State) -> tuple[Logits, State]:
        batch = len(tokens)
        first = np.where(state["first_0"] == 0, tokens[:, None], state["first_0"])
        units = self._rng.standard_normal((batch, UNITS)).astype(np.float32)
        for unit, plant in self._plants.items():
            for row, token in enumerate(tokens):
                value = plant(SYMBOLS[token], SYMBOLS[first[row, 0]])
                units[row, unit] = units[row, unit] if value is None else value
        after = {"h_0": units.reshape(batch, -1, 3), "n_0": state["n_0"] + 1, "first_0": first}
        return self._rng.standard_normal((batch, len(SYMBOLS))).astype(np.float32), after


def planted(plants: Mapping[int, Plant], names: bool = False) -> Model:
    states = (
        StateSpec("h_0", (UNITS // 3, 3), "float32"),
        StateSpec("n_0", (5,), "int64"),
        StateSpec("first_0", (1,), "int64"),
    )
    bundle = tiny_bundle("names" if names else "text")
    bundle = replace(bundle, vocabulary=Vocabulary(SYMBOLS), states=states)
    return Model(Planted(plants), bundle)


def texts(count: int = 60, length: int = 60) -> list[str]:
    """Text without an order: words of random letters, lines of random words."""
    rng = np.random.default_rng(1)
    letters = [*string.ascii_lowercase, *string.ascii_uppercase, *"     .\n"]
    return ["".join(rng.choice(letters, length + n % 7)) for n in range(count)]


def vowel(character: str, _: str) -> float:
    return float(character.lower() in {*"aeiou"})


def told(finding: Finding) -> dict[str, tuple[Unit, int]]:
    return {each.property: (each.unit, each.sign) for each in finding.found}


@pytest.mark.parametrize("names", [False, True])
def test_a_planted_unit_is_found_and_named(names: bool) -> None:
    finding = find(planted({3: vowel}, names), texts())
    assert told(finding) == {"vowel": (Unit("h_0", 3), 1)}
    assert finding.found[0].concordance == 1
    assert finding.units == UNITS
    assert finding.chance < BAR
    assert finding.characters == sum(map(len, texts())) - (0 if names else len(texts()))


def test_a_unit_that_goes_down_and_a_second_one_are_found_too() -> None:
    def capital(character: str, _: str) -> float:
        return -2.0 * character.isupper() + 0.5

    finding = find(planted({3: vowel, 7: capital}), texts())
    assert told(finding) == {"vowel": (Unit("h_0", 3), 1), "capital": (Unit("h_0", 7), -1)}


def test_nothing_is_found_among_random_numbers() -> None:
    finding = find(planted({}), texts())
    assert finding.found == []
    assert finding.tried >= 6
    assert 0.5 <= finding.chance < 0.65


def test_nothing_is_found_for_shuffled_properties() -> None:
    rng = np.random.default_rng(2)

    def shuffled(text: str, endless: bool) -> dict[str, list[bool]]:
        held = properties(text, endless)
        return {name: rng.permutation(marks).tolist() for name, marks in held.items()}

    with mock.patch.object(units, "properties", shuffled):
        finding = find(planted({3: vowel}), texts())
    assert finding.found == []
    assert finding.tried >= 6


def test_the_figure_comes_from_the_texts_that_did_not_choose() -> None:
    def only_after(beginning: str) -> Plant:
        return lambda character, first: vowel(character, "") if first == beginning else None

    chosen_by = [("a" if n % 2 == 0 else "b") + text for n, text in enumerate(texts())]
    assert find(planted({3: only_after("a")}), chosen_by).found == []
    both = ["a" + text for text in texts()]
    assert "vowel" in told(find(planted({3: only_after("a")}), both))


def test_what_is_too_rare_is_not_tried() -> None:
    many = texts(200)
    seldom = [text.replace("\n", " ") for text in many]
    lost = find(planted({}), many).tried - find(planted({}), seldom).tried
    assert lost >= 2, "neither line breaks nor ends of lines"


def test_a_model_without_units_has_none() -> None:
    model = planted({})
    model.bundle = replace(model.bundle, states=model.bundle.states[1:])
    finding = find(model, texts())
    assert (finding.found, finding.units) == ([], 0)


@pytest.mark.parametrize("names", [False, True])
def test_a_model_is_searched_on_its_own_writing(names: bool) -> None:
    model = planted({3: vowel}, names)
    with mock.patch.multiple(units, ROWS=12, LENGTH=60, NAMES=40):
        finding = find_units(model)
        assert finding.characters >= 12 * 60 or names
        assert told(find_units(model)).get("vowel") == (Unit("h_0", 3), 1)


def test_neither_an_ngrams_context_nor_a_balance_is_a_unit() -> None:
    bundle = tiny_bundle()
    states = (
        StateSpec("h_0", (16,), "float32"),
        StateSpec("conv_0", (3, 16), "float32"),
        StateSpec("n_0", (6,), "int64"),
        StateSpec("mix_0", (3,), "float32"),
    )
    assert unit_states(replace(bundle, states=states)) == {"h_0": 16, "conv_0": 48}


def test_concordance_counts_pairs_and_ties_as_half() -> None:
    rng = np.random.default_rng(3)
    values, holds = rng.integers(0, 5, 60).astype(float), rng.random(60) < 0.3
    pairs = [
        1.0 if a > b else 0.5 if a == b else 0.0 for a, b in product(values[holds], values[~holds])
    ]
    assert concordance(values, holds) == pytest.approx(np.mean(pairs))
    assert concordance(holds.astype(float), holds) == 1
    assert concordance(-holds.astype(float), holds) == 0


def test_rows_are_read_side_by_side_as_each_alone(tmp_path: Path) -> None:
    model = load_bundle(write_tiny(tmp_path / "tiny"))
    rows = [model.vocabulary.encode(text) for text in ("ana", "", "b", "carmen", "xul")]
    ticks = 0
    for tick in read(model.step, rows):
        assert len(tick.rows) == sum(len(row) > tick.place for row in rows)
        for at, row in enumerate(tick.rows):
            state = model.step.initial_state()
            for token in (0, *rows[row][: tick.place + 1]):
                logits, state = model.step.step(np.array([token]), state)
            assert tick.logits[at] == pytest.approx(logits[0], abs=1e-5)
            after = units_after(tick.state, ["h_0", "c_0"])[at]
            assert after == pytest.approx(units_after(state, ["h_0", "c_0"])[0], abs=1e-5)
            ticks += 1
    assert ticks == sum(len(row) + 1 for row in rows)


def held(text: str, name: str, endless: bool) -> str:
    """The characters of the text where a property holds, the others as dots."""
    marks = properties(text, endless)[name]
    return "".join(c if mark else "." for c, mark in zip(text, marks, strict=True))


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("vowel", "El Ñandú", "E...a..ú"),
        ("vowel.next", "El Ñandú", "...Ñ..d."),
        ("space", "a b c", ". . ."),
        ("space.next", "a b c", "a.b.."),
        ("capital", "El Ñandú", "E..Ñ...."),
        ("mark", "¡Ay, Ana-Luz!", "¡..,....-...!"),
        ("word.start", "la L'Hay-a", "l..L.H...a"),
        ("word.far", "catorce mil", "....rce...."),
        ("word.end", "la catorce", ".a.......e"),
        ("line.start", "ab\nabcdefg\n\nh", "ab.abcde....h"),
        ("line.far", "x" * 32 + "\nabc", "." * 30 + "xx...."),
        ("line.end", "ab\nc", ".b.."),
        ("break", "ab\nc", "..\n."),
        ("quote", 'a "bc" d', "...bc..."),
        ("quote", "a “bc” d «e»", "...bc.....e."),
        ("quote", 'a "b\n\nc', "...b\n.."),
        ("speaker", "Hamlet:\nI say:\nno: a", "Hamlet:.I say:......"),
        ("speaker", "x" * 31 + ":\nab", "." * 35),
    ],
)
def test_properties_hold_where_they_should(name: str, text: str, expected: str) -> None:
    assert held(text, name, endless=True) == expected


def test_a_names_last_letter_is_the_end_of_its_line() -> None:
    assert held("San Juan", "line.end", endless=False) == ".......n"
    assert held("Ana María", "line.start", endless=False) == "Ana M...."
    assert not {"quote", "speaker", "break", "line.far"} & set(properties("Ana", endless=False))
