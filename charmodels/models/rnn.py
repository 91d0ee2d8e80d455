"""Elman 1990, "Finding structure in time", doi:10.1207/s15516709cog1402_1."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from charmodels.models.base import Recurrence, TorchState, freeze_second_bias, init_recurrent


class RNN(Recurrence):
    """The plain recurrence: what it says is what it remembers.

        h_t = tanh(W_xh x_t + b + W_hh h_{t-1})

    State: h (batch, hidden), zero at the start of a text.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.rnn = nn.RNN(input_size, hidden_size, batch_first=True)
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
        y, h = self.rnn(x, state["h"][None])
        return y, {"h": h[0]}

    def project(self, x: Tensor) -> Tensor:
        """W_xh x_t + b, (batch, hidden)."""
        w_x, _, b, _ = self.rnn.all_weights[0]
        return linear(x, w_x, b)

    def cell(self, projected: Tensor, state: TorchState) -> tuple[Tensor, TorchState]:
        """The tanh of the projection and W_hh h_{t-1}."""
        _, w_h, _, _ = self.rnn.all_weights[0]
        h = torch.tanh(torch.addmm(projected, state["h"], w_h.t()))
        return h, {"h": h}
