"""Named, complete settings: dataset, model and training, each repeatable by one command."""

from dataclasses import dataclass, replace

from charmodels.config import ModelConfig, TrainConfig
from charmodels.corpus.reading import Corpus


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What `python -m charmodels train --recipe NAME` does."""

    purpose: str
    dataset: str | None
    """A name of the registry; None for the defaults of a user's own corpus."""
    model: ModelConfig
    training: TrainConfig


SMALL_LIST = Recipe(
    purpose="the default for a list of up to 10,000 names",
    dataset=None,
    model=ModelConfig(hidden_size=160, dropout=0.3),
    training=TrainConfig(),
)
LARGE_LIST = Recipe(
    purpose="the default for a longer list",
    dataset=None,
    model=ModelConfig(hidden_size=176, dropout=0.2),
    training=TrainConfig(),
)
TEXT = Recipe(
    purpose="the default for a text",
    dataset=None,
    model=ModelConfig(hidden_size=256, dropout=0.2),
    training=TrainConfig(batch_size=32),
)
RECIPES: dict[str, Recipe] = {}


def default_recipe(corpus: Corpus) -> Recipe:
    """Settings that suit a user's own corpus, by its kind and size."""
    if corpus.kind == "text":
        return TEXT
    return SMALL_LIST if len(corpus.records) <= 10_000 else LARGE_LIST


def fine_tuning(training: TrainConfig) -> TrainConfig:
    """The same training for a model that can already write: gentler and shorter."""
    return replace(training, learning_rate=training.learning_rate / 4, max_epochs=40.0)
