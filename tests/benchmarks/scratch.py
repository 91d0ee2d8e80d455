"""The numpy RNN against the loop one would write first: one-hot columns, a product a character.

Both learn the same 25-character windows of the municipalities, RNN 100, clipped, by Adagrad.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np

from charmodels.corpus.registry import open_corpus
from charmodels.corpus.splitting import split_corpus
from charmodels.runtime.vocabulary import Ids, Vocabulary
from charmodels.scratch import LSTM, RNN, Adagrad
from charmodels.scratch.rnn import Floats
from charmodels.training.batches import NameStream
from tests.benchmarks.rows import Row

HIDDEN, WINDOW, WINDOWS, ROUNDS = 100, 25, 300, 7

Window = tuple[Ids, Ids]


def rows() -> list[Row]:
    """Medians over rounds in which the loops take turns."""
    corpus = open_corpus("mx_municipios")
    vocabulary = Vocabulary.of(corpus.records)
    names = [vocabulary.encode(name) for name in split_corpus(corpus).train]
    stream = NameStream(names, WINDOW, seed=0)
    batches = [stream.batch(step) for step in range(WINDOWS)]
    windows = [(b.inputs[0].numpy(), b.targets[0].numpy()) for b in batches]
    vocab, rng = len(vocabulary), np.random.default_rng(0)
    rnn, lstm = RNN.fresh(vocab, HIDDEN, rng), LSTM.fresh(vocab, HIDDEN, rng)
    loops: dict[str, Callable[[list[Window]], None]] = {
        "direct": DirectLoop(rnn),
        "rnn": _learner(rnn),
        "lstm": _learner(lstm),
    }
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    for number in range(ROUNDS + 1):
        for name, loop in loops.items():
            start = time.process_time()
            loop(windows)
            if number:  # the first round warms up
                seconds[name].append(time.process_time() - start)
    chars = sum(len(targets) for _, targets in windows)
    pairs = zip(seconds["direct"], seconds["rnn"], strict=True)
    return [
        Row(
            name="one-hot numpy loop / numpy engine, RNN 100, 25 steps",
            value=statistics.median(a / b for a, b in pairs),
            unit="x",
            limit=1.0,
            at_least=True,
            note=f"one-hot loop {chars / statistics.median(seconds['direct']):,.0f} characters/s",
        ),
        *(
            Row(
                name=f"numpy engine, {name} 100, 25 steps",
                value=chars / statistics.median(seconds[name]),
                unit="characters/s",
            )
            for name in ("rnn", "lstm")
        ),
    ]


def _learner(model: RNN | LSTM) -> Callable[[list[Window]], None]:
    adagrad = Adagrad(model.weights)

    def learn(windows: list[Window]) -> None:
        state = model.initial_state()
        for inputs, targets in windows:
            gradients, _, state = model.learn(inputs, targets, state)
            adagrad.update(gradients)

    return learn


class DirectLoop:
    """The plain way in float64: every character a column of zeros and a one, every product made."""

    def __init__(self, model: RNN) -> None:
        self.W_xh, self.W_hh, self.W_hy = (
            w.astype(np.float64) for w in (model.W_xh, model.W_hh, model.W_hy)
        )
        self.b_h, self.b_y = np.zeros((HIDDEN, 1)), np.zeros((len(model.b_y), 1))
        self.weights = [self.W_xh, self.W_hh, self.W_hy, self.b_h, self.b_y]
        self.memory = [np.zeros_like(w) for w in self.weights]

    def __call__(self, windows: list[Window]) -> None:
        h: Floats = np.zeros((HIDDEN, 1))
        for inputs, targets in windows:
            h = self.learn(inputs, targets, h)

    def learn(self, inputs: Ids, targets: Ids, before: Floats) -> Floats:
        """One window: forward, back, clip, Adagrad; gives the state after it."""
        x: list[Floats] = []
        p: list[Floats] = []
        h: list[Floats] = [before]
        for token in inputs:
            column = np.zeros((len(self.b_y), 1))
            column[token] = 1
            x.append(column)
            h.append(np.tanh(self.W_xh @ column + self.W_hh @ h[-1] + self.b_h))
            y = self.W_hy @ h[-1] + self.b_y
            p.append(np.exp(y) / np.exp(y).sum())
        gradients = [np.zeros_like(w) for w in self.weights]
        dW_xh, dW_hh, dW_hy, db_h, db_y = gradients
        carried = np.zeros_like(before)
        for t in reversed(range(len(inputs))):
            dy = p[t].copy()
            dy[targets[t]] -= 1
            dW_hy += dy @ h[t + 1].T
            db_y += dy
            da = (1 - h[t + 1] ** 2) * (self.W_hy.T @ dy + carried)
            db_h += da
            dW_xh += da @ x[t].T
            dW_hh += da @ h[t].T
            carried = self.W_hh.T @ da
        for w, gradient, memory in zip(self.weights, gradients, self.memory, strict=True):
            np.clip(gradient, -5, 5, out=gradient)
            memory += gradient * gradient
            w -= 0.1 * gradient / np.sqrt(memory + 1e-8)
        return h[-1]
