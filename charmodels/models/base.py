"""The character model: embedding, a stack of recurrences, a head.

Axes, everywhere in this package:

    batch    texts side by side
    time     characters of one text
    input    what a recurrence reads at one character
    hidden   what it remembers and says
    vocab    scores, one for each character the model knows

A state maps names to tensors with batch on axis 0: `h_0` and `c_0` belong to layer 0.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from charmodels.config import ModelConfig
from charmodels.runtime.errors import SettingError

TorchState = Mapping[str, Tensor]

IGNORE = -1
"""The target of padding: no loss is paid there."""


class Recurrence(nn.Module, ABC):
    """One layer with memory: a whole sequence by `forward`, one character by `step`; both agree.

    A step has two halves. `project` reads the input and knows no memory, so that for the first
    layer it can be computed once for every character of the vocabulary; `cell` does the rest.
    """

    line_norm: Callable[[int], nn.Module] | None = None
    """The norm before the head, of a recurrence that adds to a line which passes through. Such a
    one hides what it adds with dropout by itself, and never the line."""

    hides_embedding = True
    """Whether dropout hides numbers of the embedding, where the line may begin."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size

    @property
    @abstractmethod
    def state_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Kinds of memory (`h`, `c`, ...) and their shapes without the batch axis."""

    @property
    def state_dtypes(self) -> Mapping[str, torch.dtype]:
        """Their types: float32, unless a memory counts or points, then int64."""
        return dict.fromkeys(self.state_shapes, torch.float32)

    def recurrent_matrices(self) -> list[nn.Parameter]:
        """What multiplies the memory of h: none where every number remembers for itself."""
        return [matrix for name, matrix in self.named_parameters() if "weight_hh" in name]

    @abstractmethod
    def forward(self, x: Tensor, state: TorchState) -> tuple[Tensor, TorchState]:
        """Read x (batch, time, input), say (batch, time, hidden), return the state after it."""

    @abstractmethod
    def project(self, x: Tensor) -> Tensor:
        """The half of a step that sees only the input: x (batch, input) -> (batch, any)."""

    @abstractmethod
    def cell(self, projected: Tensor, state: TorchState) -> tuple[Tensor, TorchState]:
        """The half that sees the memory: say (batch, hidden), return the state after it."""

    def step(self, x: Tensor, state: TorchState) -> tuple[Tensor, TorchState]:
        """Read one character x (batch, input), say (batch, hidden), return the state after it."""
        return self.cell(self.project(x), state)


MAX_ONE_HOT = 4_096
"""Ids of a model that reads one-hot, at most: it reads as many numbers a character."""


class OneHot(nn.Module):
    """Every id as a one among zeros: what an embedding is when nothing is learned."""

    weight: Tensor
    """(vocab, vocab), the identity; not saved, for it is known."""

    def __init__(self, vocab: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.eye(vocab), persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """Ids (...) int64 to (..., vocab)."""
        return embedding(ids, self.weight)


class CharModel(nn.Module):
    """Ids in, logits for the next ids out, memory as a value.

    Args:
        vocab: how many ids, the boundary included.
        config: sizes, layers, dropout, tying.
        recurrence: makes every layer, from its input size and hidden size.

    Raises:
        SettingError: one-hot with more than MAX_ONE_HOT ids.
    """

    embedding: nn.Embedding | OneHot

    def __init__(
        self, vocab: int, config: ModelConfig, recurrence: Callable[[int, int], Recurrence]
    ) -> None:
        super().__init__()
        self.vocab, self.config = vocab, config
        if config.embedding_size:
            self.embedding = nn.Embedding(vocab, config.embedding_size)
        elif vocab <= MAX_ONE_HOT:
            self.embedding = OneHot(vocab)
        else:
            raise SettingError(
                f"embedding-size is 0, one-hot, with {vocab:,} symbols; expected at most "
                f"{MAX_ONE_HOT:,} of them, or an embedding"
            )
        sizes = [config.embedding_size or vocab] + [config.hidden_size] * config.layers
        self.layers = nn.ModuleList(
            recurrence(sizes[i], sizes[i + 1]) for i in range(config.layers)
        )
        self.head = nn.Linear(config.hidden_size, vocab)
        self.dropout = nn.Dropout(config.dropout)
        line_norm = self.recurrences()[-1].line_norm
        hides_embedding = self.recurrences()[0].hides_embedding
        self.before_layers = self.dropout if hides_embedding else nn.Identity()
        self.after_layer = nn.Identity() if line_norm else self.dropout
        self.norm = line_norm(config.hidden_size) if line_norm else nn.Identity()
        if config.embedding_size:
            nn.init.normal_(self.embedding.weight, std=config.embedding_size**-0.5)
        nn.init.zeros_(self.head.bias)
        if config.tied:
            self.head.weight = self.embedding.weight

    def recurrences(self) -> list[Recurrence]:
        """The layers, first to last."""
        return [layer for layer in self.layers if isinstance(layer, Recurrence)]

    def initial_state(self, batch: int = 1) -> TorchState:
        """Zeros: the state before the first character of `batch` texts."""
        device = self.head.weight.device
        return {
            f"{kind}_{i}": torch.zeros(batch, *shape, dtype=layer.state_dtypes[kind], device=device)
            for i, layer in enumerate(self.recurrences())
            for kind, shape in layer.state_shapes.items()
        }

    def forward(self, inputs: Tensor, state: TorchState) -> tuple[Tensor, TorchState]:
        """Read inputs (batch, time) int64; logits (batch, time, vocab) and the state after them."""
        next_state: dict[str, Tensor] = {}
        y = self.before_layers(self.embedding(inputs))  # (batch, time, input)
        for i, layer in enumerate(self.recurrences()):
            y, after = layer.forward(y, layer_state(state, i))  # (batch, time, hidden)
            y = self.after_layer(y)
            next_state |= {f"{kind}_{i}": value for kind, value in after.items()}
        return self.head(self.norm(y)), next_state

    def step(self, token: Tensor, state: TorchState) -> tuple[Tensor, TorchState]:
        """Read token (batch,) int64; logits (batch, vocab) and the state after it."""
        return self.step_projected(self.recurrences()[0].project(self.embedding(token)), state)

    def step_projected(self, projected: Tensor, state: TorchState) -> tuple[Tensor, TorchState]:
        """`step` from the first layer's projection of the token (batch, any)."""
        first, *others = self.recurrences()
        y, after = first.cell(projected, layer_state(state, 0))  # (batch, hidden)
        next_state = {f"{kind}_0": value for kind, value in after.items()}
        for i, layer in enumerate(others, start=1):
            y, after = layer.step(y, layer_state(state, i))
            next_state |= {f"{kind}_{i}": value for kind, value in after.items()}
        return self.head(self.norm(y)), next_state

    def parameter_count(self) -> int:
        """Numbers that training may change."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)


def layer_state(state: TorchState, layer: int) -> TorchState:
    """The entries of one layer, by kind: `h_1` of the model is `h` of layer 1."""
    suffix = f"_{layer}"
    return {
        name.removesuffix(suffix): value for name, value in state.items() if name.endswith(suffix)
    }


def freeze_second_bias(bias: Tensor) -> None:
    """Keep a bias of torch's recurrent modules at zero: the equations have one, torch has two."""
    nn.init.zeros_(bias)
    bias.requires_grad_(False)


def init_recurrent(weight_ih: Tensor, weight_hh: Tensor, bias: Tensor) -> None:
    """Glorot for the input, orthogonal for each gate's recurrent matrix, zero for the bias.

    Source: Saxe et al. 2013, arXiv:1312.6120, for the orthogonal start.
    """
    hidden = weight_hh.shape[1]
    for gate in range(weight_hh.shape[0] // hidden):
        rows = slice(gate * hidden, (gate + 1) * hidden)
        nn.init.xavier_uniform_(weight_ih[rows])
        nn.init.orthogonal_(weight_hh[rows])
    nn.init.zeros_(bias)
