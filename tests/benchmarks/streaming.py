"""One stream, one character at a time: the shipped graph against torch, with the same sampler.

An LSTM with hidden 128 and 60 symbols. The torch loops are written as plainly and quickly as torch
allows: no module calls in the hand-written cell, inference mode, one thread.
"""

import statistics
from collections.abc import Callable

import torch

from charmodels.config import TrainConfig
from tests.benchmarks.rows import Row
from tests.benchmarks.speed import (
    hand_cell,
    nn_module,
    open_subject,
    ratio,
    take_turns,
    torch_stream,
)

HIDDEN, EMBEDDING, CHARS = 128, 64, 1_000


def rows() -> list[Row]:
    """Medians over rounds in which the three take turns."""
    torch.set_num_threads(1)
    assert TrainConfig().threads == 1
    with torch.inference_mode(), open_subject("lstm", HIDDEN, EMBEDDING) as subject:
        cell, module = hand_cell(subject.torch), nn_module(subject.torch)
        loops: dict[str, Callable[[], object]] = {
            "ours": lambda: sum(1 for _ in subject.shipped.stream("", seed=1, max_chars=CHARS)),
            "cell": lambda: torch_stream(cell, HIDDEN, 2, CHARS),
            "lstm": lambda: torch_stream(module, HIDDEN, 2, CHARS),
        }
        micros = take_turns(loops, CHARS)
    ours = statistics.median(micros["ours"])
    return [
        Row(name="stream, LSTM-128, batch 1", value=ours, unit="us/character"),
        Row(
            name="hand-written torch cell / stream",
            value=ratio(micros["cell"], micros["ours"]),
            unit="x",
            limit=2.0,
            at_least=True,
            note=f"torch cell {statistics.median(micros['cell']):.1f} us",
        ),
        Row(
            name="nn.LSTM eager step / stream",
            value=ratio(micros["lstm"], micros["ours"]),
            unit="x",
            limit=5.0,
            at_least=True,
            note=f"nn.LSTM {statistics.median(micros['lstm']):.1f} us",
        ),
    ]
