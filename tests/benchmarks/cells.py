"""What the equal-parameter table holds: corpora, models with the flags they train by, budgets."""

from collections.abc import Mapping
from dataclasses import dataclass

SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Table:
    """One corpus and its models, all of about as many parameters."""

    corpus: str
    models: Mapping[str, tuple[str, ...]]
    """From label to flags of `train`."""
    seconds: tuple[int, ...]
    """Budgets of the default, CPU seconds."""
    others: tuple[int, ...]
    """Budgets of every other model."""

    def seconds_of(self, label: str) -> tuple[int, ...]:
        """The budgets of a model; the default's label begins with it."""
        return self.seconds if label.startswith("default") else self.others
