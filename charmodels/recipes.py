"""Named, complete settings: dataset, model and training, each repeatable by one command.

The learning rates are high and the budgets short on purpose: on one core, within minutes, a model
is better off taking large steps for a few passes than small ones for the same seconds. Every
default counts an n-gram beside the network; seeds are the notebooks' own and do not.
"""

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
    lowercase: bool = False
    """Whether the dataset is made lower-case first."""


SHORT_LIST = Recipe(
    purpose="the default for a list of up to 4,000 names: dropout of memory too, many passes",
    dataset=None,
    model=ModelConfig(hidden_size=160, dropout=0.4),
    training=TrainConfig(
        learning_rate=1.6e-2, max_epochs=100, weight_dropout=0.3, ngram="auto", read_all=0.3
    ),
)
LIST = Recipe(
    purpose="the default for a list of up to 20,000 names: dropout against learning by heart",
    dataset=None,
    model=ModelConfig(hidden_size=176, dropout=0.4),
    training=TrainConfig(learning_rate=1.2e-2, max_epochs=40, ngram="auto"),
)
LONG_LIST = Recipe(
    purpose="the default for a longer list: less dropout, for there is more to learn than to keep",
    dataset=None,
    model=ModelConfig(hidden_size=176, dropout=0.25),
    training=TrainConfig(learning_rate=8e-3, ngram="auto"),
)
TEXT = Recipe(
    purpose="the default for a text: a residual minimal GRU, little dropout, for passes are few",
    dataset=None,
    model=ModelConfig(arch="resgru", hidden_size=176, dropout=0.05),
    training=TrainConfig(
        learning_rate=8e-3, batch_size=32, validations=8, ngram="auto", cache=1024
    ),
)
SHORT_TEXT = replace(
    TEXT,
    purpose="the default for a text of up to 600,000 characters: more dropout for more passes",
    model=replace(TEXT.model, dropout=0.2),
)
TEXT_RUN = Recipe(
    purpose="the default for a text and some minutes: an LSTM, by then level, and quicker to step",
    dataset=None,
    model=ModelConfig(hidden_size=256, dropout=0.1),
    training=TrainConfig(
        learning_rate=2.4e-2, batch_size=32, validations=10, ngram="auto", cache=1024
    ),
)
SHORT_TEXT_RUN = replace(
    TEXT_RUN,
    purpose="the default for a text of up to 600,000 characters and some minutes: more dropout",
    model=ModelConfig(hidden_size=240, dropout=0.2),
    training=replace(TEXT_RUN.training, validations=25),
)
BY_HAND = Recipe(
    purpose="the default of --engine numpy: notebook 003's settings",
    dataset=None,
    model=ModelConfig(arch="rnn", embedding_size=0, hidden_size=100, dropout=0.0),
    training=TrainConfig(
        engine="numpy",
        learning_rate=0.1,
        clip=5.0,
        window=25,
        batch_size=1,
        reset=0.0,
        weight_decay=0.0,
        warmup=0.0,
        beta2=0.0,
        max_steps=100_000,
        patience=25,
    ),
)


ELMAN = ModelConfig(arch="rnn", embedding_size=0, hidden_size=25, dropout=0.0)
"""What notebooks 000 and 004 build: one-hot, SimpleRNN 25, dense."""


SHIPPED_BYTES, SHIPPED_TEXT_BYTES = 1_300_000, 1_000_000
"""Of an n-gram that ships with the page; a text's network is larger."""


def _shipped(
    dataset: str, of: Recipe, seconds: float, purpose: str, ngram_bytes: int = SHIPPED_BYTES
) -> Recipe:
    """A default recipe, bound to a dataset and given more time, its n-gram small enough to ship."""
    training = replace(of.training, max_seconds=seconds, ngram_bytes=ngram_bytes)
    return Recipe(purpose=purpose, dataset=dataset, model=of.model, training=training)


