"""Elman 1990, "Finding structure in time": a plain recurrent network, by hand.

The notebook's letters (Karpathy 2015, "min-char-rnn"): x is a character one-hot, h what is
remembered, y the scores of the next character, p their softmax.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from charmodels.runtime.generation import State
from charmodels.runtime.sampling import Ids, Logits

Floats = npt.NDArray[np.floating[Any]]
"""float32 to train, float64 to check gradients."""

Gradients = Mapping[str, Floats]


@dataclass(frozen=True)
class RNN:
    """One character in, scores for the next one out, and how to learn from a window of them.

        a_t = W_xh x_t + W_hh h_{t-1} + b_h
        h_t = tanh(a_t)
        y_t = W_hy h_t + b_y
        p_t = softmax(y_t)
        L   = sum over t of -log p_t[target_t]        nats

    x_t is one-hot, so W_xh x_t is a column of W_xh: it is looked up, never multiplied.
    State: h_0 (batch, hidden), zero at the start of a text.
    """

    W_xh: Floats
    """(hidden, vocab)"""
    W_hh: Floats
    """(hidden, hidden)"""
    b_h: Floats
    """(hidden,)"""
    W_hy: Floats
    """(vocab, hidden)"""
    b_y: Floats
    """(vocab,)"""

    @classmethod
    def fresh(cls, vocab: int, hidden: int, rng: np.random.Generator) -> "RNN":
        """Random float32 weights that keep h about as large as it was; zero biases."""

        def normal(*shape: int) -> Floats:
            return rng.standard_normal(shape, np.float32) / np.float32(np.sqrt(hidden))

        zeros = np.zeros(hidden + vocab, np.float32)
        return cls(
            W_xh=normal(hidden, vocab),
            W_hh=normal(hidden, hidden),
            b_h=zeros[:hidden],
            W_hy=normal(vocab, hidden),
            b_y=zeros[hidden:],
        )

    @property
    def weights(self) -> dict[str, Floats]:
        """All weights by their letters: the arrays themselves, to be changed in place."""
        return dict(vars(self))

    def initial_state(self, batch: int = 1) -> State:
        """Zeros: the state before the first character of `batch` texts."""
        return {"h_0": np.zeros((batch, len(self.b_h)), self.b_h.dtype)}

    def step(self, tokens: Ids, state: State) -> tuple[Logits, State]:
        """Read tokens (batch,), return logits (batch, vocab) and the state after them."""
        h = np.tanh(self.W_xh.T[tokens] + state["h_0"] @ self.W_hh.T + self.b_h)  # (batch, hidden)
        y = h @ self.W_hy.T + self.b_y
        return y.astype(np.float32, copy=False), {"h_0": h}

    def loss(self, inputs: Ids, targets: Ids, state: State) -> float:
        """Nats of targets (time,) after inputs (time,), summed."""
        _, y = self._forward(inputs, state)
        return -float(log_softmax(y)[np.arange(len(targets)), targets].sum())

    def learn(self, inputs: Ids, targets: Ids, state: State) -> tuple[Gradients, float, State]:
        """Backpropagation through time over one window.

        dL/dy_t is p_t less a one at the target. From there, last character first,

            dL/dh_t = W_hy^T dL/dy_t + W_hh^T dL/da_{t+1}
            dL/da_t = (1 - h_t^2) dL/dh_t

        and every weight's gradient is the sum over t of dL/da_t (or dL/dy_t) times what the weight
        was multiplied with. Before the window nothing is learned: the state is carried, the
        gradient is cut (truncated backpropagation).

        Args:
            inputs: ids (time,).
            targets: ids (time,), the inputs moved by one.
            state: the state before the window, of one text.

        Returns:
            The gradient of each weight, the loss in nats summed over the window, the state after.
        """
        time = len(inputs)
        h, y = self._forward(inputs, state)  # (time + 1, hidden), (time, vocab)
        log_p = log_softmax(y)
        nats = -float(log_p[np.arange(time), targets].sum())
        dy = np.exp(log_p)
        dy[np.arange(time), targets] -= 1  # (time, vocab)
        dh = dy @ self.W_hy  # (time, hidden), from y alone; the loop adds what comes from the right
        slope = 1 - h[1:] ** 2
        da = np.empty_like(dh)
        da[-1] = slope[-1] * dh[-1]
        W_hh_T = self.W_hh.T
        for t in range(time - 2, -1, -1):
            da[t] = slope[t] * (dh[t] + W_hh_T @ da[t + 1])
        gradients = {
            "W_xh": sum_by_column(inputs, da, self.W_xh),
            "W_hh": da.T @ h[:-1],
            "b_h": da.sum(axis=0),
            "W_hy": dy.T @ h[1:],
            "b_y": dy.sum(axis=0),
        }
        return gradients, nats, {"h_0": h[-1:]}

    def _forward(self, inputs: Ids, state: State) -> tuple[Floats, Floats]:
        """States h (time + 1, hidden), the first from before, and scores y (time, vocab)."""
        a = self.W_xh.T[inputs] + self.b_h  # (time, hidden), all that does not depend on h
        h = np.empty((len(inputs) + 1, len(self.b_h)), a.dtype)
        h[0] = state["h_0"][0]
        for t in range(len(inputs)):
            h[t + 1] = np.tanh(a[t] + self.W_hh @ h[t])
        return h, h[1:] @ self.W_hy.T + self.b_y


def log_softmax(y: Floats) -> Floats:
    """Log-probabilities (time, vocab) in nats; the largest score is taken off first."""
    y = y - y.max(axis=1, keepdims=True)
    log_p: Floats = y - np.log(np.exp(y).sum(axis=1, keepdims=True))
    return log_p


def sum_by_column(inputs: Ids, da: Floats, like: Floats) -> Floats:
    """The gradient (rows, vocab) of a matrix whose column `inputs[t]` was looked up at time t.

    A one-hot product would multiply by all the zeros; here da_t is added to its one column.
    """
    columns = np.zeros(like.shape[::-1], like.dtype)  # (vocab, rows)
    np.add.at(columns, inputs, da)
    return columns.T
