"""How near the runtime comes to what the machine can do: bytes read, characters written, prompts.

Every ratio is of medians over rounds in which all take turns, so that a busy machine slows both.
Seconds are the process's own on its core: with one thread, those of the clock where nobody else is.
Weights are random, for how quick a step is does not hang on what it learned; but for names, which
are the quicker written the more of them begin alike.
"""

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from charmodels.config import ModelConfig
from charmodels.corpus.registry import open_corpus
from charmodels.models import LSTM, RNN, CharModel, build_model
from charmodels.runtime import Model, load_bundle
from charmodels.runtime.bundle import FP32, PREFILL, STEP, Bundle, write_bundle
from charmodels.runtime.generation import ROWS_AT_ONCE, Array, walk
from charmodels.runtime.sampling import Sampling, pick_one, uniforms
from charmodels.runtime.vocabulary import Vocabulary
from charmodels.training.speaker import state_specs
from export.kernels import kernels_of
from export.prefill_graph import build_prefill_graph
from export.step_graph import OPSET, build_step_graph
from tests.benchmarks.rows import Row, command_json

VOCAB = 60
ROUNDS = 9
SAMPLING = Sampling(temperature=0.8)
NAMES, LIST, LEARN_S = 100_000, "es_municipios", 30

State = tuple[Tensor, ...]
Step = Callable[[Tensor, State], tuple[Tensor, State]]


@dataclass(frozen=True)
class Subject:
    """A model in torch and as a bundle with its prompt graph; and the same without."""

    torch: CharModel
    shipped: Model
    stepping: Model
    graph_bytes: int


def rows() -> list[Row]:
    """The five figures of speed; one core."""
    torch.set_num_threads(1)
    with torch.inference_mode():
        return [*_large(), *_tiny(), *_names(), *_prompt()]


@contextmanager
def open_subject(arch: str, hidden: int, embedding: int) -> Iterator[Subject]:
    """A model of random weights, opened with its prompt graph and without, until the end."""
    torch.manual_seed(0)
    config = ModelConfig(
        arch=arch,  # type: ignore[arg-type]
        hidden_size=hidden,
        embedding_size=embedding,
        dropout=0,
    )
    model = build_model(VOCAB, config).eval()
    symbols = ("", *(chr(0x61 + i) for i in range(VOCAB - 1)))
    bundle = Bundle(
        kind="text",
        vocabulary=Vocabulary(symbols),
        states=state_specs(model),
        sampling=SAMPLING,
        max_chars=1_000,
    )
    folder = Path(tempfile.mkdtemp())
    try:
        with torch.inference_mode(False):
            step = build_step_graph(model, bundle)
            prefill = build_prefill_graph(step, bundle, kernels=kernels_of(model, step))
        graph = step.SerializeToString()
        write_bundle(folder, bundle, {STEP: graph}, OPSET)
        stepping = load_bundle(folder, trusted=True)
        write_bundle(folder, bundle, {STEP: graph, PREFILL: prefill.SerializeToString()}, OPSET)
        yield Subject(model, load_bundle(folder, trusted=True), stepping, len(graph))
    finally:
        shutil.rmtree(folder)


def take_turns(loops: dict[str, Callable[[], object]], count: int) -> dict[str, list[float]]:
    """Microseconds of each of `count` things a loop does, round by round; the first warms up."""
    micros: dict[str, list[float]] = {name: [] for name in loops}
    for number in range(ROUNDS + 1):
        for name, loop in loops.items():
            start = time.process_time()
            loop()
            if number:
                micros[name].append((time.process_time() - start) / count * 1e6)
    return micros


def ratio(slow: list[float], quick: list[float]) -> float:
    """How many times slower, the median over rounds."""
    return statistics.median(a / b for a, b in zip(slow, quick, strict=True))


def _weights(model: CharModel) -> list[Tensor]:
    """W_x, W_h, b and a second bias of zeros, of the only layer."""
    layer = model.recurrences()[0]
    assert isinstance(layer, LSTM | RNN)
    return [weight.detach() for weight in layer.rnn.all_weights[0]]


