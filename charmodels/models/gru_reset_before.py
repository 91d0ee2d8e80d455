"""Cho et al. 2014, "Learning phrase representations using RNN encoder-decoder", arXiv:1406.1078."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from charmodels.models.base import Recurrence, TorchState, freeze_second_bias, init_recurrent


class GRUResetBefore(Recurrence):
    """Gated recurrent unit as the paper has it: what is reset is hidden before it is multiplied.

        r_t = sigmoid(W_xr x_t + b_r + W_hr h_{t-1})
        z_t = sigmoid(W_xz x_t + b_z + W_hz h_{t-1})
        n_t = tanh(W_xn x_t + b_n + W_hn (r_t * h_{t-1}))      equation 8
        h_t = z_t * h_{t-1} + (1 - z_t) * n_t                  equation 7

    Keras calls it reset_after=False. Torch has no kernel for it, so a sequence is a loop over its
    characters, several times slower to train than `gru`; its module only holds the weights.
    State: h (batch, hidden), zero at the start of a text.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.rnn = nn.GRU(input_size, hidden_size, batch_first=True)
        w_x, w_h, b, second_bias = self.rnn.all_weights[0]
        freeze_second_bias(second_bias)
        with torch.no_grad():
            init_recurrent(w_x, w_h, b)

    @property
    def state_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """One memory, h."""
        return {"h": (self.hidden_size,)}

    def forward(self, x: Tensor, state: TorchState) -> tuple[Tensor, TorchState]:
        """Read x (batch, time, input), say every h_t (batch, time, hidden)."""
        said = []
        for projected in self.project(x).unbind(dim=1):  # each (batch, 3 hidden)
            h, state = self.cell(projected, state)
            said.append(h)
        return torch.stack(said, dim=1), state

    def project(self, x: Tensor) -> Tensor:
        """The three products with x_t and their biases, (batch, 3 hidden): r, z, n."""
        w_x, _, b, _ = self.rnn.all_weights[0]
        return linear(x, w_x, b)

    def cell(self, projected: Tensor, state: TorchState) -> tuple[Tensor, TorchState]:
        """Gates, then the candidate from what the reset gate lets through, and the new memory."""
        _, w_h, _, _ = self.rnn.all_weights[0]
        w_hr, w_hz, w_hn = w_h.chunk(3, dim=0)  # each (hidden, hidden)
        x_r, x_z, x_n = projected.chunk(3, dim=-1)  # each (batch, hidden)
        h = state["h"]
        r = torch.sigmoid(torch.addmm(x_r, h, w_hr.t()))
        z = torch.sigmoid(torch.addmm(x_z, h, w_hz.t()))
        n = torch.tanh(torch.addmm(x_n, r * h, w_hn.t()))
        h = n + z * (h - n)
        return h, {"h": h}
