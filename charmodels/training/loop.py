"""The training loop: updates, validations, checkpoints, an early stop when it overfits."""

import json
import math
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

from torch import Tensor

from charmodels.aside import write_aside
from charmodels.models.base import CharModel
from charmodels.runtime.errors import RunError
from charmodels.training.batches import Batches
from charmodels.training.checkpoint import (
    LOG,
    MODEL,
    STATE,
    Plan,
    put_weights,
    read_tensors,
    weights_of,
    write_tensors,
)
from charmodels.training.plan import Clock
from charmodels.training.update import Updates

_SHOW_EVERY = 10
"""Steps between two refreshes of the display: reading the loss waits for the device."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands; written into its state file."""

    step: int = 0
    """Steps done."""
    chars_seen: int = 0
    best_step: int = 0
    best_nats: float = math.inf
    """Best validation, nats per character."""
    worse: int = 0
    """Validations since the best one."""
    seconds: float = 0.0
    """Of the budget, used."""
    wall_seconds: float = 0.0
    reads_all: bool = False
    """Whether everything is chosen, and the validation part is learned too."""
    stopped: str = ""
    """Why training ended: finished or overfitting; empty while it goes on."""


class Display(Protocol):
    """Who is told about the progress of a run."""

    def update(self, step: int, steps: int, nats: float, chars_per_second: float) -> None:
        """A few steps were done; `nats` per character, smoothed."""
        ...

    def validation(self, progress: Progress, plan: Plan, train: float, validation: float) -> None:
        """A validation was read: nats per character of training (smoothed) and validation."""
        ...


