"""Hochreiter and Schmidhuber 1997, "Long short-term memory", doi:10.1162/neco.1997.9.8.1735."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from charmodels.models.base import Recurrence, TorchState, freeze_second_bias, init_recurrent


class LSTM(Recurrence):
    """Long short-term memory: a line c that is only added to and faded, and gates around it.

        i_t = sigmoid(W_xi x_t + b_i + W_hi h_{t-1})      what to write
        f_t = sigmoid(W_xf x_t + b_f + W_hf h_{t-1})      what to keep
        g_t = tanh(W_xg x_t + b_g + W_hg h_{t-1})         the candidate
        o_t = sigmoid(W_xo x_t + b_o + W_ho h_{t-1})      what to say
        c_t = f_t * c_{t-1} + i_t * g_t
        h_t = o_t * tanh(c_t)

    With the forget gate of Gers et al. 2000, whose bias starts at 1 (Jozefowicz et al. 2015) so
    that a fresh model remembers; one bias a gate; no peepholes.
    State: h and c (batch, hidden), zero at the start of a text.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.rnn = nn.LSTM(input_size, hidden_size, batch_first=True)
        w_x, w_h, b, second_bias = self.rnn.all_weights[0]
        freeze_second_bias(second_bias)
        with torch.no_grad():
            init_recurrent(w_x, w_h, b)
            b[hidden_size : 2 * hidden_size] = 1.0

    @property
    def state_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Two memories: h, what was said, and c, the line."""
        return {"h": (self.hidden_size,), "c": (self.hidden_size,)}

    def forward(self, x: Tensor, state: TorchState) -> tuple[Tensor, TorchState]:
        """Read x (batch, time, input), say every h_t (batch, time, hidden)."""
        y, (h, c) = self.rnn(x, (state["h"][None], state["c"][None]))
        return y, {"h": h[0], "c": c[0]}

    def project(self, x: Tensor) -> Tensor:
        """The four products with x_t and their biases, (batch, 4 hidden): i, f, g, o."""
        w_x, _, b, _ = self.rnn.all_weights[0]
        return linear(x, w_x, b)

    def cell(self, projected: Tensor, state: TorchState) -> tuple[Tensor, TorchState]:
        """Gates, the line and what is said of it."""
        _, w_h, _, _ = self.rnn.all_weights[0]
        gates = torch.addmm(projected, state["h"], w_h.t())  # (batch, 4 hidden)
        i, f, g, o = gates.chunk(4, dim=-1)  # each (batch, hidden)
        c = torch.sigmoid(f) * state["c"] + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, {"h": h, "c": c}
