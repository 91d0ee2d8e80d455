"""The static page's engine is held to Python: same random numbers, same choices, same text.

Vectors are written here and answered by the very modules that the page loads, under Node.
"""

import shutil
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charmodels.runtime import ConstraintError, Model, load_bundle
from charmodels.runtime.sampling import MAX_SEED, Sampling, pick_one, uniforms
from demo.shelf import INTRODUCTIONS, SHIPPED
from export.parity import TOLERANCE
from tests.hostile import HOSTILE, PYTHONS
from tests.staging import ask, staged
from tests.tiny import write_tiny

BUNDLES = list(INTRODUCTIONS)
SEEDS = (0, 7, 123_456, MAX_SEED)
STEPS = 64


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return staged(tmp_path_factory.getbasetemp()).folder


def test_the_random_numbers_are_the_same(space: Path) -> None:
    rows, count = [0, 1, 19, 2**40], 50
    requests = [{"ask": "uniforms", "seed": s, "rows": rows, "count": count} for s in SEEDS]
    for seed, answer in zip(SEEDS, ask(space, requests), strict=True):
        assert answer == uniforms(seed, np.array(rows), 0, count).tolist()


SAMPLINGS = [
    Sampling(),
    Sampling(temperature=0.0),
    Sampling(temperature=0.7),
    Sampling(temperature=2.0, top_k=5),
    Sampling(top_p=0.8),
    Sampling(temperature=1.3, min_p=0.1),
    Sampling(temperature=0.9, top_k=12, top_p=0.9, min_p=0.02),
]


def test_the_choices_are_the_same(space: Path) -> None:
    """At every setting, with ties and with an end that may not be drawn."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (400, 40)).astype(np.float32)
    logits[::5] = np.round(logits[::5])  # ties
    drawn = random.random(len(logits)).tolist()
    cases = [(sampling, may_end) for sampling in SAMPLINGS for may_end in (True, False)]
    requests = [
        {
            "ask": "picks",
            "logits": logits.tolist(),
            "drawn": drawn,
            "sampling": asdict(s),
            "mayEnd": e,
        }
        for s, e in cases
    ]
    for (sampling, may_end), answer in zip(cases, ask(space, requests), strict=True):
        expected = [
            pick_one(row[None], one, sampling, may_end)
            for row, one in zip(logits, drawn, strict=True)
        ]
        assert answer == expected, (sampling, may_end)


def writings(model: Model) -> list[dict[str, Any]]:
    """Beginnings, seeds and settings to write with, as the page asks for them."""
    length = 120 if model.endless else 40
    prefix = next(i.beginnings[0] for n, i in INTRODUCTIONS.items() if n == model_name(model))
    balances = (-1.0, -0.3, 0.5, 1.0) if model.has_ngram else (0.0,)
    settings = [
        *({"temperature": 0.8, "seed": seed} for seed in SEEDS),
        {"temperature": 0.0, "seed": 1},
        *({"temperature": 0.9, "seed": 5, "balance": balance} for balance in balances),
    ]
    return [
        {"prefix": start, "settings": {**each, "count": 10, "maxChars": length}}
        for each in settings
        for start in ("", prefix)
    ]


def model_name(model: Model) -> str:
    return str(model.bundle.provenance["recipe"])


def spoken(model: Model, prefix: str, settings: dict[str, Any]) -> list[str]:
    return model.generate(
        1 if model.endless else settings["count"],
        prefix=prefix,
        max_chars=settings["maxChars"],
        seed=settings["seed"],
        temperature=settings["temperature"],
        balance=settings.get("balance", 0.0),
    )


@pytest.fixture(scope="module")
def vectors(space: Path) -> dict[str, tuple[dict[str, Any], Any]]:
    """Of every shipped bundle: what was asked of the page's modules, and what they answered."""
    asked = {}
    for name in BUNDLES:
        model = load_bundle(SHIPPED / name, trusted=True)
        assert model.bundle.golden is not None
        tokens = list(model.bundle.golden.tokens)
        text = model.vocabulary.decode(tokens)[:20]
        vector = {"name": name, "tokens": tokens, "score": text}
        asked[name] = {"ask": "bundle", **vector, "writings": writings(model)}
    return dict(
        zip(asked, zip(asked.values(), ask(space, [*asked.values()]), strict=True), strict=True)
    )


