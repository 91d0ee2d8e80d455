"""Hochreiter and Schmidhuber 1997, "Long short-term memory", by hand.

With the forget gate of Gers et al. 2000; one bias a gate, no peepholes.
"""

from dataclasses import dataclass

import numpy as np

from charmodels.runtime.generation import State
from charmodels.runtime.sampling import Ids, Logits
from charmodels.scratch.rnn import Floats, Gradients, log_softmax, sum_by_column


@dataclass(frozen=True)
class LSTM:
    """The plain network with a line c beside it that is only faded and added to.

        a_t = W_x x_t + W_h h_{t-1} + b               four parts: a_i, a_f, a_g, a_o
        i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o)
        g   = tanh(a_g)
        c_t = f * c_{t-1} + i * g
        h_t = o * tanh(c_t)
        y_t = W_hy h_t + b_y
        L   = sum over t of -log softmax(y_t)[target_t]        nats

    State: h_0 and c_0 (batch, hidden), zero at the start of a text.
    """

    W_x: Floats
    """(4 hidden, vocab)"""
    W_h: Floats
    """(4 hidden, hidden)"""
    b: Floats
    """(4 hidden,)"""
    W_hy: Floats
    """(vocab, hidden)"""
    b_y: Floats
    """(vocab,)"""

    @classmethod
    def fresh(cls, vocab: int, hidden: int, rng: np.random.Generator) -> "LSTM":
        """Random float32 weights; the forget gates begin open (bias 1), the rest at zero."""

        def normal(*shape: int) -> Floats:
            return rng.standard_normal(shape, np.float32) / np.float32(np.sqrt(hidden))

        b = np.zeros(4 * hidden, np.float32)
        b[hidden : 2 * hidden] = 1
        return cls(
            W_x=normal(4 * hidden, vocab),
            W_h=normal(4 * hidden, hidden),
            b=b,
            W_hy=normal(vocab, hidden),
            b_y=np.zeros(vocab, np.float32),
        )

    @property
    def hidden(self) -> int:
        """Numbers remembered in h, and as many in c."""
        return len(self.b) // 4

    @property
    def weights(self) -> dict[str, Floats]:
        """All weights by their letters: the arrays themselves, to be changed in place."""
        return dict(vars(self))

    def initial_state(self, batch: int = 1) -> State:
        """Zeros: the state before the first character of `batch` texts."""
        zeros = np.zeros((batch, self.hidden), self.b.dtype)
        return {"h_0": zeros, "c_0": zeros.copy()}

    def step(self, tokens: Ids, state: State) -> tuple[Logits, State]:
        """Read tokens (batch,), return logits (batch, vocab) and the state after them."""
        a = self.W_x.T[tokens] + state["h_0"] @ self.W_h.T + self.b  # (batch, 4 hidden)
        i, f, g, o = np.split(a, 4, axis=1)
        c = sigmoid(f) * state["c_0"] + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        y = h @ self.W_hy.T + self.b_y
        return y.astype(np.float32, copy=False), {"h_0": h, "c_0": c}

    def loss(self, inputs: Ids, targets: Ids, state: State) -> float:
        """Nats of targets (time,) after inputs (time,), summed."""
        h, _, _ = self._forward(inputs, state)
        y = h[1:] @ self.W_hy.T + self.b_y
        return -float(log_softmax(y)[np.arange(len(targets)), targets].sum())

    def learn(self, inputs: Ids, targets: Ids, state: State) -> tuple[Gradients, float, State]:
        """Backpropagation through time over one window; see `RNN.learn` for its terms.

        Two gradients walk back, of h and of c. Last character first,

            dL/dh_t = W_hy^T dL/dy_t + W_h^T dL/da_{t+1}
            dL/dc_t = dL/dh_t * o_t * (1 - tanh(c_t)^2) + dL/dc_{t+1} * f_{t+1}
            dL/da_o = dL/dh_t * tanh(c_t) * o (1 - o)
            dL/da_i = dL/dc_t * g * i (1 - i)
            dL/da_f = dL/dc_t * c_{t-1} * f (1 - f)
            dL/da_g = dL/dc_t * i * (1 - g^2)

        The second term of dL/dc_t passes through no matrix and no tanh: where f is near 1, a
        gradient comes back over many characters nearly whole.
        """
        time, hidden = len(inputs), self.hidden
        h, c, gates = self._forward(inputs, state)
        y = h[1:] @ self.W_hy.T + self.b_y  # (time, vocab)
        log_p = log_softmax(y)
        nats = -float(log_p[np.arange(time), targets].sum())
        dy = np.exp(log_p)
        dy[np.arange(time), targets] -= 1
        i, f, g, o = np.split(gates, 4, axis=1)  # each (time, hidden)
        tanh_c = np.tanh(c[1:])
        through_o = o * (1 - tanh_c**2)  # dc_t for each dh_t
        # What each part of da_t is for one unit of dc_t (i, f, g), or of dh_t (o):
        slopes = np.concatenate(
            [g * i * (1 - i), c[:-1] * f * (1 - f), i * (1 - g**2), tanh_c * o * (1 - o)], axis=1
        )
        from_y = dy @ self.W_hy  # (time, hidden)
        da = np.empty_like(gates)  # (time, 4 hidden)
        W_h_T = self.W_h.T
        dc: Floats = np.zeros(hidden, gates.dtype)
        dh = from_y[-1]
        for t in range(time - 1, -1, -1):
            dc = dh * through_o[t] + dc
            da[t] = slopes[t] * np.concatenate([dc, dc, dc, dh])
            if t:
                dh = from_y[t - 1] + W_h_T @ da[t]
                dc = dc * f[t]
        gradients = {
            "W_x": sum_by_column(inputs, da, self.W_x),
            "W_h": da.T @ h[:-1],
            "b": da.sum(axis=0),
            "W_hy": dy.T @ h[1:],
            "b_y": dy.sum(axis=0),
        }
        return gradients, nats, {"h_0": h[-1:], "c_0": c[-1:]}

    def _forward(self, inputs: Ids, state: State) -> tuple[Floats, Floats, Floats]:
        """States h and c (time + 1, hidden), the first from before; gates (time, 4 hidden)."""
        hidden = self.hidden
        gates = self.W_x.T[inputs] + self.b  # (time, 4 hidden), becomes i, f, g, o in place
        h = np.empty((len(inputs) + 1, hidden), gates.dtype)
        c = np.empty_like(h)
        h[0], c[0] = state["h_0"][0], state["c_0"][0]
        for t, a in enumerate(gates):
            a += self.W_h @ h[t]
            g = np.tanh(a[2 * hidden : 3 * hidden])
            a[:] = sigmoid(a)
            a[2 * hidden : 3 * hidden] = g
            i, f, o = a[:hidden], a[hidden : 2 * hidden], a[3 * hidden :]
            c[t + 1] = f * c[t] + i * g
            h[t + 1] = o * np.tanh(c[t + 1])
        return h, c, gates


def sigmoid(a: Floats) -> Floats:
    """1 / (1 + exp(-a)), by way of tanh: no overflow at either end."""
    s: Floats = 0.5 * np.tanh(0.5 * a) + 0.5
    return s
