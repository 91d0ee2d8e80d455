"""What a person sees while a model trains: on standard error, a bar if it is a terminal."""

import math
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from charmodels.training.checkpoint import Plan
from charmodels.training.loop import Display
from charmodels.training.loop import Progress as Standing


class RunDisplay(Display, Protocol):
    """Who is told how a whole run goes, for use in a `with` block."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def say(self, text: str) -> None:
        """A sentence for the person at the terminal."""
        ...


_SAMPLES_EVERY = 5
"""Validations between two looks at fresh samples."""


class TrainingDisplay:
    """Progress, loss in nats and bits per character, speed, and now and then fresh samples.

    Args:
        write_samples: gives a few texts of the model as it is.
    """

    def __init__(self, write_samples: Callable[[], list[str]]) -> None:
        self._write_samples = write_samples
        self._console = Console(stderr=True, highlight=False, emoji=False)
        self._bar = Progress(
            TextColumn("{task.percentage:3.0f}%"),
            BarColumn(bar_width=24),
            TextColumn("{task.description}"),
            TimeRemainingColumn(compact=True),
            console=self._console,
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._task: TaskID | None = None
        self._validations = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """One line of talk, characters of the user's text taken as they are."""
        self._console.print(text, markup=False, soft_wrap=True)

    def update(self, step: int, steps: int, nats: float, chars_per_second: float) -> None:
        """Move the bar."""
        if self._task is None:
            self._task = self._bar.add_task("", total=steps)
        text = f"train {per_char(nats)}  {chars_per_second:,.0f} characters/s"
        self._bar.update(self._task, completed=step, description=text)

    def validation(self, progress: Standing, plan: Plan, train: float, validation: float) -> None:
        """A line for each validation; samples at the first and every few."""
        best = "  best" if progress.best_step == progress.step and math.isfinite(validation) else ""
        held_out = per_char(validation) if math.isfinite(validation) else "nothing held out"
        speed = progress.chars_seen / max(progress.seconds, 1e-9)
        self.say(
            f"{progress.step:>7,}/{plan.steps:,}  {progress.seconds:6.1f} s  "
            f"train {per_char(train)}  validation {held_out}{best}  {speed:,.0f} characters/s"
        )
        if progress.reads_all:
            self.say("everything is chosen: from here on it learns from the validation part, too")
        if self._validations % _SAMPLES_EVERY == 0 or progress.stopped:
            texts = [text if text.isprintable() else repr(text) for text in self._write_samples()]
            self.say(f"          {' · '.join(texts)}")
        self._validations += 1


def per_char(nats: float) -> str:
    """A loss in both units people use; before the first one is measured, an ellipsis."""
    if math.isnan(nats):
        return "…"
    return f"{nats:.3f} nats ({nats / math.log(2):.3f} bits)"
