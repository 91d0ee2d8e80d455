"""Every setting, defined once: its type, its default, and the sentence `--help` shows."""

import math
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args, get_origin

from charmodels.runtime.errors import SettingError

Arch = Literal[
    "rnn",
    "gru",
    "gru_reset_before",
    "lstm",
    "mingru",
    "minlstm",
    "rglru",
    "resgru",
    "gated_deltanet",
    "transformer",
]
Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "float32", "bfloat16"]
Engine = Literal["torch", "numpy"]
NgramChoice = Literal["auto", "none"]

MAX_CACHE = 4096
"""Characters that a cache looks back on at most: a step takes time for each."""

DEFAULT_SECONDS = 90.0
"""The budget when none is given, CPU seconds."""


def _require_types(config: "ModelConfig | TrainConfig") -> None:
    """Settings also come from files: each must be of its field's type, a whole number for a float.

    Raises:
        SettingError: naming the setting and what was expected.
    """
    for field in fields(config):
        value, expected = getattr(config, field.name), field.type
        choices: tuple[Any, ...] = get_args(expected) or (expected,)
        if get_origin(expected) is Literal:
            is_right, names = value in choices, choices
        else:
            is_right = type(value) in choices or (type(value) is int and float in choices)
            names = tuple(kind.__name__ for kind in choices)
        flag = field.name.replace("_", "-")
        _require(is_right, f"{flag} is {value!r:.60}; expected {' or '.join(names)}")


