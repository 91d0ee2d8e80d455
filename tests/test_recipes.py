"""The settings a user gets who asks for none: by kind, size and budget."""

import numpy as np
import pytest

from charmodels.corpus.reading import Corpus
from charmodels.recipes import (
    LIST,
    LONG_LIST,
    RECIPES,
    SHORT_LIST,
    SHORT_TEXT,
    SHORT_TEXT_RUN,
    TEXT,
    TEXT_RUN,
    Recipe,
    default_recipe,
)
from charmodels.runtime.bundle import Kind


def corpus(kind: Kind, records: tuple[str, ...]) -> Corpus:
    return Corpus(
        name="c",
        source="c.txt",
        kind=kind,
        records=records,
        weights=np.ones(len(records)),
        sha256="",
        notes=(),
    )


@pytest.mark.parametrize(
    ("size", "seconds", "expected"),
    [
        (600_000, None, SHORT_TEXT),
        (600_001, None, TEXT),
        (600_000, 239.0, SHORT_TEXT),
        (600_001, 149.0, TEXT),
        (600_001, 150.0, TEXT_RUN),
        (100, 900.0, SHORT_TEXT_RUN),
    ],
)
def test_a_text_is_judged_by_its_length_and_the_budget(
    size: int, seconds: float | None, expected: Recipe
) -> None:
    assert default_recipe(corpus("text", ("a" * size,)), seconds) is expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [(4_000, SHORT_LIST), (4_001, LIST), (20_000, LIST), (20_001, LONG_LIST)],
)
def test_a_list_is_judged_by_its_length(count: int, expected: Recipe) -> None:
    names = tuple(str(number) for number in range(count))
    assert default_recipe(corpus("names", names), 60.0) is expected


def test_defaults_count_an_ngram_and_the_notebooks_recipes_do_not() -> None:
    defaults = (SHORT_LIST, LIST, LONG_LIST, TEXT, SHORT_TEXT, TEXT_RUN, SHORT_TEXT_RUN)
    assert {recipe.training.ngram for recipe in defaults} == {"auto"}
    without = {name for name, recipe in RECIPES.items() if recipe.training.ngram == "none"}
    others = {"dinosaurs", "es_nombres", "argentina-counts"}
    assert without == others | {*(name for name in RECIPES if name.startswith("seed-"))}
