"""The weights of a Keras model by what they do, in Keras's own order; do they fit together?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from charmodels.config import Arch
from charmodels.runtime.errors import RunError

Array = npt.NDArray[np.float32]

GATES: dict[Arch, int] = {"rnn": 1, "gru": 3, "gru_reset_before": 3, "lstm": 4}
"""Blocks of `hidden` columns in a kernel."""

ROLES = {
    "Embedding": ("embeddings",),
    "SimpleRNN": ("kernel", "recurrent_kernel", "bias"),
    "GRU": ("kernel", "recurrent_kernel", "bias"),
    "LSTM": ("kernel", "recurrent_kernel", "bias"),
    "Dense": ("kernel", "bias"),
}
"""The arrays of a layer by its class, in the order Keras keeps them; a bias may be missing."""

RECURRENT = ("SimpleRNN", "GRU", "LSTM")

WHOLE = 'save the whole model in Keras with model.save("model.keras") and give that file'
"""What to do when weights alone do not say enough."""


@dataclass(frozen=True)
class KerasLayer:
    """A layer that has weights; what the file does not say is None."""

    name: str
    class_name: str
    """A key of ROLES."""
    place: str
    """Where Keras 3 keeps its weights, such as `lstm_1/cell`."""
    use_bias: bool | None = None
    reset_after: bool | None = None
    width: int | None = None
    """Numbers it says: units, or the size of an embedding."""


@dataclass(frozen=True)
class KerasRecurrence:
    """One recurrent layer: kernel (input, gates * hidden), recurrent (hidden, gates * hidden).

    The bias is (gates * hidden,), or (2, gates * hidden) for `gru`, or missing.
    """

    name: str
    arch: Arch
    kernel: Array
    recurrent_kernel: Array
    bias: Array | None

    @property
    def hidden(self) -> int:
        """Numbers it remembers."""
        return len(self.recurrent_kernel)


@dataclass(frozen=True)
class KerasWeights:
    """Everything a Keras model learned, and what is worth saying about it."""

    embedding: Array | None
    """(vocab, embedding), or None when characters come in one-hot."""
    recurrences: tuple[KerasRecurrence, ...]
    head: Array
    """(hidden, vocab)"""
    head_bias: Array | None
    """(vocab,)"""
    notes: tuple[str, ...] = field(default=())


def gather_weights(layers: Sequence[tuple[KerasLayer, Mapping[str, Array]]]) -> KerasWeights:
    """Put the arrays of layers, in their order, where they belong.

    Raises:
        RunError: a layer is missing, one too many or out of order, or its arrays are not those it
            should have.
    """
    embedding: Array | None = None
    recurrences: list[KerasRecurrence] = []
    head: Mapping[str, Array] | None = None
    for layer, arrays in layers:
        _require_roles(layer, arrays)
        if head is not None:
            raise RunError(
                f"layer {layer.name!r} ({layer.class_name}) comes after the Dense layer; expected "
                "one Dense layer, the last, that gives a score a character"
            )
        if layer.class_name == "Embedding":
            if embedding is not None or recurrences:
                raise RunError(f"layer {layer.name!r}: expected one Embedding, the first layer")
            embedding = arrays["embeddings"]
        elif layer.class_name == "Dense":
            head = arrays
        else:
            arch = _arch(layer, arrays.get("bias"))
            kernels = arrays["kernel"], arrays["recurrent_kernel"]
            recurrences.append(KerasRecurrence(layer.name, arch, *kernels, arrays.get("bias")))
        _require_width(layer, arrays)
    if not recurrences:
        raise RunError("no recurrent layer before the Dense one; expected SimpleRNN, GRU or LSTM")
    if head is None:
        raise RunError("no Dense layer at the end; expected one with a score a character")
    return KerasWeights(embedding, tuple(recurrences), head["kernel"], head.get("bias"))


def _require_roles(layer: KerasLayer, arrays: Mapping[str, Array]) -> None:
    roles = ROLES[layer.class_name]
    without = roles[:-1] if roles[-1] == "bias" else roles
    allowed = {None: (roles, without), True: (roles,), False: (without,)}[layer.use_bias]
    if layer.class_name == "Embedding":
        allowed = (roles,)
    if tuple(arrays) not in allowed:
        raise RunError(
            f"layer {layer.name!r} ({layer.class_name}) has weights {_listed(arrays)}; "
            f"expected {_listed(allowed[0])}"
        )


def _listed(names: Sequence[str] | Mapping[str, Array]) -> str:
    return ", ".join(list(names)[:6]) or "none"


def _require_width(layer: KerasLayer, arrays: Mapping[str, Array]) -> None:
    by_role = {"Embedding": ("embeddings", 1), "Dense": ("kernel", 1)}
    role, axis = by_role.get(layer.class_name, ("recurrent_kernel", 0))
    array = arrays[role]
    if layer.width is not None and (array.ndim != 2 or array.shape[axis] != layer.width):
        raise RunError(
            f"layer {layer.name!r} is {layer.width} wide, but its {role} has shape {array.shape}"
        )


def _arch(layer: KerasLayer, bias: Array | None) -> Arch:
    if layer.class_name == "SimpleRNN":
        return "rnn"
    if layer.class_name == "LSTM":
        return "lstm"
    reset_after = layer.reset_after
    if reset_after is None and bias is not None:
        reset_after = bias.ndim == 2  # one bias for the input and one for the memory
    if reset_after is None:
        raise RunError(
            f"layer {layer.name!r} (GRU) has no bias, so reset_after cannot be told from its "
            f"weights; {WHOLE}"
        )
    return "gru" if reset_after else "gru_reset_before"


def check_weights(weights: KerasWeights, vocab: int) -> None:
    """Whether the shapes fit each other and `vocab` characters, and every number is finite.

    Raises:
        RunError: naming the layer, what it has and what was expected.
    """
    width = vocab
    if weights.embedding is not None:
        _check("the Embedding", "embeddings", weights.embedding, (vocab, None))
        width = weights.embedding.shape[1]
    first = weights.recurrences[0]
    for layer in weights.recurrences:
        where = f"layer {layer.name!r}"
        if layer.arch != first.arch or layer.hidden != first.hidden:
            raise RunError(
                f"{where} is {layer.arch} of {layer.hidden}, layer {first.name!r} {first.arch} of "
                f"{first.hidden}; expected recurrent layers of one kind and one width"
            )
        columns = GATES[layer.arch] * layer.hidden
        _check(where, "recurrent_kernel", layer.recurrent_kernel, (layer.hidden, columns))
        _check(where, "kernel", layer.kernel, (width, columns))
        if layer.bias is not None:
            _check(where, "bias", layer.bias, (2, columns) if layer.arch == "gru" else (columns,))
        width = layer.hidden
    _check("the Dense layer", "kernel", weights.head, (width, vocab))
    if weights.head_bias is not None:
        _check("the Dense layer", "bias", weights.head_bias, (vocab,))


def _check(where: str, role: str, array: Array, expected: tuple[int | None, ...]) -> None:
    fits = array.ndim == len(expected) and all(
        want in (None, have) for want, have in zip(expected, array.shape, strict=True)
    )
    if not fits or array.size == 0:
        shown = tuple("any" if size is None else size for size in expected)
        raise RunError(
            f"{where}: {role} has shape {array.shape}; expected {shown}. "
            "Does the vocabulary list every id the model was trained with?"
        )
    if not np.isfinite(array).all():
        raise RunError(f"{where}: {role} holds numbers that are not finite; train it again")
