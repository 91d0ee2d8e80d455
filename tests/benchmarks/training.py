"""Training characters a second of our defaults, beside a plain loop around torch's nn.LSTM.

The peer is what a first tutorial writes: embedding 64, nn.LSTM, a linear head, AdamW, float32, the
nearest number of parameters, the same batches. One torch thread each, in turns in one process;
whole training steps, on random ids: the text does not matter.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from charmodels.models import build_model
from charmodels.models.base import IGNORE
from charmodels.recipes import LONG_LIST, TEXT, Recipe
from charmodels.training.batches import Batch, Batches, NameBatches, TextStreams
from charmodels.training.update import Updater
from tests.benchmarks.rows import Row

STEPS, ROUNDS = 4, 11
VOCAB = {"text": 66, "names": 27}


class Plain(nn.Module):
    """Embedding, nn.LSTM, head."""

    def __init__(self, vocab: int, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab, 64)
        self.rnn = nn.LSTM(64, hidden, batch_first=True)
        self.head = nn.Linear(hidden, vocab)

    def forward(self, inputs: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple[Tensor, ...]:
        y, (h, c) = self.rnn(self.embedding(inputs), state)
        return self.head(y), h, c


def rows() -> list[Row]:
    """Medians over rounds in which both take turns."""
    torch.set_num_threads(1)
    return [_race("text", TEXT), _race("names", LONG_LIST)]


def _race(kind: str, recipe: Recipe) -> Row:
    vocab = VOCAB[kind]
    torch.manual_seed(0)
    model = build_model(vocab, recipe.model)
    batches, parameters = _batches(kind, vocab, recipe), model.parameter_count()
    peer = _as_large_as(parameters, vocab)
    updater = Updater(model, recipe.training, "bfloat16")
    racers: list[Callable[[int], object]] = [
        lambda step: updater.update(batches.batch(step), step, 100_000),
        _plain_loop(peer, batches),
    ]
    speeds: list[list[float]] = [[], []]
    for number in range(ROUNDS + 1):
        for racer, own in zip(racers, speeds, strict=True):
            start, chars = time.thread_time(), 0
            for step in range(number * STEPS, (number + 1) * STEPS):
                racer(step)
                chars += batches.batch(step).chars
            if number:  # the first round warms up
                own.append(chars / (time.thread_time() - start))
    ours, theirs = (statistics.median(own) for own in speeds)
    return Row(
        name=f"{kind}: our default / a float32 nn.LSTM loop",
        value=statistics.median(a / b for a, b in zip(*speeds, strict=True)),
        unit="x",
        limit=1.0,
        at_least=True,
        note=f"{ours:,.0f} and {theirs:,.0f} characters/s, {parameters:,} and {_count(peer):,} "
        "parameters",
    )


def _batches(kind: str, vocab: int, recipe: Recipe) -> Batches:
    rng, training, device = np.random.default_rng(0), recipe.training, torch.device("cpu")
    if kind == "text":
        ids = rng.integers(1, vocab, 1_000_000)
        return TextStreams(ids, training.batch_size, training.window, 0.01, 0, device)
    names = [rng.integers(1, vocab, length) for length in rng.integers(3, 10, 30_000)]
    return NameBatches(names, None, training.batch_size, 0, device)


def _as_large_as(parameters: int, vocab: int) -> Plain:
    """The peer whose parameters are nearest, of widths that are multiples of 8."""
    peers = [Plain(vocab, hidden) for hidden in range(32, 513, 8)]
    return min(peers, key=lambda peer: abs(_count(peer) - parameters))


def _count(peer: Plain) -> int:
    return sum(p.numel() for p in peer.parameters())


def _plain_loop(peer: Plain, batches: Batches) -> Callable[[int], object]:
    optimizer = torch.optim.AdamW(peer.parameters(), lr=1e-3)
    carried: list[tuple[Tensor, Tensor]] = []

    def step(number: int) -> object:
        batch: Batch = batches.batch(number)
        state = carried.pop() if carried else None
        if state is not None and state[0].shape[1] != len(batch.inputs):
            state = None
        logits, h, c = peer(batch.inputs, state)
        carried.append((h.detach(), c.detach()))
        loss = cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORE)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(peer.parameters(), 1.0)
        optimizer.step()
        return loss

    return step
