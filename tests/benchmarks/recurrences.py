"""Training characters a second of every recurrence, plain and in blocks, beside our nn.LSTM.

About 180,000 parameters each over 65 symbols, batch 32, window 64, one torch thread: whole training
steps, optimizer included, on random text. The text does not matter, for every step does the same.
"""

import statistics
import time

import numpy as np
import torch

from charmodels.config import ModelConfig, TrainConfig
from charmodels.models import MODELS, build_model
from charmodels.training.batches import TextStreams
from charmodels.training.update import Updater
from tests.benchmarks.rows import Row

VOCAB, PARAMETERS = 65, 180_000
BATCH, WINDOW = 32, 64
STEPS, ROUNDS = 4, 9


def rows() -> list[Row]:
    """Medians over rounds in which all take turns; each a ratio to the LSTM of the same round."""
    torch.set_num_threads(1)
    return [row for precision in ("float32", "bfloat16") for row in _race(precision)]


def _race(precision: str) -> list[Row]:
    racers = {
        f"{arch}{', blocks' if block else ''}": Racer(sized(arch, block), precision)
        for arch in MODELS
        for block in (False, True)
    }
    seconds: dict[str, list[float]] = {name: [] for name in racers}
    for number in range(ROUNDS + 1):
        for name, racer in racers.items():
            taken = racer.run()
            if number:  # the first round warms up
                seconds[name].append(taken)
    found = []
    for name, racer in racers.items():
        ratios = [ours / own for own, ours in zip(seconds[name], seconds["lstm"], strict=True)]
        speed = STEPS * BATCH * WINDOW / statistics.median(seconds[name])
        config = racer.updater.model.config
        note = (
            f"{speed:,.0f} characters/s, {racer.updater.model.parameter_count():,} parameters, "
            f"{config.layers} x {config.hidden_size}"
        )
        value = statistics.median(ratios)
        found.append(Row(name=f"{precision}: {name} / lstm", value=value, unit="x", note=note))
    return found


def sized(arch: str, block: bool) -> ModelConfig:
    """The widest model of at most PARAMETERS.

    One layer of an RNN, GRU or LSTM; two where the layer's own matrices would else be so few that
    only width could make up for them: blocks, and recurrences whose gates know no memory.
    """
    layers = 2 if block or arch in ("mingru", "minlstm", "rglru") else 1
    best = None
    for hidden in range(32, 1024, 8):
        config = ModelConfig(
            arch=arch,  # type: ignore[arg-type]
            embedding_size=hidden if block else 64,
            hidden_size=hidden,
            layers=layers,
            block=block,
        )
        if build_model(VOCAB, config).parameter_count() > PARAMETERS:
            break
        best = config
    assert best is not None
    return best


class Racer:
    """A model in training."""

    def __init__(self, config: ModelConfig, precision: str) -> None:
        torch.manual_seed(0)
        ids = np.random.default_rng(0).integers(1, VOCAB, 1_000_000)
        self.updater = Updater(build_model(VOCAB, config), TrainConfig(), precision)
        self.streams = TextStreams(ids, BATCH, WINDOW, 0.01, 0, torch.device("cpu"))
        self.step = 0

    def run(self) -> float:
        """Seconds of this thread for STEPS training steps."""
        start = time.thread_time()
        for _ in range(STEPS):
            self.updater.update(self.streams.batch(self.step), self.step, 100_000)
            self.step += 1
        return time.thread_time() - start