class Trainer:
    """Trains one model in one run folder; `run` goes on from wherever the folder stands.

    Args:
        folder: the run folder.
        updater: the model with its optimizer.
        batches: what each step reads.
        everything: the same with the validation part, for the steps after the plan's `choose_at`;
            None where that part is never learned.
        plan: how many steps, how often to validate.
        validate: nats per character of the validation part; None when nothing is held out.
        clock: seconds of the budget.
        wall: seconds of the clock on the wall.
        display: told about progress.
    """

    def __init__(
        self,
        folder: Path,
        updater: Updates,
        batches: Batches,
        everything: Batches | None,
        plan: Plan,
        validate: Callable[[CharModel], float] | None,
        clock: Clock,
        wall: Clock,
        display: Display,
    ) -> None:
        self.folder, self.updater, self.plan = folder, updater, plan
        self.batches, self._everything = batches, everything
        self._validate, self._clock, self._wall, self._display = validate, clock, wall, display
        self.progress = Progress()
        self._best = _copies(weights_of(updater.model))
        self._last = self._best
        """The weights after the last step done: in the end others than the best."""
        self._log: list[str] = []
        self._smooth = math.nan

    def resume(self) -> None:
        """Take up the state file, if the run was killed after one was written."""
        if not (self.folder / STATE).is_file():
            return
        tensors, facts = read_tensors(self.folder / STATE)
        try:
            self.progress = Progress(**facts["progress"])
            self._smooth, self._log = float(facts["smooth"]), list(facts["log"])
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(
                f"{self.folder / STATE}: not a state of this version ({error})"
            ) from error
        self._clock.add(self.progress.seconds)
        self._wall.add(self.progress.wall_seconds)
        self.updater.restore(tensors, self.progress.step)
        self._best = {
            name.removeprefix("best."): value
            for name, value in tensors.items()
            if name.startswith("best.")
        }

    def run(self) -> Progress:
        """Train to the plan's end, an early stop or Ctrl-C.

        The best weights on validation end in the model; where a finished run learned from that
        part too, `finish` puts the last ones there.
        """
        with _interrupts() as interrupted:
            while not self.progress.stopped:
                self._update()
                if self._at_pause():
                    if self.progress.reads_all:
                        self._end_or_go_on()
                    else:
                        self._read_validation()
                    self._save()
                elif interrupted.is_set():
                    self.progress = self._timed(self.progress)
                    self._save()
                if interrupted.is_set():
                    break
        if self.progress.stopped:  # also when the run was killed between its last files
            self._write_results()
        self._last = _copies(weights_of(self.updater.model))
        put_weights(self.updater.model, self._best, "best weights")
        return self.progress

    def finish(self) -> None:
        """Keep the last weights of a run that learned from everything: none is left to choose."""
        if self.progress.reads_all:
            put_weights(self.updater.model, self._last, "last weights")
            write_tensors(self.folder / MODEL, self._last, {})

    def _at_pause(self) -> bool:
        """Whether this is a step to validate and save at."""
        step, plan = self.progress.step, self.plan
        return step in (plan.steps, plan.choose_at) or step % plan.validate_every == 0

    def _end_or_go_on(self) -> None:
        """There is nothing left to validate on."""
        is_end = self.progress.step >= self.plan.steps
        self.progress = self._timed(replace(self.progress, stopped="finished" if is_end else ""))

    def _update(self) -> None:
        progress = self.progress
        reads = self._everything if progress.reads_all else self.batches
        assert reads is not None
        batch = reads.batch(progress.step)
        loss: Tensor = self.updater.update(batch, progress.step, self.plan.steps)
        self.progress = replace(
            progress, step=progress.step + 1, chars_seen=progress.chars_seen + batch.chars
        )
        if self.progress.step % _SHOW_EVERY == 0 or self.progress.step == self.plan.steps:
            nats = float(loss)
            if not math.isfinite(nats):
                raise _diverged(self.progress.step)
            smooth = nats if math.isnan(self._smooth) else 0.9 * self._smooth + 0.1 * nats
            self._smooth = smooth
            speed = self.progress.chars_seen / max(self._clock.seconds(), 1e-9)
            self._display.update(self.progress.step, self.plan.steps, smooth, speed)

    def _read_validation(self) -> None:
        """Keep the weights if they are the best so far; without held-out records, the last."""
        progress = self.progress
        nats = self._validate(self.updater.model) if self._validate else math.nan
        if self._validate and not math.isfinite(nats):
            raise _diverged(progress.step)
        if self._validate is None or nats < progress.best_nats:
            self._best = _copies(weights_of(self.updater.model))
            progress = replace(progress, best_step=progress.step, best_nats=nats, worse=0)
        else:
            progress = replace(progress, worse=progress.worse + 1)
        if progress.step >= self.plan.steps:
            progress = replace(progress, stopped="finished")
        elif progress.worse >= self.updater.config.patience:
            progress = replace(progress, stopped="overfitting")
        if self._everything and progress.step == self.plan.choose_at and not progress.stopped:
            is_past = 2 * progress.worse > self.updater.config.patience
            progress = replace(progress, reads_all=not is_past)
        self.progress = self._timed(progress)
        self._log.append(
            json.dumps(
                {
                    "step": progress.step,
                    "chars_seen": progress.chars_seen,
                    "seconds": round(self.progress.seconds, 2),
                    "train_nats_per_char": _finite(self._smooth),
                    "validation_nats_per_char": _finite(nats),
                }
            )
        )
        self._display.validation(self.progress, self.plan, self._smooth, nats)

    def _timed(self, progress: Progress) -> Progress:
        return replace(progress, seconds=self._clock.seconds(), wall_seconds=self._wall.seconds())

    def _save(self) -> None:
        """One file holds the whole state, so that a kill leaves the old one or the new one."""
        facts = {"progress": asdict(self.progress), "smooth": self._smooth, "log": self._log}
        best = {f"best.{name}": value for name, value in self._best.items()}
        write_tensors(self.folder / STATE, self.updater.tensors() | best, facts)
        self._write_results()

    def _write_results(self) -> None:
        write_aside(self.folder / LOG, "".join(line + "\n" for line in self._log).encode())
        if self.progress.best_step:
            write_tensors(self.folder / MODEL, self._best, {})


def _diverged(step: int) -> RunError:
    return RunError(
        f"training diverged at step {step:,} (the loss is no number); "
        "train again with --force and a lower --learning-rate"
    )


def _copies(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in weights.items()}


def _finite(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into an event; a second one interrupts as usual."""
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return

    def note(number: int, frame: object) -> None:
        interrupted.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)
