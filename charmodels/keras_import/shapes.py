"""What arrays without names must be: every reading of their shapes is tried, one must fit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from charmodels.config import Arch
from charmodels.keras_import.weights import (
    WHOLE,
    Array,
    KerasRecurrence,
    KerasWeights,
)
from charmodels.runtime.errors import RunError

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Reading:
    """One way to understand a list of arrays; the numbers are places in it."""

    embedding: bool
    """Whether array 0 is one."""
    layers: tuple[tuple[Arch, int, bool], ...]
    """Of each recurrent layer: its kind, where its kernel is, whether a bias ends it."""

    def __str__(self) -> str:
        words = ["Embedding"] if self.embedding else []
        words += [f"{arch}{'' if bias else ' without bias'}" for arch, _, bias in self.layers]
        return " + ".join(words)


def read_flat(arrays: Sequence[Array], vocab: int) -> KerasWeights:
    """Understand `model.get_weights()` of a model with `vocab` characters.

    Raises:
        RunError: no reading fits, or more than one.
    """
    shapes = [array.shape for array in arrays]
    found = list(islice(_readings(shapes, vocab), 2))
    shown = ", ".join(map(str, shapes[:8])) + (", ..." if len(shapes) > 8 else "")
    if not found:
        raise RunError(
            f"its arrays have shapes {shown}; expected those of an Embedding (or none, one-hot), "
            f"SimpleRNN, GRU or LSTM, and a Dense layer for the {vocab} characters of the "
            f"vocabulary; check that it lists every id, or {WHOLE}"
        )
    if len(found) > 1:
        raise RunError(
            f"its arrays, of shapes {shown}, may be {found[0]} or {found[1]}, among others; {WHOLE}"
        )
    return _weights(arrays, found[0])


def _weights(arrays: Sequence[Array], reading: Reading) -> KerasWeights:
    recurrences = tuple(
        KerasRecurrence(
            f"number {number}", arch, arrays[at], arrays[at + 1], arrays[at + 2] if bias else None
        )
        for number, (arch, at, bias) in enumerate(reading.layers, start=1)
    )
    _, last, bias = reading.layers[-1]
    head = last + (3 if bias else 2)
    return KerasWeights(
        embedding=arrays[0] if reading.embedding else None,
        recurrences=recurrences,
        head=arrays[head],
        head_bias=arrays[head + 1] if head + 1 < len(arrays) else None,
    )


def _readings(shapes: Sequence[Shape], vocab: int) -> Iterator[Reading]:
    for layers in _layers(shapes, 0, vocab, vocab):
        yield Reading(False, layers)
    if len(shapes[0]) == 2 and shapes[0][0] == vocab:
        for layers in _layers(shapes, 1, shapes[0][1], vocab):
            yield Reading(True, layers)


def _layers(
    shapes: Sequence[Shape], at: int, width: int, vocab: int
) -> Iterator[tuple[tuple[Arch, int, bool], ...]]:
    """Every way to read shapes[at:] as recurrent layers of input `width`, then the head."""
    if len(shapes) < at + 3 or len(shapes[at + 1]) != 2:
        return
    hidden, columns = shapes[at + 1]
    if hidden == 0 or shapes[at] != (width, columns):
        return
    for arch, gates in (("rnn", 1), ("gru", 3), ("gru_reset_before", 3), ("lstm", 4)):
        if columns != gates * hidden:
            continue
        bias = (2, columns) if arch == "gru" else (columns,)
        for has_bias in (True, False):
            if has_bias and shapes[at + 2] != bias:
                continue
            after = at + (3 if has_bias else 2)
            layer: tuple[Arch, int, bool] = (arch, at, has_bias)  # type: ignore[assignment]
            if list(shapes[after:]) in ([(hidden, vocab)], [(hidden, vocab), (vocab,)]):
                yield (layer,)
            for others in _layers(shapes, after, hidden, vocab):
                yield (layer, *others)