@pytest.mark.parametrize("name", BUNDLES)
def test_a_shipped_bundle_says_the_same(
    name: str, vectors: dict[str, tuple[dict[str, Any], Any]]
) -> None:
    model, (asked, answer) = load_bundle(SHIPPED / name, trusted=True), vectors[name]
    state, worst = model.step.initial_state(), 0.0
    for token, found in zip(asked["tokens"], answer["logits"], strict=True):
        logits, state = model.step.step(np.array([token]), state)
        expected = logits[0]
        worst = max(
            worst, float((np.abs(expected - found) / np.maximum(1, np.abs(expected))).max())
        )
    assert worst <= TOLERANCE, f"{name}: logits differ by {worst:.1e}"
    for each, texts in zip(asked["writings"], answer["texts"], strict=True):
        assert texts == spoken(model, each["prefix"], each["settings"]), each
    text = asked["score"]
    assert answer["paid"] == pytest.approx(model.score(text).tolist(), abs=1e-4)
    for found in (answer["likely"], answer["after"]):
        known = {p.character: p.probability for p in model.predict(text, len(found))}
        likely = dict(zip(model.vocabulary.symbols, found, strict=True))
        assert likely == pytest.approx({s: known.get(s, 0.0) for s in likely}, abs=1e-5)


NAMERS = [name for name in BUNDLES if name not in ("biblia", "shakespeare")]

ASKED: list[dict[str, Any]] = [
    {"pattern": ".*a"},
    {"pattern": "[^ ]{4,9}", "novel": True},
    {"ends": "o", "length": (5, 12)},
    {"contains": "an", "starts": "m"},
    {"pattern": "(a|b|c|d|m|s).*(a|e)[a-z]?", "contains": "l", "length": (4, 20)},
    {"novel": True},
    {"starts": "al", "novel": True},
    {"length": (3, 5)},
    {"pattern": r"\w+"},
    {"pattern": "(a|b)*a[ab]{3}"},
    {"pattern": "(an|el){1,3}(a|o)?"},
    {"pattern": ".{30,40}"},
]
"""Constraints that some models can meet and others cannot."""

REFUSED = ("(", "[b-a]", "a{3,2}", "a**", "(?=a)b", "[a", "\\1", "a^b", "", "€€", "(.{0,50}x){50}")


def constraint(**asked: Any) -> dict[str, Any]:
    nothing = {"starts": "", "ends": "", "contains": "", "pattern": "", "length": None}
    return {**nothing, "novel": False, **asked}


QUICK = "dinosaurs"
"""The others' wishes take half a minute each where machines are busy."""


def wishes() -> list[dict[str, Any]]:
    """Every constraint at the page's temperature, patterns also at others."""
    return [
        {
            "constraint": constraint(**asked),
            "settings": {"temperature": warmth, "seed": 7, "count": 10, "maxChars": 30},
            "first": 0,
        }
        for asked in ASKED
        for warmth in ((0.8, 0.0, 1.2) if "pattern" in asked else (0.8,))
    ]


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n == QUICK else pytest.mark.slow) for n in NAMERS]
)
def test_names_to_a_wish_are_the_same(name: str, space: Path) -> None:
    """Guided, chosen among candidates and judged beside the list as Python does it."""
    model, met, asked = load_bundle(SHIPPED / name, trusted=True), 0, wishes()
    (answers,) = ask(space, [{"ask": "wishes", "name": name, "wishes": asked}])
    for wish, answer in zip(asked, answers, strict=True):
        expected: list[str] | None = []
        warmth = wish["settings"]["temperature"]
        try:
            for each in model.generate_each(
                10, max_chars=30, seed=7, temperature=warmth, **wish["constraint"]
            ):
                expected.append(each)
        except ConstraintError as error:
            if "none of" not in str(error):
                expected = None
        assert answer.get("names") == expected, wish
        if expected:
            met += 1
            assert answer["standings"] == [model.standing(each) for each in expected]
    assert met >= 8


