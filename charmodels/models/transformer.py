"""Vaswani et al. 2017, "Attention is all you need", arXiv:1706.03762: no recurrence, a window."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from charmodels.models.base import Recurrence, TorchState
from charmodels.models.scan import gates

WINDOW = 32
"""Characters each layer sees: this one and those before it."""

HEAD = 20
"""Numbers of a head, or as near as the width divides."""


class Transformer(Recurrence):
    """Causal attention to the last 32 characters: nothing is summed up, only what is too old goes.

        q_t, k_t, v_t = W_q x_t + b_q, W_k x_t + b_k, W_v x_t + b_v
        s_ti = q_t . k_i / sqrt(size) - m (t - i)         for t - 32 < i <= t
        h_t = sum_i softmax_i(s_ti) v_i

    in each head; m is fixed, 2^(-8 n / heads) in the n-th of them: ALiBi, Press et al. 2021,
    arXiv:2108.12409. Before a text stand characters whose k and v are zero, so that nothing must
    tell which are real: a head may look at them in order to say little. The norms, the line that
    passes through and the MLP are those of `Block`, which makes it a Transformer's layer.
    State: k and v (batch, 31, hidden), those of the characters before, zero at the start.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        counts = [n for n in range(1, hidden_size + 1) if hidden_size % n == 0]
        self.heads = min(counts, key=lambda n: abs(math.log(hidden_size / n / HEAD)))
        self.qkv = gates(input_size, hidden_size, biases=(0.0, 0.0, 0.0))
        slopes = 2 ** (-8 * torch.arange(1, self.heads + 1) / self.heads)
        age = torch.arange(WINDOW, 2 * WINDOW)[:, None] - torch.arange(2 * WINDOW)
        bias = -slopes[:, None, None] * age
        bias = bias.masked_fill((age < 0) | (age >= WINDOW), -torch.inf)
        self.bias: Tensor
        self.register_buffer("bias", bias[:, :, 1:], persistent=False)

    @property
    def state_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Two memories: the keys and the values of the characters before."""
        return dict.fromkeys(("k", "v"), (WINDOW - 1, self.hidden_size))

    def forward(self, x: Tensor, state: TorchState) -> tuple[Tensor, TorchState]:
        """Read x (batch, time, input), say every h_t (batch, time, hidden)."""
        said = []
        for part in torch.split(self.qkv(x), WINDOW, dim=1):
            h, state = self._attend(part, state)
            said.append(h)
        return torch.cat(said, dim=1), state

    def project(self, x: Tensor) -> Tensor:
        """The three products with x_t and their biases, (batch, 3 hidden): q, k, v."""
        projected: Tensor = self.qkv(x)
        return projected

    def cell(self, projected: Tensor, state: TorchState) -> tuple[Tensor, TorchState]:
        """The window moved by one, and the attention to it."""
        h, after = self._attend(projected[:, None], state)
        return h[:, 0], after

    def _attend(self, projected: Tensor, state: TorchState) -> tuple[Tensor, TorchState]:
        """Say every h_t (batch, time, hidden) of at most WINDOW characters, and move the window.

        By hand: on a CPU in bfloat16 torch's own attention takes three times as long.
        """
        q, k, v = projected.chunk(3, dim=-1)  # each (batch, time, hidden)
        time = q.shape[1]
        k, v = (torch.cat([state[n].to(z.dtype), z], dim=1) for n, z in (("k", k), ("v", v)))
        q_, k_, v_ = (
            torch.unflatten(z, -1, (self.heads, -1)).transpose(1, 2) for z in (q, k, v)
        )  # each (batch, heads, time, size)
        bias = self.bias[:, :time, : time + WINDOW - 1]
        with torch.autocast(q.device.type, enabled=False):
            scores = q_ * q_.shape[-1] ** -0.5 @ k_.mT + bias.to(q.dtype)
            h = torch.softmax(scores, dim=-1) @ v_  # (batch, heads, time, size)
        dtype = self.bias.dtype
        after = {"k": k[:, -(WINDOW - 1) :].to(dtype), "v": v[:, -(WINDOW - 1) :].to(dtype)}
        return h.transpose(1, 2).flatten(2), after
