"""One stream, one character at a time: the shipped graph against torch, with the same sampler.

An LSTM with hidden 128 and 60 symbols. The torch loops are written as plainly and quickly as torch
allows: no module calls in the hand-written cell, inference mode, one thread.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from charmodels.config import ModelConfig, TrainConfig
from charmodels.models import build_model
from charmodels.runtime import load_bundle
from charmodels.runtime.bundle import STEP, Bundle, write_bundle
from charmodels.runtime.sampling import Sampling, pick_one, uniforms
from charmodels.runtime.vocabulary import Vocabulary
from charmodels.training.speaker import state_specs
from export.step_graph import OPSET, build_step_graph
from tests.benchmarks.rows import Row

VOCAB, HIDDEN, EMBEDDING = 60, 128, 64
CHARS, ROUNDS = 1_000, 7
SAMPLING = Sampling(temperature=0.8)


def rows() -> list[Row]:
    """Medians over rounds in which the three take turns."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = ModelConfig(hidden_size=HIDDEN, embedding_size=EMBEDDING, dropout=0)
    model = build_model(VOCAB, config).eval()
    assert TrainConfig().threads == 1
    symbols = ("", *(chr(0x61 + i) for i in range(VOCAB - 1)))
    bundle = Bundle(
        kind="text",
        vocabulary=Vocabulary(symbols),
        states=state_specs(model),
        sampling=SAMPLING,
        max_chars=CHARS,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        graph = build_step_graph(model, bundle).SerializeToString()
        write_bundle(path, bundle, {STEP: graph}, OPSET)
        shipped = load_bundle(path)
        w_x, w_h, b, _ = model.recurrences()[0].rnn.all_weights[0]  # type: ignore[union-attr]
        cell = _hand_cell(model.embedding.weight, w_x, w_h, b, model.head)
        loops: dict[str, Callable[[], object]] = {
            "ours": lambda: sum(1 for _ in shipped.stream("", seed=1, max_chars=CHARS)),
            "cell": lambda: _torch_stream(cell),
            "lstm": lambda: _torch_stream(_nn_lstm(model.embedding, w_x, w_h, b, model.head)),
        }
        micros = _take_turns(loops)
    ours = statistics.median(micros["ours"])
    return [
        Row(name="stream, LSTM-128, batch 1", value=ours, unit="us/character"),
        Row(
            name="hand-written torch cell / stream",
            value=_ratio(micros["cell"], micros["ours"]),
            unit="x",
            limit=2.0,
            at_least=True,
            note=f"torch cell {statistics.median(micros['cell']):.1f} us",
        ),
        Row(
            name="nn.LSTM eager step / stream",
            value=_ratio(micros["lstm"], micros["ours"]),
            unit="x",
            limit=5.0,
            at_least=True,
            note=f"nn.LSTM {statistics.median(micros['lstm']):.1f} us",
        ),
    ]


def _take_turns(loops: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Microseconds a character of each loop, round by round; the first round warms up."""
    micros: dict[str, list[float]] = {name: [] for name in loops}
    with torch.inference_mode():
        for number in range(ROUNDS + 1):
            for name, loop in loops.items():
                start = time.perf_counter()
                loop()
                if number:
                    micros[name].append((time.perf_counter() - start) / CHARS * 1e6)
    return micros


def _ratio(slow: list[float], quick: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(slow, quick, strict=True))


Step = Callable[[Tensor, tuple[Tensor, Tensor]], tuple[Tensor, tuple[Tensor, Tensor]]]


def _hand_cell(embedding: Tensor, w_x: Tensor, w_h: Tensor, b: Tensor, head: nn.Linear) -> Step:
    w_x_t, w_h_t = w_x.t().contiguous(), w_h.t().contiguous()
    head_t, head_b = head.weight.t().contiguous(), head.bias

    def step(token: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h, c = state
        gates = torch.addmm(torch.addmm(b, embedding[token], w_x_t), h, w_h_t)
        i, f, g, o = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        return torch.addmm(head_b, h, head_t), (h, c)

    return step


def _nn_lstm(embedding: nn.Embedding, w_x: Tensor, w_h: Tensor, b: Tensor, head: nn.Linear) -> Step:
    lstm = nn.LSTM(EMBEDDING, HIDDEN, batch_first=True)
    with torch.no_grad():
        for own, value in zip(lstm.all_weights[0], (w_x, w_h, b, torch.zeros_like(b)), strict=True):
            own.copy_(value)

    def step(token: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h, c = state
        y, (h, c) = lstm(embedding(token)[:, None], (h[None], c[None]))
        return head(y[:, 0]), (h[0], c[0])

    return step


def _torch_stream(step: Step) -> str:
    """The same loop and sampler as ours, around a torch step."""
    symbols = [chr(0x61 + i) for i in range(VOCAB)]
    drawn = uniforms(1, np.array([0]), 0, CHARS)[0].tolist()
    state = torch.zeros(1, HIDDEN), torch.zeros(1, HIDDEN)
    token, written = 0, []
    for position in range(CHARS):
        logits, state = step(torch.tensor([token]), state)
        token = pick_one(logits.numpy(), drawn[position], SAMPLING, may_end=False)
        written.append(symbols[token])
    return "".join(written)
