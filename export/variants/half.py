"""fp16: every weight stored in half precision, and cast back when a session opens.

The runtime computes the casts once, so a step costs what it did; only the file is smaller. Weights
in a browser travel so, where integer products are slow.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from export.variants.rewrite import replaced

_WORTH = 64
"""Numbers a weight must have: below that a node more costs as much as it saves."""


def with_half_weights(step: onnx.ModelProto) -> onnx.ModelProto:
    """The step with its float32 weights as float16; those too large for it stay."""
    casts, halves = [], []
    for tensor in step.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < _WORTH:
            continue
        with np.errstate(over="ignore"):
            half = numpy_helper.to_array(tensor).astype(np.float16)
        if np.isfinite(half).all():
            stored = f"{tensor.name}.half"
            halves.append(numpy_helper.from_array(half, stored))
            cast = helper.make_node("Cast", [stored], [tensor.name], to=TensorProto.FLOAT)
            casts.append(cast)
    without = onnx.ModelProto()
    without.CopyFrom(step)
    cast_names = {cast.output[0] for cast in casts}
    kept = [tensor for tensor in step.graph.initializer if tensor.name not in cast_names]
    without.graph.ClearField("initializer")
    without.graph.initializer.extend(kept)
    return replaced(without, [*casts, *step.graph.node], halves)
