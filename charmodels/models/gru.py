"""Cho et al. 2014, "Learning phrase representations using RNN encoder-decoder", arXiv:1406.1078."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from charmodels.models.base import Recurrence, TorchState, init_recurrent


class GRU(Recurrence):
    """Gated recurrent unit: one gate decides what to forget, one how much to replace.

        r_t = sigmoid(W_xr x_t + b_r + W_hr h_{t-1} + d_r)
        z_t = sigmoid(W_xz x_t + b_z + W_hz h_{t-1} + d_z)
        n_t = tanh(W_xn x_t + b_n + r_t * (W_hn h_{t-1} + d_n))
        h_t = (1 - z_t) * n_t + z_t * h_{t-1}

    The reset gate multiplies after the matrix product, as cuDNN does and unlike the paper's
    equation 8: all three products with h_{t-1} are then one.
    State: h (batch, hidden), zero at the start of a text.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.rnn = nn.GRU(input_size, hidden_size, batch_first=True)
        w_x, w_h, b, d = self.rnn.all_weights[0]
        nn.init.zeros_(d)
        with torch.no_grad():
            init_recurrent(w_x, w_h, b)

    @property
    def state_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """One memory, h."""
        return {"h": (self.hidden_size,)}

    def forward(self, x: Tensor, state: TorchState) -> tuple[Tensor, TorchState]:
        """Read x (batch, time, input), say every h_t (batch, time, hidden)."""
        y, h = self.rnn(x, state["h"][None])
        return y, {"h": h[0]}

    def project(self, x: Tensor) -> Tensor:
        """The three products with x_t and their biases, (batch, 3 hidden): r, z, n."""
        w_x, _, b, _ = self.rnn.all_weights[0]
        return linear(x, w_x, b)

    def cell(self, projected: Tensor, state: TorchState) -> tuple[Tensor, TorchState]:
        """Gates, candidate and the new memory."""
        _, w_h, _, d = self.rnn.all_weights[0]
        h = state["h"]
        x_r, x_z, x_n = projected.chunk(3, dim=-1)  # each (batch, hidden)
        h_r, h_z, h_n = linear(h, w_h, d).chunk(3, dim=-1)
        r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
        n = torch.tanh(x_n + r * h_n)
        h = n + z * (h - n)
        return h, {"h": h}
