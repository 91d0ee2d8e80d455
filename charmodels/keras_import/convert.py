"""Keras's weights as this project has them: transposed, gates in torch's order, the boundary at 0.

Keras                                 here
kernel (input, gates * hidden)        weight_ih_l0 (gates * hidden, input)
SimpleRNN, LSTM i f c o               the same order, c is called g
GRU z r h                             r z n
GRU bias (2, 3 hidden)                bias_ih_l0 and bias_hh_l0
other biases                          bias_ih_l0, and zeros in bias_hh_l0
"""

from dataclasses import dataclass

import numpy as np

from charmodels.config import Arch, ModelConfig
from charmodels.keras_import.vocabulary import single_character
from charmodels.keras_import.weights import GATES, Array, KerasRecurrence, KerasWeights
from charmodels.runtime.bundle import Kind
from charmodels.runtime.errors import SettingError, VocabularyError
from charmodels.runtime.vocabulary import Vocabulary

NEVER = -1e4
"""The score of what is never written: its probability is 0 in float32, and float16 holds it."""

GATE_ORDER: dict[Arch, tuple[int, ...]] = {
    "rnn": (0,),
    "gru": (1, 0, 2),
    "gru_reset_before": (1, 0, 2),
    "lstm": (0, 1, 2, 3),
}
"""Which of Keras's blocks stands first here, second, and so on."""


@dataclass(frozen=True)
class Converted:
    """A model of this project: all that a run folder needs of it."""

    kind: Kind
    vocabulary: Vocabulary
    model: ModelConfig
    weights: dict[str, Array]


def convert(
    weights: KerasWeights,
    symbols: tuple[str, ...],
    kind: Kind,
    end: str = "\n",
    *,
    zero_start: bool = False,
) -> Converted:
    """Give the weights this project's names and orders, and the boundary its place.

    Names: the row of `end` becomes id 0, the others keep their order; what a name begins with is
    `end`, or a vector of zeros if `zero_start`. Text: id 0 is new, begins as zeros, is never
    written, and all characters keep their order after it.

    Raises:
        VocabularyError: names whose end symbol is not in the vocabulary, or no other is.
        SettingError: sizes out of range.
    """
    first = weights.recurrences[0]
    reads = first.kernel if weights.embedding is None else weights.embedding  # (vocab, any)
    head = weights.head
    bias = np.zeros(head.shape[1], np.float32) if weights.head_bias is None else weights.head_bias
    if kind == "names":
        order = _end_first(symbols, end)
        reads, head, bias = reads[order], head[:, order], bias[order]
        if zero_start:
            reads[0] = 0
        others = tuple(symbols[index] for index in order[1:])
    else:
        reads = np.pad(reads, ((1, 0), (0, 0)))
        head = np.pad(head, ((0, 0), (1, 0)))
        bias = np.concatenate([np.array([NEVER], np.float32), bias])
        others = symbols
    ours = {} if weights.embedding is None else {"embedding.weight": reads}
    for number, layer in enumerate(weights.recurrences):
        is_one_hot = number == 0 and weights.embedding is None
        kernel = reads if is_one_hot else layer.kernel
        for name, array in _recurrence(layer, kernel).items():
            ours[f"layers.{number}.rnn.{name}"] = array
    ours |= {"head.weight": np.ascontiguousarray(head.T), "head.bias": bias}
    config = ModelConfig(
        arch=first.arch,
        embedding_size=0 if weights.embedding is None else weights.embedding.shape[1],
        hidden_size=first.hidden,
        layers=len(weights.recurrences),
        dropout=0.0,
    )
    return Converted(kind, Vocabulary(("", *others)), config, ours)


def _end_first(symbols: tuple[str, ...], end: str) -> list[int]:
    """Keras ids in our order."""
    symbol = single_character(end)
    if symbol is None:
        raise SettingError(f"end is {end!r:.60}; expected a single character")
    if symbol not in symbols:
        raise VocabularyError(
            f"the end of a name, {symbol!r}, is not in the vocabulary; say which symbol ends a "
            "name with --end SYMBOL, or that this is text with --kind text"
        )
    first = symbols.index(symbol)
    return [first, *(index for index in range(len(symbols)) if index != first)]


def _recurrence(layer: KerasRecurrence, kernel: Array) -> dict[str, Array]:
    order, hidden = GATE_ORDER[layer.arch], layer.hidden

    def reordered(array: Array) -> Array:
        """The last axis, (gates * hidden,), block by block."""
        blocks = np.split(array, GATES[layer.arch], axis=-1)
        return np.concatenate([blocks[gate] for gate in order], axis=-1)

    zeros = np.zeros(GATES[layer.arch] * hidden, np.float32)
    bias = zeros if layer.bias is None else reordered(layer.bias)
    input_bias, memory_bias = bias if bias.ndim == 2 else (bias, zeros)
    return {
        "weight_ih_l0": np.ascontiguousarray(reordered(kernel).T),
        "weight_hh_l0": np.ascontiguousarray(reordered(layer.recurrent_kernel).T),
        "bias_ih_l0": np.ascontiguousarray(input_bias),
        "bias_hh_l0": np.ascontiguousarray(memory_bias),
    }
