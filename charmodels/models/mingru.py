"""Feng et al. 2024, "Were RNNs all we needed?", arXiv:2410.01201."""

import torch
from torch import Tensor

from charmodels.models.scan import LinearRecurrence, gates, positive


class MinGRU(LinearRecurrence):
    """Minimal GRU, section 3.1: the gate sees only the input, so memory is mixed, not multiplied.

        z_t = sigmoid(W_z x_t + b_z)            how much to replace
        v_t = W_h x_t + b_h
        g(v) = v + 1/2 where v >= 0, sigmoid(v) elsewhere            appendix B
        h_t = (1 - z_t) * h_{t-1} + z_t * g(v_t)

    b_z starts at -1, so that a fresh model remembers, as the LSTM does.
    State: h (batch, hidden), zero at the start of a text.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.gates = gates(input_size, hidden_size, biases=(-1.0, 0.0))  # z, v

    def mixing(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """From x (..., input), what is kept of h and what is added, each (..., hidden)."""
        z, v = self.gates(x).to(self.gates.weight.dtype).chunk(2, dim=-1)
        z = torch.sigmoid(z)
        return 1 - z, z * positive(v)