def test_what_is_no_pattern_or_asks_too_much_is_refused(space: Path) -> None:
    wishes = [
        {"constraint": constraint(pattern=p or "a" * 101), "settings": {}, "first": 0}
        for p in REFUSED
    ]
    (answers,) = ask(space, [{"ask": "wishes", "name": "dinosaurs", "wishes": wishes}])
    assert [answer.get("refused", "") for answer in answers] == [
        *["refusal.pattern"] * 5,
        "refusal.pattern",
        "refusal.pattern",
        "refusal.pattern",
        "refusal.long",
        "refusal.impossible",
        "refusal.costly",
    ]


ELSEWHERE = ("facts of 50 MB in a graph", "endless products")
"""A lone graph is no archive; what never ends is ended in the browser (test_static_page.py)."""

ARCHIVED = {name: make for name, make in HOSTILE.items() if name not in {*ELSEWHERE, *PYTHONS}}


def archived(path: Path) -> Path:
    """A zip of a bundle's folder; a path to an archive is one already."""
    if path.is_file():
        return path
    packed = path.with_suffix(".zip")
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(path.iterdir()):
            archive.write(file, f"mine/{file.name}")
    return packed


def test_a_bundle_of_ones_own_is_opened_after_the_checks(
    space: Path, names_bundle: Path, names_model: Model
) -> None:
    packed = archived(names_bundle)
    shipped = archived(shutil.copytree(SHIPPED / "municipios", names_bundle.parent / "copied"))
    tiny, copied = ask(space, [{"ask": "own", "path": str(p)} for p in (packed, shipped)])
    assert tiny["opened"] == "".join(names_model.stream(temperature=0.0, max_chars=20))
    municipios = load_bundle(SHIPPED / "municipios", trusted=True)
    assert copied["opened"] == "".join(municipios.stream(temperature=0.0, max_chars=20))


def test_hostile_bundles_are_refused(space: Path, tmp_path: Path) -> None:
    paths = [archived(make(tmp_path / str(i))) for i, make in enumerate(ARCHIVED.values())]
    spoilt = tmp_path / "spoilt.zip"
    spoilt.write_bytes(paths[0].read_bytes()[:-40])
    changed = write_tiny(tmp_path / "changed", "names")
    graph = changed / "step.onnx"
    graph.write_bytes(graph.read_bytes().replace(b"recurrent", b"recurrenT"))
    asked = [*paths, spoilt, archived(changed)]
    answers = ask(space, [{"ask": "own", "path": str(path)} for path in asked])
    for name, answer in zip([*ARCHIVED, "cut short", "changed"], answers, strict=True):
        assert "refused" in answer, f"{name} was opened"
        assert answer["refused"].startswith("bundle."), f"{name}: {answer}"
    kinds = dict(zip([*ARCHIVED, "cut short", "changed"], answers, strict=True))
    assert kinds["endless Loop"]["refused"] == "bundle.operator"
    assert kinds["nan weights"]["values"]["what"].startswith("nan")
    assert kinds["a half-precision nan"]["values"]["what"].startswith("nan")
    assert kinds["integers by -1"]["values"]["what"] == "Div"
    for name in ("two graphs, a Loop in the first", "two tensors in one attribute"):
        assert kinds[name]["values"]["what"] == "protobuf", name
    assert kinds["a number for a text"]["values"]["what"] == "protobuf"
    assert kinds["swapped states"]["refused"] == "bundle.golden"
    assert kinds["external data"]["values"]["what"].startswith("tensor")
    assert kinds["changed"]["refused"] == "bundle.changed"
    for name in ("zip: a path out of it", "zip: a link", "zip: a bomb", "zip: two bundles"):
        assert kinds[name]["refused"] == "bundle.zip"
