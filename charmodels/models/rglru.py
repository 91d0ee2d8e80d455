"""De et al. 2024, "Griffin: mixing gated linear recurrences", arXiv:2402.19427."""

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from charmodels.models.scan import LinearRecurrence, gates

C = 8.0
"""The paper's constant: how much faster than its slowest a memory can fade."""

SLOWEST = (0.9, 0.999)
"""Between these a^c starts, number by number: memories of ten to a thousand characters."""


class RGLRU(LinearRecurrence):
    """Real-gated linear recurrent unit, section 2.4: every number fades at its own rate.

        r_t = sigmoid(W_a x_t + b_a)            how fast to fade
        i_t = sigmoid(W_x x_t + b_x)            what to write
        a_t = a^(c r_t),  a = sigmoid(L),  c = 8
        u_t = W_u x_t + b_u
        h_t = a_t * h_{t-1} + sqrt(1 - a_t^2) * (i_t * u_t)

    u_t departs from the paper, where x_t is as wide as the memory and is written itself: its own
    linear layer stands before the convolution.
    State: h (batch, hidden), zero at the start of a text.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.gates = gates(input_size, hidden_size, biases=(0.0, 0.0, 0.0))  # r, i, u
        a = torch.empty(hidden_size).uniform_(*SLOWEST) ** (1 / C)
        self.fading = nn.Parameter(torch.logit(a))  # L

    def mixing(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """From x (..., input), what is kept of h and what is added, each (..., hidden)."""
        r, i, u = self.gates(x).to(self.gates.weight.dtype).chunk(3, dim=-1)
        log_a = -C * softplus(-self.fading) * torch.sigmoid(r)
        a = torch.exp(log_a)
        # 1 - a^2 loses its digits where a is near 1; this, its equal, keeps them. The least value
        # keeps the root's slope finite.
        rest = (-torch.tanh(log_a) * (1 + a * a)).clamp(min=1e-12)
        return a, torch.sqrt(rest) * (torch.sigmoid(i) * u)
