"""What the equal-parameter table holds: corpora, models with the flags they train by, budgets.

Every model has about as many parameters: at most makemore's Transformer's 204,544 for names, about
350,000 for text. The default is what `train` does when only a corpus is given.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Trained:
    """A model of the table: flags of `train`, and budgets in CPU seconds."""

    flags: tuple[str, ...]
    seconds: tuple[int, ...]
    goals: Mapping[int, tuple[float, float | None]] = field(default_factory=dict)
    """By the budget, nats per character to reach: with its n-gram, and the network alone."""


@dataclass(frozen=True)
class Table:
    """One corpus and its models, the default first."""

    corpus: str
    models: Mapping[str, Trained]


def _flags(arch: str, size: int, dropout: float, rate: float, *more: str) -> tuple[str, ...]:
    numbers = ("--dropout", str(dropout), "--learning-rate", str(rate))
    return ("--arch", arch, "--hidden-size", str(size), *numbers, *more)


def _blocks(arch: str, size: int, dropout: float, rate: float) -> tuple[str, ...]:
    blocks = ("--block", "--layers", "2", "--embedding-size", str(size))
    return _flags(arch, size, dropout, rate, *blocks)


NAMES = Table(
    "makemore_names",
    {
        "default": Trained((), (60, 180, 450), {60: (1.945, None), 450: (1.925, 1.945)}),
        "gru 224": Trained(_flags("gru", 224, 0.25, 8e-3), (60, 180)),
        "resgru 128": Trained(
            _flags("resgru", 128, 0.1, 8e-3, "--embedding-size", "48"), (60, 180)
        ),
        "mingru blocks 2 x 96": Trained(_blocks("mingru", 96, 0.1, 8e-3), (60, 180)),
        "minlstm blocks 2 x 92": Trained(_blocks("minlstm", 92, 0.1, 8e-3), (60,)),
        "rglru blocks 2 x 92": Trained(_blocks("rglru", 92, 0.1, 8e-3), (60,)),
        "transformer 2 x 93": Trained(_blocks("transformer", 93, 0.0, 8e-3), (60, 180, 450)),
        "gated deltanet 2 x 93": Trained(_blocks("gated_deltanet", 93, 0.0, 8e-3), (60, 180)),
    },
)
TEXT = Table(
    "tinyshakespeare",
    {
        "default": Trained((), (60, 180), {60: (1.47, None), 180: (1.43, 1.52)}),
        "lstm 256": Trained(_flags("lstm", 256, 0.1, 2.4e-2), (180,)),
        "lstm 512": Trained(
            _flags("lstm", 512, 0.4, 1.6e-2, "--weight-dropout", "0.2", "--read-all", "0.15"),
            (1800,),
            {1800: (1.40, None)},
        ),
        "gru 296": Trained(_flags("gru", 296, 0.1, 1.6e-2), (180,)),
        "mingru blocks 2 x 128": Trained(_blocks("mingru", 128, 0.05, 8e-3), (180,)),
        "transformer 2 x 120": Trained(_blocks("transformer", 120, 0.0, 1.2e-2), (180,)),
        "gated deltanet 2 x 120": Trained(_blocks("gated_deltanet", 120, 0.0, 1.6e-2), (180,)),
    },
)