def hand_cell(model: CharModel) -> Step:
    """The recurrence as plainly and quickly as torch allows: no module calls."""
    w_x, w_h, b, _ = _weights(model)
    w_x, w_h, embedding = w_x.t().contiguous(), w_h.t().contiguous(), model.embedding.weight
    head_t, head_b = model.head.weight.t().contiguous(), model.head.bias

    def lstm(token: Tensor, state: State) -> tuple[Tensor, State]:
        h, c = state
        gates = torch.addmm(torch.addmm(b, embedding[token], w_x), h, w_h)
        i, f, g, o = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        return torch.addmm(head_b, h, head_t), (h, c)

    def rnn(token: Tensor, state: State) -> tuple[Tensor, State]:
        h = torch.addmm(torch.addmm(b, embedding[token], w_x), state[0], w_h).tanh()
        return torch.addmm(head_b, h, head_t), (h,)

    return lstm if model.config.arch == "lstm" else rnn


def nn_module(model: CharModel) -> Step:
    """torch's own module, one character a call."""
    layer = model.recurrences()[0]
    assert isinstance(layer, LSTM | RNN)
    rnn = layer.rnn

    def step(token: Tensor, state: State) -> tuple[Tensor, State]:
        given = tuple(v[None] for v in state)
        is_lstm = len(given) == 2
        y, after = rnn(model.embedding(token)[:, None], given if is_lstm else given[0])
        return model.head(y[:, 0]), tuple(v[0] for v in (after if is_lstm else (after,)))

    return step


def _torch_steps(step: Step, hidden: int, states: int, count: int) -> None:
    state = tuple(torch.zeros(1, hidden) for _ in range(states))
    token = torch.tensor([1])
    for _ in range(count):
        _, state = step(token, state)


def torch_stream(step: Step, hidden: int, states: int, count: int) -> str:
    """The same loop and sampler as ours, around a torch step."""
    symbols = [chr(0x61 + i) for i in range(VOCAB)]
    drawn = uniforms(1, np.array([0]), 0, count)[0].tolist()
    state = tuple(torch.zeros(1, hidden) for _ in range(states))
    token, written = 0, []
    for position in range(count):
        logits, state = step(torch.tensor([token]), state)
        token = pick_one(logits.numpy(), drawn[position], SAMPLING, may_end=False)
        written.append(symbols[token])
    return "".join(written)


def _numpy_step(model: CharModel) -> Callable[[int], None]:
    """The folded cell in numpy, as lean as it goes."""
    w_x, w_h_t, b, _ = (weight.numpy() for weight in _weights(model))
    table = model.embedding.weight.detach().numpy() @ w_x.T + b
    w_h = np.ascontiguousarray(w_h_t.T)
    head = np.ascontiguousarray(model.head.weight.detach().numpy().T)
    bias, size = model.head.bias.detach().numpy(), len(w_h)

    def sigmoid(x: Array) -> Array:
        return 1 / (1 + np.exp(-x))

    def lstm(count: int) -> None:
        h = c = np.zeros(size, dtype=np.float32)
        for _ in range(count):
            gates = table[1] + h @ w_h
            i, f, g, o = (gates[n * size : (n + 1) * size] for n in range(4))
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            _ = h @ head + bias

    def rnn(count: int) -> None:
        h = np.zeros(size, dtype=np.float32)
        for _ in range(count):
            h = np.tanh(table[1] + h @ w_h)
            _ = h @ head + bias

    return lstm if model.config.arch == "lstm" else rnn


def _compiled(step: Step) -> Step | None:
    """torch.compile of a step, where there is a compiler for it."""
    if not any(shutil.which(name) for name in ("g++", "clang++", "c++")):
        return None
    with torch.inference_mode(False):
        return torch.compile(step, dynamic=False)  # type: ignore[no-any-return]


def _advance(model: Model, count: int) -> Callable[[], None]:
    walker, token = walk(model.step, model.step.initial_state()), np.array([1])

    def run() -> None:
        for _ in range(count):
            walker.advance(token)

    return run


