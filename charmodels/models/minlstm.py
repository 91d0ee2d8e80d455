"""Feng et al. 2024, "Were RNNs all we needed?", arXiv:2410.01201."""

import torch
from torch import Tensor
from torch.nn.functional import softplus

from charmodels.models.scan import LinearRecurrence, gates, positive


class MinLSTM(LinearRecurrence):
    """Minimal LSTM, section 3.2: two gates that see only the input and together make one.

        f_t = sigmoid(W_f x_t + b_f)            what to keep
        i_t = sigmoid(W_i x_t + b_i)            what to write
        f'_t = f_t / (f_t + i_t),  i'_t = i_t / (f_t + i_t)
        v_t = W_h x_t + b_h
        g(v) = v + 1/2 where v >= 0, sigmoid(v) elsewhere            appendix B
        h_t = f'_t * h_{t-1} + i'_t * g(v_t)

    Computed as f' = sigmoid(log f - log i), which does not divide zero by zero, and i' = 1 - f'.
    b_f starts at 1, so that a fresh model remembers, as the LSTM does.
    State: h (batch, hidden), zero at the start of a text.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.gates = gates(input_size, hidden_size, biases=(1.0, 0.0, 0.0))  # f, i, v

    def mixing(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """From x (..., input), what is kept of h and what is added, each (..., hidden)."""
        f, i, v = self.gates(x).to(self.gates.weight.dtype).chunk(3, dim=-1)
        f = torch.sigmoid(softplus(-i) - softplus(-f))  # log sigmoid(f) = -softplus(-f)
        return f, (1 - f) * positive(v)
