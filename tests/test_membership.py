"""The filter of what was learned: no record is missed, few strangers pass, nothing can be read."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charmodels.evaluation.measure import records_read
from charmodels.evaluation.novelty import measure_names
from charmodels.recipes import RECIPES
from charmodels.runtime import BundleError, load_bundle, membership
from charmodels.runtime.bundle import read_bundle
from charmodels.runtime.membership import (
    MAX_ENTRIES,
    Membership,
    count_neighbours,
    neighbours,
)
from charmodels.runtime.vocabulary import Vocabulary
from export.writer import export_run
from tests import readme
from tests.test_parity import SHAPES, write_run_folder
from tests.test_shipped import split_of

LISTS = ("municipios", "es_nombres", "es_municipios", "dinosaurs", "us_names")
ABC, SIX = Vocabulary(("", *"abc")), Vocabulary(("", *"abcdef"))


def known_of(name: str) -> tuple[Any, tuple[str, ...], tuple[str, ...]]:
    """A shipped model, what it has read, and what it has not."""
    model = load_bundle(readme.BUNDLES / name, trusted=True)
    split = split_of(RECIPES[name], "names")
    read = records_read(model, split)
    return model, read, tuple({*split.train, *split.validation, *split.test} - set(read))


# --- what it answers ---


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=60))
def test_no_record_is_missed(records: list[str]) -> None:
    assert Membership.of(records, Vocabulary.of(records)).knows(records).all()


@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_neighbours_are_all_names_one_edit_away(a: str, b: str) -> None:
    from rapidfuzz.distance import Levenshtein

    around = list(neighbours(a, "abc"))
    assert len(around) == len(set(around)) <= count_neighbours(len(a), 3)
    assert (b in around) == (Levenshtein.distance(a, b) == 1)


def test_a_name_is_known_near_or_new() -> None:
    known = Membership.of(["abba", "cab"], ABC)
    standings = {name: known.standing(name, ABC) for name in ("abba", "abb", "cabb", "bbb", "")}
    assert standings == {"abba": "known", "abb": "near", "cabb": "near", "bbb": "new", "": "new"}


def test_names_are_compared_as_they_were_read() -> None:
    vocabulary = Vocabulary.of(["José", "jose"])
    known = Membership.of(["José"], vocabulary)
    assert known.standing("Jose\u0301", vocabulary) == "known"
    assert known.standing("josé", vocabulary) == "near"
    assert known.standing("jose", vocabulary) == "new"


def test_a_name_with_too_many_neighbours_is_only_asked_itself() -> None:
    known = Membership.of(["a" * 40_000], ABC)
    assert known.standing("a" * 40_000, ABC) == "known"
    assert known.standing("a" * 39_999, ABC) == "new"


def test_a_bundle_without_a_filter_says_nothing(names_bundle: Path) -> None:
    assert load_bundle(names_bundle).standing("ana") is None


# --- the shipped lists ---


@pytest.mark.parametrize("name", LISTS)
def test_a_shipped_filter_is_that_of_its_list(name: str) -> None:
    """Made again from the dataset, to the last bit."""
    model, read, others = known_of(name)
    known = model.bundle.membership
    assert known == Membership.of(read, model.vocabulary)
    assert known.knows(read).all()
    assert not known.knows(others).any()
    assert known.false_positive_rate < 2e-6
    assert known.near_false_positive_rate < 1e-3


@pytest.mark.parametrize("name", ["municipios", "us_names"])
def test_evaluation_and_filter_agree(name: str) -> None:
    """What is new, and what is one edit away, by the list itself and by the filter."""
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cdist

    model, read, others = known_of(name)
    samples = model.generate(400, temperature=1.0, seed=0)
    standings = [model.standing(sample) for sample in samples]
    figures = measure_names(samples, 1.0, read, others)
    assert sum(s != "known" for s in standings) / len(samples) == figures.novel_share
    nearest = cdist(samples, read, scorer=Levenshtein.distance, score_cutoff=2).min(axis=1)
    expected = ["known" if d == 0 else "near" if d == 1 else "new" for d in nearest]
    assert standings == expected
    assert {"known", "near", "new"} <= set(standings)


def test_the_rates_are_those_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """With values so short that mistakes come often enough to count."""
    rng = np.random.default_rng(0)
    names = ["".join(row) for row in rng.choice([*"abcdef"], (12_000, 24))]
    monkeypatch.setattr(membership, "NEAR_ERROR", 0.5)
    known = Membership.of(names[:2_000], SIX)
    near = np.mean([known.standing(name, SIX) != "new" for name in names[2_000:4_000]])
    assert near == pytest.approx(known.near_false_positive_rate, rel=0.1)
    assert known.knows(names[2_000:]).mean() == pytest.approx(known.false_positive_rate, rel=0.5)
    assert 0.2 < known.near_false_positive_rate < 0.5


def test_another_program_can_ask_by_the_docstring_alone() -> None:
    """Read bundle.json bit by bit, without our code."""
    path = readme.BUNDLES / "dinosaurs" / "bundle.json"
    facts = json.loads(path.read_text(encoding="utf-8"))["membership"]
    low, high = (
        "".join(f"{byte:08b}" for byte in base64.b64decode(facts[part])) for part in ("low", "high")
    )
    ones = [place for place, bit in enumerate(high) if bit == "1"]
    size, values = facts["low_bits"], set()
    for i, place in enumerate(ones):
        values.add((place - i << size) + int(low[i * size : (i + 1) * size], 2))

    def knows(name: str) -> bool:
        key = bytes.fromhex(facts["key"])
        digest = hashlib.blake2s(name.encode(), key=key, digest_size=8).digest()
        return int.from_bytes(digest, "big") >> (64 - facts["bits"]) in values

    _, read, others = known_of("dinosaurs")
    assert all(map(knows, read))
    assert not any(map(knows, others))
    assert len(values) == facts["entries"] == 1220


# --- what it hides ---


def test_nothing_of_a_name_stands_in_it() -> None:
    _, read, _ = known_of("dinosaurs")
    data = (readme.BUNDLES / "dinosaurs" / "bundle.json").read_bytes()
    assert not any(name.encode() in data for name in read)


def test_the_same_list_gives_the_same_filter_and_other_lists_other_keys() -> None:
    records = ["abba", "cab", "baba"]
    known = Membership.of(records, ABC)
    assert known == Membership.of(records[::-1], ABC)
    assert known.key != Membership.of([*records, "a"], ABC).key


# --- a stranger's ---


def spoilt(change: Callable[[dict[str, Any]], object], folder: Path) -> Path:
    path = folder / "bundle.json"
    facts = json.loads(path.read_text(encoding="utf-8"))
    change(facts["membership"])
    path.write_text(json.dumps(facts), encoding="utf-8")
    return folder


@pytest.fixture
def asked(names_bundle: Path, tmp_path: Path) -> Path:
    """The tiny bundle with a filter."""
    bundle = read_bundle(names_bundle)
    known = Membership.of(["ana", "eva", "luz"], bundle.vocabulary)
    (tmp_path / "step.onnx").write_bytes((names_bundle / "step.onnx").read_bytes())
    text = replace(bundle, membership=known).to_json()
    (tmp_path / "bundle.json").write_text(text, encoding="utf-8")
    return tmp_path


def test_a_filter_goes_through_bundle_json(asked: Path) -> None:
    model = load_bundle(asked)
    assert [model.standing(name) for name in ("ana", "ane", "xyz")] == ["known", "near", "new"]
    assert replace(model.bundle, files={}) == replace(read_bundle(asked), files={})


def nothing(part: str) -> str:
    """As many bytes of zeros."""
    return base64.b64encode(bytes(len(base64.b64decode(part)))).decode()


HOSTILE: dict[str, Callable[[dict[str, Any]], object]] = {
    "another hash": lambda m: m.update(hash="md5"),
    "no key": lambda m: m.pop("key"),
    "a long key": lambda m: m.update(key="00" * 1000),
    "a key of letters": lambda m: m.update(key="zz" * 16),
    "no values": lambda m: m.update(entries=0, low="", high="AA=="),
    "too many values": lambda m: m.update(entries=MAX_ENTRIES + 1),
    "a huge number": lambda m: m.update(entries=10**30),
    "a true number": lambda m: m.update(entries=True),
    "negative bits": lambda m: m.update(bits=-1),
    "bits beyond JavaScript": lambda m: m.update(bits=54),
    "more buckets than memory": lambda m: m.update(bits=50, low_bits=1),
    "nothing low": lambda m: m.update(low_bits=0),
    "short low": lambda m: m.update(low="AA=="),
    "long high": lambda m: m.update(high=m["high"] + "AAAA"),
    "low is a list": lambda m: m.update(low=[1, 2]),
    "no base64": lambda m: m.update(low="*" * len(m["low"])),
    "no ones": lambda m: m.update(
        high=base64.b64encode(bytes(len(base64.b64decode(m["high"])))).decode()
    ),
    "look-ups without end": lambda m: m.update(near_look_ups=2**60),
    "values that repeat": lambda m: m.update(low=nothing(m["low"]), high="4A=="),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_filter_is_refused_in_one_line(asked: Path, name: str) -> None:
    with pytest.raises(BundleError) as caught:
        load_bundle(spoilt(HOSTILE[name], asked))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300 + len(str(asked))


def test_a_filter_that_is_no_object_is_refused(asked: Path) -> None:
    path = asked / "bundle.json"
    facts = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(facts | {"membership": ["ana"]}), encoding="utf-8")
    with pytest.raises(BundleError, match="membership is list"):
        load_bundle(asked)


def test_the_rates_follow_from_the_sizes_whatever_is_said(asked: Path) -> None:
    honest = load_bundle(asked).bundle.membership
    lying = load_bundle(
        spoilt(lambda m: m.update(false_positive_rate=0.0), asked)
    ).bundle.membership
    assert honest is not None
    assert lying == honest


# --- export ---


def exported(folder: Path, said: list[str], **options: Any) -> Path:
    facts = write_run_folder(folder / "run", "gru", **SHAPES["1"])
    assert facts.corpus["source"]
    return export_run(folder / "run", folder / "bundle", report=said.append, **options)


def test_export_adds_the_filter_and_says_what_it_tells(tmp_path: Path) -> None:
    said: list[str] = []
    model = load_bundle(exported(tmp_path, said))
    names = (tmp_path / "run" / "names.txt").read_text(encoding="utf-8").split("\n")
    standings = [model.standing(name) for name in filter(None, names)]
    assert standings.count("known") == 64, "the training part of eighty names, and no other"
    assert any("can test any name" in line and "--no-membership" in line for line in said)


def test_export_leaves_it_out(tmp_path: Path) -> None:
    said: list[str] = []
    bundle = read_bundle(exported(tmp_path, said, membership=False))
    assert bundle.membership is None
    assert not any("membership" in line for line in said)


def test_export_without_its_corpus_says_so_and_goes_on(tmp_path: Path) -> None:
    write_run_folder(tmp_path / "run", "gru", **SHAPES["1"])
    (tmp_path / "run" / "names.txt").unlink()
    said: list[str] = []
    bundle = read_bundle(export_run(tmp_path / "run", tmp_path / "bundle", report=said.append))
    assert bundle.membership is None
    assert any(line.startswith("no membership filter: ") for line in said)


def test_a_lone_graph_has_no_filter(tmp_path: Path) -> None:
    out = exported(tmp_path, [])
    assert load_bundle(out / "step.onnx").standing("San Ana") is None