def _require(fact: bool, message: str) -> None:
    if not fact:
        raise SettingError(message)


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The shape of a model."""

    arch: Arch = "lstm"
    """Which recurrence."""
    embedding_size: int = 64
    """Numbers that stand for one character, learned; 0 feeds it one-hot: a one among zeros."""
    hidden_size: int = 160
    """Numbers each layer remembers."""
    layers: int = 1
    """Recurrences on top of each other."""
    dropout: float = 0.2
    """Share of numbers hidden at random while training: of the embedding and of every layer."""
    tied: bool = False
    """Use the embedding as the head's weights too; needs embedding-size = hidden-size."""
    block: bool = False
    """Make each layer a residual block: norm, convolution over 4 characters, recurrence with an
    output gate, then norm and gated MLP; needs embedding-size = hidden-size."""

    def __post_init__(self) -> None:
        _require_types(self)
        for name, least in (("embedding_size", 0), ("hidden_size", 1), ("layers", 1)):
            value = getattr(self, name)
            flag = name.replace("_", "-")
            _require(least <= value <= 16_384, f"{flag} is {value}; expected {least} to 16,384")
        _require(0 <= self.dropout < 1, f"dropout is {self.dropout}; expected 0 up to 1")
        for is_set, what in ((self.tied, "tied weights"), (self.block, "blocks")):
            _require(
                not is_set or self.embedding_size == self.hidden_size,
                f"{what} need embedding-size ({self.embedding_size}) = "
                f"hidden-size ({self.hidden_size})",
            )


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a model is trained."""

    max_seconds: float | None = None
    """Budget in CPU seconds of one process with one thread, reading and validation included;
    90 when no budget is given. Turned once into steps."""
    max_steps: int | None = None
    """Budget in steps instead of seconds."""
    max_epochs: float | None = None
    """Stop at this many passes over the training part even if the budget allows more."""
    batch_size: int = 64
    """Records (names) or streams (text) read side by side."""
    window: int = 64
    """Characters of each text stream read between two updates; names are always read whole, but
    with engine numpy as one stream."""
    learning_rate: float = 4e-3
    """Peak step size of AdamW; with engine numpy the constant one of Adagrad."""
    warmup: float = 0.02
    """Share of the steps over which the learning rate rises to its peak, then cosine to zero."""
    weight_decay: float = 0.1
    """AdamW's pull of the matrices towards zero. Less lets them grow until memory is chaotic: then
    rounding errors grow too, and no two engines agree after a hundred characters."""
    beta2: float = 0.99
    """AdamW's memory of squared gradients."""
    clip: float = 1.0
    """Gradients longer than this are shortened to it; with engine numpy each number is cut."""
    reset: float = 0.01
    """Chance that a text stream forgets at the start of a window, so that the model also learns
    to begin."""
    weight_dropout: float = 0.0
    """Share of the recurrent matrices' numbers hidden at random in each step, against learning a
    short list by heart. Only rnn, gru and lstm have such matrices."""
    weight_power: float = 0.0
    """How much a count matters: a name is drawn with chance count ** power; 0 draws every
    distinct name once an epoch, 1 follows the counts."""
    validations: int = 25
    """How often the validation part is read during a run."""
    patience: int = 6
    """Stop after this many validations without a better one."""
    read_all: float = 0.0
    """Share of the steps, the last ones, that also learn from the validation part: by then all that
    it chooses is chosen. A run that is past its best by then, no better for half its patience, goes
    on without."""
    seed: int = 0
    """Of weights, order and dropout."""
    device: Device = "auto"
    """Where to train; auto takes a GPU if there is one."""
    engine: Engine = "torch"
    """What computes the gradients: torch, or this package's own backpropagation in numpy, for
    reading (rnn or lstm, one layer, one-hot, one stream, Adagrad)."""
    precision: Precision = "auto"
    """Of the matrix products; auto takes bfloat16 where a quick measurement finds it quicker.
    Weights, validation and export are float32 always."""
    ngram: NgramChoice = "none"
    """auto also counts an n-gram and weighs it with the network: better where there is little to
    learn from. It knows parts of the list by heart: none for a list that is private. It counts
    every name once, whatever weight-power says, and at most 5 million characters."""
    ngram_bytes: int = 4_000_000
    """Of the n-gram's tables at most; pruned until they fit."""
    cache: int = 0
    """Characters of its own text that a model with an n-gram looks back on, for texts; 0 for none:
    a text repeats itself, its names first of all."""
    threads: int = 1
    """CPU threads of torch. One is safe: two on a busy two-core machine ran 40 times slower."""

    def __post_init__(self) -> None:
        _require_types(self)
        _require(
            self.max_seconds is None or self.max_steps is None,
            "max-seconds and max-steps are both given; expected one budget",
        )
        for name in ("max_seconds", "max_steps", "max_epochs"):
            value = getattr(self, name)
            flag = name.replace("_", "-")
            is_number = value is None or (value > 0 and math.isfinite(value))
            _require(is_number, f"{flag} is {value}; expected more than 0")
        for name in (
            "batch_size",
            "window",
            "validations",
            "patience",
            "threads",
            "ngram_bytes",
        ):
            value = getattr(self, name)
            _require(value >= 1, f"{name.replace('_', '-')} is {value}; expected 1 or more")
        _require(
            self.cache == 0 or 2 <= self.cache <= MAX_CACHE,
            f"cache is {self.cache}; expected 0, or 2 to {MAX_CACHE}",
        )
        for name in ("learning_rate", "clip"):
            value = getattr(self, name)
            is_number = value > 0 and math.isfinite(value)
            _require(is_number, f"{name.replace('_', '-')} is {value}; expected more than 0")
        _require(0 <= self.seed < 2**53, f"seed is {self.seed}; expected 0 to 2^53 - 1")
        _require(0 <= self.reset < 1, f"reset is {self.reset}; expected 0 up to 1")
        _require(0 <= self.warmup <= 1, f"warmup is {self.warmup}; expected 0 to 1")
        _require(0 <= self.beta2 < 1, f"beta2 is {self.beta2}; expected 0 up to 1")
        hidden = self.weight_dropout
        _require(0 <= hidden < 1, f"weight-dropout is {hidden}; expected 0 up to 1")
        _require(0 <= self.read_all < 1, f"read-all is {self.read_all}; expected 0 up to 1")
        _require(
            not (self.read_all and self.weight_power),
            f"read-all is {self.read_all}; with weight-power it can only be 0",
        )
        _require(self.weight_decay >= 0, f"weight-decay is {self.weight_decay}; expected 0 or more")
        _require(
            0 <= self.weight_power <= 1, f"weight-power is {self.weight_power}; expected 0 to 1"
        )
