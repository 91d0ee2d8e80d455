"""The bundles that ship: small, sound, repeatable, honest about themselves, and not copies."""

import math
from pathlib import Path

import numpy as np
import pytest

from charmodels.corpus.reading import lowercased, read_corpus
from charmodels.corpus.registry import DATASETS, find_dataset
from charmodels.corpus.splitting import Split, split_corpus
from charmodels.evaluation.measure import measure
from charmodels.recipes import RECIPES, Recipe
from charmodels.runtime import load_bundle
from charmodels.runtime.bundle import Kind, read_bundle
from export.check import check_bundle
from tests import readme
from tests.datasets import bench_file

BUNDLES = sorted(path.name for path in readme.BUNDLES.iterdir() if path.is_dir())
MB = 1_000_000


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def split_of(recipe: Recipe, kind: Kind) -> Split:
    """The split of a recipe's dataset, which may be a benchmark file."""
    name = str(recipe.dataset)
    path = find_dataset(name) if DATASETS[name].ships else bench_file(DATASETS[name].file)
    corpus = read_corpus(path, kind)
    return split_corpus(lowercased(corpus) if recipe.lowercase else corpus)


def test_what_ships_is_what_the_readme_lists() -> None:
    assert sorted(readme.TITLES) == BUNDLES


def test_the_page_knows_what_ships() -> None:
    """After new bundles: python -m tests.readme."""
    listed = (readme.BUNDLES / "sha256.txt").read_text(encoding="utf-8")
    assert listed == readme.shipped_hashes()


def test_together_they_are_small() -> None:
    sizes = {name: folder_bytes(readme.BUNDLES / name) for name in BUNDLES}
    assert max(sizes.values()) <= 3 * MB, sizes
    assert sum(sizes.values()) <= 16 * MB, sizes


@pytest.mark.parametrize("name", BUNDLES)
def test_a_bundle_is_sound(name: str) -> None:
    check_bundle(readme.BUNDLES / name)


@pytest.mark.parametrize("name", BUNDLES)
def test_a_bundle_comes_from_its_recipe(name: str) -> None:
    bundle, recipe = read_bundle(readme.BUNDLES / name), RECIPES[name]
    dataset = DATASETS[str(recipe.dataset)]
    assert bundle.provenance["recipe"] == name
    assert bundle.provenance["dataset"] == recipe.dataset
    assert bundle.provenance["dataset_sha256"] == dataset.sha256
    assert bundle.provenance["seed"] == recipe.training.seed
    sizes = {field: getattr(recipe.model, field) for field in ("arch", "hidden_size", "layers")}
    assert sizes.items() <= bundle.provenance["model"].items()


TEXTS = ("biblia", "shakespeare")
"""Read twice and written at five balances: half a minute each."""


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in TEXTS else n for n in BUNDLES]
)
def test_its_figures_can_be_repeated(name: str) -> None:
    """Everything `evaluate` measures, measured again from the bundle alone."""
    model = load_bundle(readme.BUNDLES / name)
    split = split_of(RECIPES[name], model.bundle.kind)
    metrics = model.bundle.metrics
    assert split.hash == model.bundle.provenance["split"]["hash"]
    again = measure(model, split)
    assert again["nats_per_char"] == pytest.approx(metrics["nats_per_char"], abs=1e-4)
    assert metrics["bits_per_char"] == pytest.approx(metrics["nats_per_char"] / math.log(2), 1e-4)
    if model.endless:
        assert again["verbatim_share"] <= 1.5 * max(again["verbatim_share_held_out"], 0.001)
        return
    assert again["divergence"] == pytest.approx(metrics["divergence"], abs=1e-3)
    assert max(again["divergence_ratio"]) <= 1.5, "far from the list's own spread"
    assert again["ended_share"] > 0.999
    own, theirs = again["edit_distance_median"], again["edit_distance_median_held_out"]
    assert own >= 0.9 * theirs, "its names lie closer to the training names than unseen names do"


def test_the_dinosaurs_cannot_be_read_back() -> None:
    """Their list does not ship: the files hold nothing of it, and the model hardly knows it."""
    folder = readme.BUNDLES / "dinosaurs"
    model = load_bundle(folder)
    split = split_of(RECIPES["dinosaurs"], "names")
    train = np.array([model.score(name).sum() for name in split.train])
    unseen = np.array([model.score(name).sum() for name in (*split.test, *split.validation)])
    assert readme.recognised(train, unseen) <= 0.65
    assert not model.has_ngram, "an n-gram's tables spell out their list"
    for path in folder.iterdir():
        data = path.read_bytes()
        assert not any(name.encode() in data for name in split.train)


@pytest.mark.parametrize("page", readme.NOTEBOOKS, ids=lambda page: page.stem)
def test_a_notebooks_page_tells_what_was_measured(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    expected = readme.notebook_figures(page.stem)
    assert readme.block(text, "figures") == expected, "run: python -m tests.readme"
    assert expected.count("\n") >= 5


@pytest.mark.parametrize(
    "name", ["samples", "models", "balance", "equal", "notebooks", "benchmarks"]
)
def test_the_readme_tells_what_the_files_say(name: str) -> None:
    text = readme.README.read_text(encoding="utf-8")
    assert readme.block(text, name) == readme.blocks()[name], "run: python -m tests.readme"
