"""Which of ONNX's recurrent operators does what a layer does, and its weights in their order.

torch stacks the gates of an LSTM as i, f, g, o and of a GRU as r, z, n; ONNX as i, o, f, c and
z, r, h. ONNX's GRU has both forms: with linear_before_reset what is reset is the product, as in
torch; without, the memory before it, as in the paper. Its RNN is left alone: a Scan of two nodes is
twice as quick.
"""

import numpy as np
import onnx
from torch import Tensor

from charmodels.models import GRU, LSTM, Block, CharModel, GRUResetBefore
from charmodels.runtime.generation import Array
from export.prefill_graph import Kernel

_ORDER = {LSTM: (0, 3, 1, 2), GRU: (1, 0, 2), GRUResetBefore: (1, 0, 2)}
"""Where in torch's order each gate of ONNX's stands."""


def kernels_of(model: CharModel, step: onnx.ModelProto) -> list[Kernel]:
    """An operator for each layer that has one; `step` is the model's step graph."""
    kernels = []
    for i, layer in enumerate(model.recurrences()):
        inner = layer.recurrence if isinstance(layer, Block) else layer
        if not isinstance(inner, LSTM | GRU | GRUResetBefore):
            continue
        w_x, w_h, b, d = (_array(weight) for weight in inner.rnn.all_weights[0])
        is_first = i == 0 and inner is layer
        order = _ORDER[type(inner)]
        kernels.append(
            Kernel(
                operator="LSTM" if isinstance(inner, LSTM) else "GRU",
                states=tuple(f"{kind}_{i}" for kind in inner.state_shapes),
                reads="" if is_first else _read_by(step, w_x),
                W=_ordered(w_x, order)[None],
                R=_ordered(w_h, order)[None],
                B=np.concatenate([_ordered(b, order), _ordered(d, order)])[None],
                embedding=_array(model.embedding.weight) if is_first else None,
                linear_before_reset=int(isinstance(inner, GRU)),
            )
        )
    return kernels


def _array(weight: Tensor) -> Array:
    return np.asarray(weight.detach().numpy())


def _ordered(weight: Array, order: tuple[int, ...]) -> Array:
    gates = np.split(weight, len(order))
    return np.concatenate([gates[gate] for gate in order])


def _read_by(step: onnx.ModelProto, w_x: Array) -> str:
    """The value that is multiplied by these weights."""
    same = [
        tensor.name
        for tensor in step.graph.initializer
        if tuple(tensor.dims) == w_x.shape and (onnx.numpy_helper.to_array(tensor) == w_x).all()
    ]
    (product,) = (node for node in step.graph.node if node.input[1:2] and node.input[1] in same)
    return str(product.input[0])
