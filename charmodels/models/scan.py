"""Memories that are only mixed: h_t = a_t * h_{t-1} + b_t, where a_t and b_t see only the input."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from charmodels.models.base import Recurrence, TorchState


class LinearRecurrence(Recurrence):
    """A recurrence whose gates know no memory: all are computed at once, then mixed in a scan.

        h_t = a_t * h_{t-1} + b_t

    A subclass says in `mixing` what a_t and b_t are.
    State: h (batch, hidden), zero at the start of a text.
    """

    @abstractmethod
    def mixing(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """From x (..., input), what is kept of h and what is added, each (..., hidden).

        In the weights' type also under autocast: bfloat16 would round 0.998 to 1, and forget
        nothing.
        """

    @property
    def state_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """One memory, h."""
        return {"h": (self.hidden_size,)}

    def forward(self, x: Tensor, state: TorchState) -> tuple[Tensor, TorchState]:
        """Read x (batch, time, input), say every h_t (batch, time, hidden)."""
        a, b = self.mixing(x)
        said = scan(a, b, state["h"])
        return said, {"h": said[:, -1]}

    def project(self, x: Tensor) -> Tensor:
        """All but the mixing, (batch, 2 hidden): a, b."""
        return torch.cat(self.mixing(x), dim=-1)

    def cell(self, projected: Tensor, state: TorchState) -> tuple[Tensor, TorchState]:
        """The mixing."""
        a, b = projected.chunk(2, dim=-1)  # each (batch, hidden)
        h = a * state["h"] + b
        return h, {"h": h}


def gates(input_size: int, hidden_size: int, biases: Sequence[float]) -> nn.Linear:
    """One product with x_t for several gates: Glorot for each, their biases where they start."""
    product = nn.Linear(input_size, len(biases) * hidden_size)
    weights, starts = product.weight.chunk(len(biases)), product.bias.chunk(len(biases))
    with torch.no_grad():
        for weight, start, bias in zip(weights, starts, biases, strict=True):
            nn.init.xavier_uniform_(weight)
            nn.init.constant_(start, bias)
    return product


def positive(v: Tensor) -> Tensor:
    """g(v) = v + 1/2 where v >= 0, sigmoid(v) elsewhere: smooth, never below 0.

    Source: Feng et al. 2024, arXiv:2410.01201, appendix B. Written without a choice, whose gradient
    is slow on a CPU: the rectified part is 0 on one side, the sigmoid 1/2 on the other.
    """
    rectified = torch.relu(v)
    return rectified + torch.sigmoid(v - rectified)


def scan(a: Tensor, b: Tensor, h: Tensor) -> Tensor:
    """Every h_t = a_t * h_{t-1} + b_t, number by number, from the memory h.

    Args:
        a: what is kept of each number, (batch, time, hidden).
        b: what is added to it, (batch, time, hidden).
        h: the memory before the first character, (batch, hidden), of the type of a and b.

    Returns:
        The memory after each character, (batch, time, hidden).
    """
    said: Tensor = _Scan.apply(a, b, h)  # type: ignore[no-untyped-call]
    return said


class _Scan(torch.autograd.Function):
    """One multiplication and addition a character in both directions, into memory taken once.

    With e_t = d loss / d h_t as it comes from what reads h_t, and d_t with all that comes through
    h_{t+1} as well:

        d_t = e_t + a_{t+1} * d_{t+1}       the same recurrence, backwards
        d loss / d b_t = d_t
        d loss / d a_t = d_t * h_{t-1}
        d loss / d h_0 = a_1 * d_1

    Plain numbers, not logarithms as in the papers' scans: they may have either sign.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, h: Tensor) -> Tensor:
        said = torch.empty_like(b)
        last = h
        for a_t, b_t, h_t in zip(a.unbind(1), b.unbind(1), said.unbind(1), strict=True):
            last = torch.addcmul(b_t, a_t, last, out=h_t)  # (batch, hidden)
        ctx.save_for_backward(a, said, h)
        return said

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, e: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        a, said, h = ctx.saved_tensors
        d = torch.empty_like(a)
        d[:, -1] = e[:, -1]
        a_, e_, d_ = a.unbind(1), e.unbind(1), d.unbind(1)  # one by one, each (batch, hidden)
        for t in reversed(range(len(a_) - 1)):
            torch.addcmul(e_[t], a_[t + 1], d_[t + 1], out=d_[t])
        of_a = torch.empty_like(a)
        torch.mul(d[:, 0], h, out=of_a[:, 0])
        torch.mul(d[:, 1:], said[:, :-1], out=of_a[:, 1:])
        return of_a, d, a[:, 0] * d[:, 0]
