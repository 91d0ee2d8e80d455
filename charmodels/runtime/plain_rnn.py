"""A plain RNN so small that numpy steps it quicker than onnxruntime: one product a character.

    h' = tanh(T[token] + h W)        logits = h' H + b

onnxruntime takes four calls for it, each dearer than its arithmetic. The product with W that the
next character asks for is made here together with this one's logits: [h' 1] times the matrix that
has H over b on its left, W over zeros on its right.

Source: Elman 1990, "Finding structure in time"; as numpy, Karpathy's min-char-rnn.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from charmodels.runtime.generation import State
from charmodels.runtime.prefill import PREFILL_FROM, Prefill, stopped
from charmodels.runtime.sampling import Ids, Logits

Weights = npt.NDArray[np.float32]

STATE = "h_0"

MAX_PRODUCTS = 9_000
"""Numbers of the matrix at most: from 9,216 on OpenBLAS would call other threads for help."""

MAX_BYTES = 2**18
"""A larger file is no such graph, and is not read."""

_SIGNS, _OTHERS = (b"Gather", b"Gemm", b"Tanh", b"next_h_0"), (b"Sigmoid", b"next_c_0")
"""What the bytes of such a graph hold, and those of its cousins."""


@dataclass(frozen=True)
class PlainRNN:
    """The weights of the one layer."""

    table: Weights
    """T (vocab, hidden): what each id adds, biases included."""
    products: Weights
    """(hidden + 1, vocab + hidden): H and W; under them b and zeros."""


class PlainRNNWalker:
    """One text moving along: its h, and the product that follows from it."""

    def __init__(self, rnn: PlainRNN, state: State, prefill: Prefill | None = None) -> None:
        vocab, hidden = rnn.table.shape
        self._rows, self._products, self._prefill = list(rnn.table), rnn.products, prefill
        self._h_and_one = np.ones(hidden + 1, dtype=np.float32)
        self._h = self._h_and_one[:-1]
        self._product = np.empty(vocab + hidden, dtype=np.float32)
        self._logits, self._from_h = self._product[None, :vocab], self._product[vocab:]
        self._start(state)

    def advance(self, tokens: Ids) -> Logits:
        """Read tokens (1,); the logits are overwritten by the next call."""
        try:
            row = self._rows[tokens[0]]
        except IndexError as error:
            raise stopped(error) from error
        np.add(self._from_h, row, self._h)
        np.tanh(self._h, self._h)
        np.dot(self._h_and_one, self._products, self._product)
        return self._logits

    def read(self, tokens: Ids) -> Logits:
        """Read tokens (time,) one after another, or at once where that pays."""
        if self._prefill is None or len(tokens) < PREFILL_FROM:
            for token in tokens[:, None]:
                self.advance(token)
        else:
            self._start(self._prefill.read(tokens[None], self.state())[1])
        return self._logits

    def restart(self, places: Ids, state: State) -> None:
        """Go on from `state` at the one place, or at none."""
        if len(places):
            self._start(state)

    def state(self) -> State:
        """A copy of the state after the tokens read so far."""
        return {STATE: self._h[None].copy()}

    def _start(self, state: State) -> None:
        self._h[:] = state[STATE][0]
        np.dot(self._h_and_one, self._products, self._product)


def read_plain_rnn(path: Path) -> PlainRNN | None:
    """The weights of a step graph that is a small plain RNN and nothing else; None for another."""
    if path.stat().st_size > MAX_BYTES:
        return None
    data = path.read_bytes()
    if not all(sign in data for sign in _SIGNS) or any(other in data for other in _OTHERS):
        return None  # found out without the import of onnx, which takes longer than this can save
    import onnx

    graph = onnx.load_model_from_string(data).graph
    match [_told(node) for node in graph.node]:
        case [
            ("Gather", [table, "token"], [row], _),
            ("Gemm", ["h_0", w, added], [product], is_w_turned),
            ("Tanh", [summed], ["next_h_0"], _),
            ("Gemm", ["next_h_0", head, *bias], ["logits"], is_head_turned),
        ] if (row, product) == (added, summed):
            pass
        case _:
            return None
    found = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    if not {table, w, head, *bias} <= found.keys():
        return None
    w_h = found[w].T if is_w_turned else found[w]
    w_y = found[head].T if is_head_turned else found[head]
    vocab, hidden = len(found[table]), len(w_h)
    b = found[bias[0]] if bias else np.zeros(vocab, dtype=np.float32)
    shapes = [each.shape for each in (found[table], w_h, w_y, b)]
    if shapes != [(vocab, hidden), (hidden, hidden), (hidden, vocab), (vocab,)]:
        return None
    if any(each.dtype != np.float32 for each in found.values()):
        return None
    if (hidden + 1) * (vocab + hidden) > MAX_PRODUCTS:
        return None
    above = np.hstack([w_y, w_h])
    below = np.concatenate([b, np.zeros(hidden, dtype=np.float32)])
    return PlainRNN(found[table], np.vstack([above, below]))


def _told(node: Any) -> tuple[str, list[str], list[str], Any]:
    """A node as a case can match it: operator, inputs, outputs, whether Gemm turns its matrix."""
    from onnx.helper import get_attribute_value

    told = {each.name: get_attribute_value(each) for each in node.attribute}
    turned = told.pop("transB", 0)
    plain = {"axis": 0, "alpha": 1.0, "beta": 1.0, "transA": 0}
    kind = node.op_type if told.items() <= plain.items() and not node.domain else ""
    return kind, list(node.input), list(node.output), turned