def _large() -> list[Row]:
    """LSTM-1024 with embedding 256: almost nothing but the reading of its weights."""
    count = 60
    with open_subject("lstm", 1024, 256) as subject:
        cell, module = hand_cell(subject.torch), nn_module(subject.torch)
        compiled, lean = _compiled(cell), _numpy_step(subject.torch)
        table = VOCAB * 4 * 1024 * 4
        weights = np.ones((subject.graph_bytes - table + 4 * 1024 * 4) // 4, dtype=np.float32)
        loops: dict[str, Callable[[], object]] = {
            "ours": _advance(subject.shipped, count),
            "read": lambda: [float(weights @ weights) for _ in range(count)],
            "cell": lambda: _torch_steps(cell, 1024, 2, count),
            "module": lambda: _torch_steps(module, 1024, 2, count),
            "numpy": lambda: lean(count),
        }
        if compiled:
            loops["compiled"] = lambda: _torch_steps(compiled, 1024, 2, count)
        micros = take_turns(loops, count)
    others = _others(micros)
    return [
        Row(name="LSTM-1024 step, batch 1", value=_us(micros["ours"]), unit="us", note=others),
        Row(
            name="plain read of its weights / step",
            value=ratio(micros["read"], micros["ours"]),
            unit="x",
            limit=0.8,
            at_least=True,
            note=f"{weights.nbytes / 1e6:.1f} MB times itself in {_us(micros['read']):.0f} us",
        ),
        Row(
            name="torch hand cell / step, LSTM-1024",
            value=ratio(micros["cell"], micros["ours"]),
            unit="x",
            limit=2.0,
            at_least=True,
            note=f"nn.LSTM {ratio(micros['module'], micros['ours']):.1f}x",
        ),
    ]


def _us(micros: list[float]) -> float:
    return statistics.median(micros)


def _others(micros: dict[str, list[float]]) -> str:
    """How much slower than ours the others are."""
    names = {"cell": "torch hand cell", "module": "torch module", "compiled": "torch.compile"}
    names |= {"numpy": "numpy", "step": "step alone"}
    ours = micros["ours"]
    found = [f"{names[name]} {ratio(v, ours):.2f}x" for name, v in micros.items() if name in names]
    return ", ".join(found) + (" as long" if "compiled" in micros else " as long; no compiler here")


def _tiny() -> list[Row]:
    """RNN-25, one stream with its sampler: what a character costs besides arithmetic."""
    count = 2_000
    with open_subject("rnn", 25, 25) as subject:
        cell, module = hand_cell(subject.torch), nn_module(subject.torch)
        compiled, lean = _compiled(cell), _numpy_step(subject.torch)
        ours = subject.shipped
        loops: dict[str, Callable[[], object]] = {
            "ours": lambda: sum(1 for _ in ours.stream("", seed=1, max_chars=count)),
            "step": _advance(ours, count),
            "cell": lambda: torch_stream(cell, 25, 1, count),
            "module": lambda: torch_stream(module, 25, 1, count),
            "numpy": lambda: lean(count),
        }
        if compiled:
            loops["compiled"] = lambda: torch_stream(compiled, 25, 1, count)
        micros = take_turns(loops, count)
    return [
        Row(
            name="RNN-25 stream with sampling",
            value=1e6 / _us(micros["ours"]),
            unit="characters/s",
            limit=40_000,
            at_least=True,
            note=f"{_us(micros['ours']):.1f} us; numpy and step without sampler: {_others(micros)}",
        ),
        Row(
            name="torch hand cell and sampler / stream, RNN-25",
            value=ratio(micros["cell"], micros["ours"]),
            unit="x",
            limit=3.0,
            at_least=True,
        ),
    ]


def _names() -> list[Row]:
    """A hundred thousand towns, only those that are new and came once; by int8 beside it."""
    with tempfile.TemporaryDirectory() as folder:
        run, bundle = Path(folder) / "run", Path(folder) / "bundle"
        train = ("train", LIST, "--out", str(run), "--max-seconds", str(LEARN_S), "--ngram", "none")
        sizes = ("--arch", "lstm", "--hidden-size", "128", "--embedding-size", "64")
        command_json("-m", "charmodels", *train, *sizes)
        variants = ("--variants", "fp32,int8", "--graphs", "step")
        command_json("-m", "export", str(run), "--out", str(bundle), *variants)
        known = frozenset(open_corpus(LIST).records)
        (rates, written, steps, share), int8 = (
            _new_names(load_bundle(bundle, variant=variant, trusted=True), known)
            for variant in (FP32, "int8")
        )
    return [
        Row(
            name="100,000 names, LSTM-128, new and unique",
            value=statistics.median(rates),
            unit="accepted characters/s",
            limit=200_000,
            at_least=True,
            note=f"{share:.1%} of the names accepted; {LEARN_S} s on the {len(known):,} of {LIST}",
        ),
        Row(
            name="accepted characters / characters of the bare step",
            value=ratio(rates, steps),
            unit="x",
            limit=0.8,
            at_least=True,
            note=f"of all characters written {ratio(written, steps):.2f}x; bare step, batch "
            f"{ROWS_AT_ONCE}: {statistics.median(steps):,.0f} characters/s",
        ),
        Row(
            name="the same names, int8",
            value=statistics.median(int8.accepted),
            unit="accepted characters/s",
            note=f"{ratio(int8.accepted, rates):.2f}x fp32; {int8.share:.1%} accepted",
        ),
    ]


class _Rates(NamedTuple):
    """Characters a second, turn by turn."""

    accepted: list[float]
    written: list[float]
    """Of all names, accepted or not; each with its end mark, which takes a step too."""
    steps: list[float]
    """Of the step alone, without sampling."""
    share: float
    """Of the names, accepted."""


def _new_names(model: Model, known: frozenset[str]) -> _Rates:
    """Write the whole hundred thousand once, a fifth a turn."""
    walker = walk(model.step, model.step.initial_state(ROWS_AT_ONCE))
    tokens = np.arange(ROWS_AT_ONCE) % len(model.vocabulary)
    rates, seen = _Rates([], [], [], 0.0), {*known}
    for part in range(5):
        start = time.process_time()
        accepted, characters = 0, 0
        for name in model.generate_each(NAMES // 5, seed=part):
            characters += len(name) + 1
            if name not in seen:
                seen.add(name)
                accepted += len(name)
        seconds = time.process_time() - start
        rates.accepted.append(accepted / seconds)
        rates.written.append(characters / seconds)
        start = time.process_time()
        for _ in range(300):
            walker.advance(tokens)
        rates.steps.append(300 * ROWS_AT_ONCE / (time.process_time() - start))
    return rates._replace(share=(len(seen) - len(known)) / NAMES)


def _prompt() -> list[Row]:
    """A prompt of 500 characters before the first character comes."""
    prompt = "".join(chr(0x61 + n) for n in np.random.default_rng(0).integers(0, VOCAB - 1, 500))
    with open_subject("lstm", 128, 64) as subject:
        quick, stepping = subject.shipped, subject.stepping
        w_h = np.ascontiguousarray(_weights(subject.torch)[1].numpy().T)
        h, gates = np.ones(len(w_h), np.float32), np.empty(w_h.shape[1], np.float32)
        micros = take_turns(
            {
                "quick": lambda: next(quick.stream(prompt, seed=1)),
                "steps": lambda: next(stepping.stream(prompt, seed=1)),
                "products": lambda: [np.dot(h, w_h, gates) for _ in prompt],
            },
            1,
        )
    return [
        Row(
            name="500-character prompt, LSTM-128: steps / prefill",
            value=ratio(micros["steps"], micros["quick"]),
            unit="x",
            limit=3.0,
            at_least=True,
            note=f"{_us(micros['steps']) / 1e3:.2f} ms and {_us(micros['quick']) / 1e3:.2f} ms; "
            f"500 products with the recurrent matrix: {_us(micros['products']) / 1e3:.2f} ms",
        )
    ]
