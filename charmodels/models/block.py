"""De et al. 2024, "Griffin", arXiv:2402.19427: a block in which any recurrence can sit."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from charmodels.models.base import Recurrence, TorchState

TAPS = 4
"""Characters the convolution sees: this one and three before it."""

WIDENING = 2
"""How many times wider than the line the gated MLP is inside."""


class Block(Recurrence):
    """A line that passes through, and two branches that add to it: memory, then an MLP.

        n_t = rmsnorm(x_t)
        k_t = w_0 * n_{t-3} + w_1 * n_{t-2} + w_2 * n_{t-1} + w_3 * n_t + b
        h_t = recurrence(k_t, its own state)
        y_t = x_t + W_o (h_t * silu(W_g n_t + b_g))            the output gate
        m_t = rmsnorm(y_t)
        out_t = y_t + W_d (silu(W_a m_t) * W_u m_t)            Shazeer 2020, arXiv:2002.05202

    Departs from the paper, section 2.3: the convolution reads the norm itself, without a linear
    layer of its own, and the gates are SiLU. The line is as wide as the recurrence, and its last
    norm stands before the model's head. Dropout hides what the branches add, never the line.
    State: that of the recurrence, and conv (batch, 3, hidden): n_{t-3}, n_{t-2}, n_{t-1}.
    """

    line_norm = nn.RMSNorm

    def __init__(self, recurrence: Recurrence, dropout: float) -> None:
        width = recurrence.hidden_size
        super().__init__(width, width)
        self.recurrence = recurrence
        self.norm, self.mlp_norm = nn.RMSNorm(width), nn.RMSNorm(width)
        self.taps = nn.Parameter(torch.empty(TAPS, width).uniform_(-(TAPS**-0.5), TAPS**-0.5))  # w
        self.bias = nn.Parameter(torch.zeros(width))  # b
        self.gate = nn.Linear(width, width)
        self.out = nn.Linear(width, width, bias=False)
        self.mlp_in = nn.Linear(width, 2 * WIDENING * width, bias=False)  # a, u
        self.mlp_out = nn.Linear(WIDENING * width, width, bias=False)
        self.dropout = nn.Dropout(dropout)

    @property
    def state_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The recurrence's memory, and the convolution's."""
        return {**self.recurrence.state_shapes, "conv": (TAPS - 1, self.hidden_size)}

    @property
    def state_dtypes(self) -> Mapping[str, torch.dtype]:
        """The recurrence's, and float32."""
        return {**self.recurrence.state_dtypes, "conv": torch.float32}

    def forward(self, x: Tensor, state: TorchState) -> tuple[Tensor, TorchState]:
        """Read x (batch, time, hidden), say (batch, time, hidden)."""
        n = self.norm(x)
        seen = torch.cat([state["conv"], n], dim=1)  # (batch, 3 + time, hidden)
        k = self.bias
        for i, w in enumerate(self.taps):
            k = k + w * seen[:, i : i + x.shape[1]]  # (batch, time, hidden)
        h, after = self.recurrence(k, state)
        y = self._say(x, h, silu(self.gate(n)))
        return y, {**after, "conv": seen[:, 1 - TAPS :]}

    def project(self, x: Tensor) -> Tensor:
        """All before the convolution, (batch, 3 hidden): the line, its norm, the output gate."""
        n = self.norm(x)
        return torch.cat([x, n, silu(self.gate(n))], dim=-1)

    def cell(self, projected: Tensor, state: TorchState) -> tuple[Tensor, TorchState]:
        """Convolution, recurrence, what is said of it, and the MLP."""
        x, n, gate = projected.chunk(3, dim=-1)  # each (batch, hidden)
        seen = torch.cat([state["conv"], n[:, None]], dim=1)  # (batch, 4, hidden)
        k = self.bias + (self.taps * seen).sum(dim=1)  # (batch, hidden)
        h, after = self.recurrence.step(k, state)
        return self._say(x, h, gate), {**after, "conv": seen[:, 1:]}

    def _say(self, x: Tensor, h: Tensor, gate: Tensor) -> Tensor:
        """What the two branches add to the line, (..., hidden)."""
        y = x + self.dropout(self.out(h * gate))
        a, u = self.mlp_in(self.mlp_norm(y)).chunk(2, dim=-1)  # each (..., 2 hidden)
        out: Tensor = y + self.dropout(self.mlp_out(silu(a) * u))
        return out
