"""From a budget to a plan: device, precision, and how many steps fit into the seconds.

Seconds are CPU seconds of this process, so that another program on the machine does not change
what a budget buys; on a GPU they are seconds of the clock, for there the CPU waits.
"""

import copy
import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from charmodels.config import DEFAULT_SECONDS, TrainConfig
from charmodels.models.base import CharModel
from charmodels.runtime.errors import SettingError
from charmodels.training.batches import Batches
from charmodels.training.checkpoint import Plan
from charmodels.training.scratch_update import ScratchUpdater
from charmodels.training.update import Updater, Updates

_TRIAL_SHARE = 0.012
"""Of the budget, spent on measuring each precision's speed."""

_SPARE = 0.95
"""Of the budget, planned to be used: a step may turn out slower than those measured."""


@dataclass(frozen=True)
class Began:
    """When a run's work began, by both clocks: made before the corpus is read."""

    cpu: float = field(default_factory=time.process_time)
    wall: float = field(default_factory=time.perf_counter)


class Clock:
    """Seconds since a moment, plus those of before an interruption."""

    def __init__(self, now: Callable[[], float], start: float) -> None:
        self._now, self._start = now, start

    def seconds(self) -> float:
        """Seconds used so far."""
        return self._now() - self._start

    def add(self, seconds: float) -> None:
        """Count seconds that were used before this process."""
        self._start -= seconds


def wall_clock(began: Began) -> Clock:
    """Seconds of the clock on the wall."""
    return Clock(time.perf_counter, began.wall)


def budget_clock(device: torch.device, began: Began) -> Clock:
    """The clock a budget is counted by."""
    if device.type == "cpu":
        return Clock(time.process_time, began.cpu)
    return wall_clock(began)


def wanted_device(config: TrainConfig) -> str:
    """The device that was asked for; numpy knows only one."""
    return "cpu" if config.engine == "numpy" else config.device


def choose_device(wanted: str) -> torch.device:
    """The device `auto` means here, or the one asked for.

    Raises:
        SettingError: the device is not there.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available()}
    there["mps"] = torch.backends.mps.is_available()
    if wanted == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if there[name]))
    if not there[wanted]:
        usable = ", ".join(name for name, is_there in there.items() if is_there)
        raise SettingError(f"device {wanted} is not available here; available: {usable}")
    return torch.device(wanted)


def make_updater(model: CharModel, config: TrainConfig, precision: str) -> Updates:
    """What moves the weights, by the engine that was chosen."""
    if config.engine == "numpy":
        return ScratchUpdater(model, config)
    return Updater(model, config, precision)


@dataclass(frozen=True)
class _Speed:
    precision: str
    seconds_per_step: float


def make_plan(
    model: CharModel,
    batches: Batches,
    config: TrainConfig,
    device: torch.device,
    clock: Clock,
    validate: Callable[[], object],
    reserve: float = 0.0,
) -> Plan:
    """Turn the budget into steps once; the model is left as it was.

    A budget in seconds is measured on a copy: a few steps in each precision that may be used, and
    one validation. `reserve` seconds of it are left for what comes after the last step.
    """
    enough = math.inf
    if config.max_epochs is not None:
        enough = math.ceil(config.max_epochs * batches.steps_per_epoch)
    if config.max_steps is not None:
        steps = config.max_steps
        precision = _precisions(config, device)[0]
    else:
        budget = config.max_seconds or DEFAULT_SECONDS
        trials = [
            _try_out(model, batches, config, device, precision, budget * _TRIAL_SHARE)
            for precision in _precisions(config, device)
        ]
        best = min(trials, key=lambda trial: trial.seconds_per_step)
        precision = best.precision
        start = clock.seconds()
        validate()
        validations = config.validations * (clock.seconds() - start)
        left = budget * _SPARE - clock.seconds() - validations - reserve
        steps = max(1, int(left / best.seconds_per_step))
    steps = int(min(steps, enough))
    choose_at = round(steps * (1 - config.read_all)) if config.read_all else 0
    return Plan(
        steps=steps,
        validate_every=max(1, steps // config.validations),
        choose_at=choose_at if choose_at < steps else 0,
        precision=precision,
        device=device.type,
        threads=config.threads,
    )


def _precisions(config: TrainConfig, device: torch.device) -> list[str]:
    """What `auto` may choose from; the first where nothing is measured."""
    if config.engine == "numpy":
        return ["float32"]
    if config.precision != "auto":
        return [config.precision]
    if device.type == "cuda":
        return [
            "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
        ]
    return ["float32", "bfloat16"] if device.type == "cpu" else ["float32"]


def _try_out(
    model: CharModel,
    batches: Batches,
    config: TrainConfig,
    device: torch.device,
    precision: str,
    seconds: float,
) -> _Speed:
    """Train a copy for a moment; the first half, when caches fill, is not counted."""
    updater = make_updater(copy.deepcopy(model), config, precision)
    whole, clock, steps = budget_clock(device, Began()), budget_clock(device, Began()), 0
    for step in itertools.count():
        float(updater.update(batches.batch(step), 0, 1))  # reading the loss waits for a GPU
        if whole.seconds() < seconds / 2 or step < 2:
            clock = budget_clock(device, Began())
            continue
        steps += 1
        if whole.seconds() >= seconds:
            break
    return _Speed(precision, clock.seconds() / steps)