RECIPES: dict[str, Recipe] = {
    "municipios": _shipped("mx_municipios", SHORT_LIST, 120, "ships: Mexican municipalities"),
    # Its n-gram gains 0.03 nats on validation, and copies 45 names of 100 instead of 36.
    "es_nombres": Recipe(
        purpose="ships: Spanish first names",
        dataset="es_nombres_frecuencia",
        model=replace(LONG_LIST.model, dropout=0.1),
        training=replace(LONG_LIST.training, max_seconds=240, ngram="none"),
    ),
    "es_municipios": _shipped("es_municipios", LIST, 180, "ships: Spanish towns"),
    # Small and stopped early: its list does not ship, so it must not be known by heart.
    "dinosaurs": Recipe(
        purpose="ships: dinosaurs",
        dataset="dinos",
        lowercase=True,
        model=ModelConfig(arch="gru", hidden_size=96, dropout=0.4),
        training=TrainConfig(
            learning_rate=1.2e-2, weight_dropout=0.3, max_epochs=60, max_seconds=60
        ),
    ),
    "us_names": _shipped("us_baby_names_10k", LIST, 120, "ships: US baby names"),
    "shakespeare": _shipped(
        "shakespeare_tragedies", SHORT_TEXT_RUN, 300, "ships: Shakespeare", SHIPPED_TEXT_BYTES
    ),
    "biblia": _shipped(
        "biblia_rv1909_evangelios", SHORT_TEXT_RUN, 300, "ships: Spanish prose", SHIPPED_TEXT_BYTES
    ),
    "seed-argentina": Recipe(
        purpose="notebook 000: one-hot, RNN 25, dense, trained on sequences",
        dataset="ar_nombres_193k",
        model=ELMAN,
        training=TrainConfig(learning_rate=1e-2, weight_decay=0.0, max_seconds=60),
    ),
    "seed-argentina-counts": Recipe(
        purpose="notebook 000 on its own table: the same, a name drawn by its count ** 1/4",
        dataset="ar_historico_nombres_76803",
        lowercase=True,
        model=ELMAN,
        training=TrainConfig(
            learning_rate=1e-2, weight_decay=0.0, weight_power=0.25, max_seconds=60
        ),
    ),
    "seed-dinosaurs": Recipe(
        purpose="notebook 004: one-hot, RNN 25, dense, trained on sequences",
        dataset="dinos",
        lowercase=True,
        model=ELMAN,
        training=TrainConfig(learning_rate=1e-2, weight_decay=0.0, max_seconds=30, batch_size=16),
    ),
    "seed-municipios-rnn": replace(
        BY_HAND,
        purpose="notebook 003 in numpy: RNN 100, 25 steps, Adagrad",
        dataset="mx_municipios",
    ),
    "seed-municipios-rnn-gentle": replace(
        BY_HAND,
        purpose="the same at a third of the rate, which suits an RNN better",
        dataset="mx_municipios",
        training=replace(BY_HAND.training, learning_rate=0.03),
    ),
    "seed-municipios-lstm": replace(
        BY_HAND,
        purpose="notebook 003's second half: the same with an LSTM",
        dataset="mx_municipios",
        model=replace(BY_HAND.model, arch="lstm"),
    ),
    # The notebook's windows all recur: 26 right answers here are memory of the training part.
    "seed-alphabet": Recipe(
        purpose="notebook 002: one-hot, LSTM 8, dense, windows of 5",
        dataset="alphabet",
        model=ModelConfig(embedding_size=0, hidden_size=8, dropout=0.0),
        training=TrainConfig(
            learning_rate=3e-2, window=5, batch_size=32, reset=0.1, max_steps=1_400, patience=25
        ),
    ),
    # Over three seeds, on validation: 8 fails one, 10 answers all windows, 12 with room to spare.
    "seed-alphabet-recall": Recipe(
        purpose="notebook 002 made honest: windows never trained on, memory needed",
        dataset="recall",
        model=ModelConfig(embedding_size=0, hidden_size=12, dropout=0.0),
        training=TrainConfig(learning_rate=3e-2, max_steps=4_000, patience=25),
    ),
    # An hour of one core, or the notebook's fifty epochs if they come sooner.
    "seed-prose": Recipe(
        purpose="notebook 001: Embedding 256, LSTM 1024, batch 64, length 100",
        dataset="biblia_rv1909_evangelios",
        model=ModelConfig(embedding_size=256, hidden_size=1024, dropout=0.0),
        training=TrainConfig(
            learning_rate=1e-3,
            window=100,
            max_seconds=3600,
            max_epochs=50,
            validations=50,
            patience=50,
        ),
    ),
    "argentina": _shipped(
        "ar_nombres_193k", LONG_LIST, 240, "single first names of Argentina", 4_000_000
    ),
    "argentina-counts": Recipe(
        purpose="common first names of Argentina, a name drawn by its count ** 1/4",
        dataset="ar_historico_nombres_76803",
        lowercase=True,
        model=LIST.model,
        # An n-gram would count every name once, however common.
        training=replace(LIST.training, weight_power=0.25, max_seconds=120, ngram="none"),
    ),
}
"""From name to recipe; a shipped bundle has its recipe's name."""


_SHORT_TEXT = 600_000
"""Characters of a short text at most."""

_SOME_MINUTES = {"short": 240, "long": 150}
"""CPU seconds from which a text is no worse off with an LSTM."""


def default_recipe(corpus: Corpus, seconds: float | None) -> Recipe:
    """Settings that suit a user's own corpus, by its kind and size, and the budget in seconds."""
    if corpus.kind == "text":
        if len(corpus.records[0]) <= _SHORT_TEXT:
            return SHORT_TEXT_RUN if (seconds or 0) >= _SOME_MINUTES["short"] else SHORT_TEXT
        return TEXT_RUN if (seconds or 0) >= _SOME_MINUTES["long"] else TEXT
    if len(corpus.records) <= 4_000:
        return SHORT_LIST
    return LIST if len(corpus.records) <= 20_000 else LONG_LIST


def fine_tuning(training: TrainConfig) -> TrainConfig:
    """The same training for a model that can already write: gentler and shorter."""
    return replace(training, learning_rate=training.learning_rate / 4, max_epochs=40.0)
