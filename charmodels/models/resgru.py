"""Feng et al. 2024, "Were RNNs all we needed?", arXiv:2410.01201, in a residual line."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear, pad, silu

from charmodels.models.base import Recurrence, TorchState
from charmodels.models.scan import gates

TAPS = 4
"""Characters the convolution sees: this one and three before it."""

WIDENING = 2
"""How many times wider than the line the MLP is inside."""

SLOWEST = -5.0
"""b_z starts between this and 0, number by number: memories of 2 to 150 characters."""


class ResGRU(Recurrence):
    """A line that passes through; a minimal GRU with an output gate adds to it, then an MLP.

        x_t = W_0 e_t + W_1 e_{t-1} + W_2 e_{t-2} + W_3 e_{t-3}        where e is an embedding
        n_t = norm(x_t)
        z_t = sigmoid(W_z n_t + b_z)                         how much to replace
        v_t = W_v n_t + b_v
        h_t = h_{t-1} + z_t * (v_t - h_{t-1})
        y_t = x_t + W_o (h_t * silu(W_g n_t + b_g))          the output gate
        m_t = norm(y_t)
        out_t = y_t + W_d (silu(W_a m_t) * W_u m_t)          Shazeer 2020, arXiv:2002.05202

    Departs from the paper, section 3.1 and appendix C: v_t is written as it is, so one product
    gives all three gates, and the gate on what is said is De et al.'s, 2024, arXiv:2402.19427. Made
    to be trained on a processor: its time goes to a few large products, and the gradient of what
    stands between them is written out. Dropout hides numbers of what the two branches add, before
    W_o and W_d, never of the line.
    The convolution that begins the line stands in the layer whose input is not as wide as it.
    State: h (batch, hidden), zero at the start of a text; with a convolution also
    conv (batch, 3, hidden): what the characters so far add to x_{t+1}, x_{t+2} and x_{t+3}.
    """

    line_norm = partial(nn.LayerNorm, bias=False)
    hides_embedding = False

    def __init__(self, input_size: int, hidden_size: int, dropout: float = 0.0) -> None:
        super().__init__(input_size, hidden_size)
        self.has_taps = input_size != hidden_size
        if self.has_taps:
            self.taps = nn.Linear(TAPS * input_size, hidden_size, bias=False)  # W_3, W_2, W_1, W_0
        self.norm = nn.LayerNorm(hidden_size, bias=False)
        self.gates = gates(hidden_size, hidden_size, biases=(0.0, 0.0, 0.0))  # z, v, g
        self.out = nn.Linear(hidden_size, hidden_size, bias=False)
        self.mlp_norm = nn.LayerNorm(hidden_size, bias=False)
        self.mlp_in = nn.Linear(hidden_size, 2 * WIDENING * hidden_size, bias=False)  # a, u
        self.mlp_out = nn.Linear(WIDENING * hidden_size, hidden_size, bias=False)
        self.dropout = dropout
        with torch.no_grad():
            self.gates.bias[:hidden_size] = torch.linspace(SLOWEST, 0.0, hidden_size)
            if self.has_taps:  # an embedding is about 1 long: so the line's numbers are about 1
                nn.init.normal_(self.taps.weight, std=TAPS**-0.5)

    @property
    def state_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """One memory, h; and the convolution's, where there is one."""
        h = {"h": (self.hidden_size,)}
        return {**h, "conv": (TAPS - 1, self.hidden_size)} if self.has_taps else h

    def forward(self, x: Tensor, state: TorchState) -> tuple[Tensor, TorchState]:
        """Read x (batch, time, input), say (batch, time, hidden); in memory, time comes first."""
        x = x.transpose(0, 1)  # (time, batch, input)
        after: dict[str, Tensor] = {}
        if self.has_taps:
            x, after = self._begin(x, state["conv"])
        said, h = gated_memory(self.gates(self.norm(x)), state["h"])
        x = self._add(x, said, self.out)
        x = self._add(x, gated(self.mlp_in(self.mlp_norm(x))), self.mlp_out)
        return x.transpose(0, 1), {"h": h, **after}

    def _begin(self, e: Tensor, conv: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The line, from e (time, batch, input), and what is still to be added to what follows."""
        padded = pad(e, (0, 0, 0, 0, TAPS - 1, TAPS - 1))
        length = len(e) + TAPS - 1
        seen = torch.cat([padded[i : i + length] for i in range(TAPS)], dim=-1)
        x = self.taps(seen)  # (time + 3, batch, hidden)
        x[: TAPS - 1] += conv.transpose(0, 1)
        return x[: len(e)], {"conv": x[len(e) :].transpose(0, 1).to(conv.dtype)}

    def _add(self, x: Tensor, said: Tensor, out: nn.Linear) -> Tensor:
        """The line x and what a branch adds to it, (time, batch, hidden)."""
        if self.training and self.dropout:
            said = hide(said, self.dropout)
        line = x.flatten(0, 1), said.flatten(0, 1)
        return torch.addmm(line[0], line[1], out.weight.t()).view_as(x)  # one pass over memory

    def project(self, x: Tensor) -> Tensor:
        """What x adds to this character and the three after it; or else the line and its gates.

        Either is (batch, 4 hidden).
        """
        if self.has_taps:
            taps = self.taps.weight.view(self.hidden_size, TAPS, -1).flip(1)  # (hidden, 4, input)
            return linear(x, taps.transpose(0, 1).flatten(0, 1))
        return torch.cat([x, self.gates(self.norm(x))], dim=-1)

    def cell(self, projected: Tensor, state: TorchState) -> tuple[Tensor, TorchState]:
        """All the rest."""
        after = {}
        if self.has_taps:
            new = projected.view(-1, TAPS, self.hidden_size)  # (batch, 4, hidden)
            x = new[:, 0] + state["conv"][:, 0]
            after["conv"] = torch.cat([new[:, 1:-1] + state["conv"][:, 1:], new[:, -1:]], dim=1)
            gates = self.gates(self.norm(x))  # (batch, 3 hidden)
        else:
            x, gates = projected.tensor_split([self.hidden_size], dim=-1)
        z, v, g = gates.chunk(3, dim=-1)  # each (batch, hidden)
        h = state["h"]
        # onnxruntime's own sigmoid is off by 1e-7: too much where z is so small and h kept so long
        h = h + torch.reciprocal(1 + torch.exp(-z.to(h.dtype))) * (v - h)
        y = x + self.out(h * silu(g))
        a, u = self.mlp_in(self.mlp_norm(y)).chunk(2, dim=-1)  # each (batch, 2 hidden)
        out = y + self.mlp_out(silu(a) * u)
        return out, {"h": h, **after}


def gated_memory(gates: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """h_t = h_{t-1} + sigmoid(z_t) (v_t - h_{t-1}), of which h_t silu(g_t) is said.

    Args:
        gates: z, v, g, (time, batch, 3 hidden).
        h: the memory before the first character, (batch, hidden).

    Returns:
        What is said, (time, batch, hidden) of the gates' type, and the memory after it, of its own.
    """
    said, last = _GatedMemory.apply(gates, h)  # type: ignore[no-untyped-call]
    return said, last


def hide(x: Tensor, share: float) -> Tensor:
    """Dropout with one random byte a number: torch's own takes an eighth of an LSTM's step.

    The share is rounded to 256ths; what is kept is made larger by as much as is hidden.
    """
    cut = min(round(256 * share), 255)
    drawn = torch.empty(-(-x.numel() // 8), dtype=torch.int64, device=x.device)
    drawn.random_(-(2**63), None)  # eight bytes at once
    kept = drawn.view(torch.uint8)[: x.numel()].view(x.shape) >= cut
    return x * kept.to(x.dtype).mul_(256 / (256 - cut))


def gated(au: Tensor) -> Tensor:
    """silu(a) * u from both side by side, (..., any)."""
    said: Tensor = _Gated.apply(au)  # type: ignore[no-untyped-call]
    return said


class _GatedMemory(torch.autograd.Function):
    """Its memory is in float32, all else in the gates' type.

    With s_t = h_t silu(g_t), e_t = d loss / d s_t as it comes from what reads s_t, and d_t the
    gradient of h_t with all that comes through h_{t+1}:

        d_t = e_t silu(g_t) + (1 - z_{t+1}) d_{t+1}
        d loss / d g_t = e_t h_t silu'(g_t)
        d loss / d v_t = d_t z_t
        d loss / d z_t = d_t (v_t - h_{t-1}) z_t (1 - z_t)      z_t before its sigmoid
        d loss / d h_0 = (1 - z_1) d_1
    """

    @staticmethod
    def forward(ctx: Any, gates: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        z, v, g = gates.chunk(3, dim=-1)  # each (time, batch, hidden)
        z, v = torch.sigmoid(z.to(h.dtype)), v.to(h.dtype)
        memory, last = torch.empty_like(v, memory_format=torch.contiguous_format), h
        for z_t, v_t, h_t in zip(z.unbind(), v.unbind(), memory.unbind(), strict=True):
            last = torch.lerp(last, v_t, z_t, out=h_t)  # (batch, hidden)
        rounded = memory.to(gates.dtype)
        ctx.save_for_backward(gates, z, rounded, h)
        return silu(g).mul_(rounded), last.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, e: Tensor, of_last: Tensor) -> tuple[Tensor, Tensor]:
        gates, z, memory, h = ctx.saved_tensors
        _, v, g = gates.chunk(3, dim=-1)
        of_gates = torch.empty_like(gates)
        of_z, of_v, of_g = of_gates.chunk(3, dim=-1)
        torch.ops.aten.silu_backward.grad_input(e * memory, g, grad_input=of_g)
        d = silu(g).mul_(e).to(h.dtype)
        kept = 1 - z
        d_, kept_ = d.unbind(), kept.unbind()
        d_[-1].add_(of_last)
        for t in reversed(range(len(d_) - 1)):
            d_[t].addcmul_(kept_[t + 1], d_[t + 1])
        of_h = kept[0] * d[0]
        d.mul_(z)
        of_v.copy_(d)
        moved = v.to(h.dtype, copy=True)
        moved[0].sub_(h)
        moved[1:].sub_(memory[:-1])
        of_z.copy_(moved.mul_(kept).mul_(d))
        return of_gates, of_h


class _Gated(torch.autograd.Function):
    """Keeps only its input, and writes both gradients where the product before it reads them."""

    @staticmethod
    def forward(ctx: Any, au: Tensor) -> Tensor:
        ctx.save_for_backward(au)
        a, u = au.chunk(2, dim=-1)
        return silu(a).mul_(u)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, e: Tensor) -> Tensor:
        (au,) = ctx.saved_tensors
        a, u = au.chunk(2, dim=-1)
        of_au = torch.empty_like(au)
        of_a, of_u = of_au.chunk(2, dim=-1)
        torch.mul(silu(a), e, out=of_u)
        torch.ops.aten.silu_backward.grad_input(e * u, a, grad_input=of_a)
        return of_au
