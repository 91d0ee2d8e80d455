"""Yang, Kautz and Hatamizadeh 2024, "Gated delta networks", arXiv:2412.06464."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import softplus

from charmodels.models.base import Recurrence, TorchState
from charmodels.models.scan import gates

HEAD = 32
"""Numbers of a head's keys and values, or as near as the width divides."""

CHUNK = 32
"""Characters read at once in training."""

REMEMBERED = (10.0, 1_000.0)
"""Characters after which a fresh head has forgotten two thirds: first head and last."""


class GatedDeltaNet(Recurrence):
    """Gated DeltaNet: a matrix that maps keys to values, corrected and faded at each character.

        q_t = u(W_q x_t + b_q)            what to look up            u(z) = z / |z|
        k_t = u(W_k x_t + b_k)            where to write
        v_t = W_v x_t + b_v               what to write there
        a_t = sigmoid(w_a x_t + b_a)      how much of everything is kept, one number a head
        e_t = sigmoid(w_e x_t + b_e)      how much of the mistake is corrected
        d_t = e_t (v_t - a_t S_{t-1}^T k_t)
        S_t = a_t S_{t-1} + k_t d_t^T
        h_t = S_t^T q_t

    in each head, side by side in h_t. This is the paper's gated delta rule with S transposed; its
    a_t has a rate of its own besides, and SiLUs stand before q, k and v and a norm after h_t. The
    convolution, the output gate and the product that mixes the heads are those of `Block`.
    State: S (batch, heads, keys, values), zero at the start of a text.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        counts = [n for n in range(1, hidden_size + 1) if hidden_size % n == 0]
        self.heads = min(counts, key=lambda n: abs(math.log(hidden_size / n / HEAD)))
        self.qkv = gates(input_size, hidden_size, biases=(0.0, 0.0, 0.0))
        self.gates = gates(input_size, self.heads, biases=(0.0, 0.0))  # a, e
        first, last = (math.log10(characters) for characters in REMEMBERED)
        with torch.no_grad():
            kept = 1 - 1 / torch.logspace(first, last, self.heads)
            self.gates.bias[: self.heads] = torch.logit(kept)

    @property
    def state_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """One matrix a head."""
        size = self.hidden_size // self.heads
        return {"S": (self.heads, size, size)}

    def forward(self, x: Tensor, state: TorchState) -> tuple[Tensor, TorchState]:
        """Read x (batch, time, input), say every h_t (batch, time, hidden)."""
        parts = [torch.split(z.transpose(1, 2), CHUNK, dim=2) for z in self._parts(x)]
        memory, said = state["S"], []
        with torch.autocast(x.device.type, enabled=False):
            for q, k, v, log_a, e in zip(*parts, strict=True):
                h, memory = _read_chunk(q, k, v, log_a, e, memory)
                said.append(h)
        return torch.cat(said, dim=2).transpose(1, 2).flatten(2), {"S": memory}

    def project(self, x: Tensor) -> Tensor:
        """All but the memory, (batch, 3 hidden + 2 heads): q, k, v, log a, e."""
        return torch.cat([z.flatten(-2) for z in self._parts(x)], dim=-1)

    def cell(self, projected: Tensor, state: TorchState) -> tuple[Tensor, TorchState]:
        """The memory, faded, corrected and read."""
        sizes = [self.hidden_size] * 3 + [self.heads] * 2
        q, k, v, log_a, e = (
            torch.unflatten(z, -1, (self.heads, 1, -1))
            for z in torch.split(projected, sizes, dim=-1)
        )  # each (batch, heads, 1, size), of gates 1
        with torch.autocast(projected.device.type, enabled=False):
            faded = log_a.exp() * state["S"]
            memory = faded + k.mT * (e * (v - k @ faded))
            return (q @ memory).flatten(1), {"S": memory}

    def _parts(self, x: Tensor) -> tuple[Tensor, ...]:
        """From x (..., input): q, k, v (..., heads, size), then log a and e (..., heads, 1).

        In the weights' type also under autocast: bfloat16 would round a of 0.998 to 1.
        """
        dtype = self.qkv.weight.dtype
        q, k, v = self.qkv(x).to(dtype).unflatten(-1, (3, self.heads, -1)).unbind(-3)
        a, e = self.gates(x).to(dtype).unflatten(-1, (2, self.heads, 1)).unbind(-3)
        return _unit(q), _unit(k), v, -softplus(-a), torch.sigmoid(e)


def _unit(z: Tensor) -> Tensor:
    return z * torch.rsqrt(z.square().sum(-1, keepdim=True) + 1e-6)


def _read_chunk(
    q: Tensor, k: Tensor, v: Tensor, log_a: Tensor, e: Tensor, memory: Tensor
) -> tuple[Tensor, Tensor]:
    """Every h_t of a chunk (batch, heads, time, size), and the memory after it, by products.

    With f_ij = a_{j+1} ... a_i, and S_0 the memory before the chunk, each d_i reads those before:

        d_i + sum_{j<i} e_i f_ij (k_i . k_j) d_j = e_i (v_i - f_i0 S_0^T k_i)

    This is a triangular system, solved as it stands; Yang et al. 2024, arXiv:2406.06484, find d
    from the inverse of its matrix.
    """
    log_f = log_a.cumsum(dim=-2)
    from_start = log_f.exp()  # f_i0, (batch, heads, time, 1)
    fade = (log_f - log_f.mT).tril().exp().tril()  # f_ij, (batch, heads, time, time)
    wanted = e * (v - from_start * (k @ memory))
    system = k @ k.mT * (e * fade)  # read below its diagonal alone, which stands for ones
    d = torch.linalg.solve_triangular(system, wanted, upper=False, unitriangular=True)
    h = from_start * (q @ memory) + (q @ k.mT * fade) @ d
    to_end = fade[..., -1:, :].mT  # f_tj of the last t, (batch, heads, time, 1)
    return h, from_start[..., -1:, :] * memory + k.mT @ (to_end * d)
