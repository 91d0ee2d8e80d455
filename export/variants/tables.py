"""Tables that are read row by row: those of a network in 8 bits a number, those of an n-gram too.

Whole numbers stay exact, in the smallest type that holds them all.
"""

import numpy as np
import onnx
from onnx import helper

from charmodels.runtime.generation import Array
from export.ngram_graph import FLOAT, Nodes
from export.variants.rewrite import Weights

_WORTH = 1024
"""Numbers a table must have: a smaller one saves less than the nodes cost."""

_CODES = 256


def write_table(node: onnx.NodeProto, weights: Weights, graph: Nodes) -> bool:
    """A Gather from a constant table, whose numbers take fewer bytes."""
    if node.op_type != "Gather" or node.input[0] not in weights:
        return False
    table = weights[node.input[0]]
    along = [helper.get_attribute_value(a) for a in node.attribute if a.name == "axis"]
    if table.size < _WORTH or along not in ([], [0]):
        return False
    if np.issubdtype(table.dtype, np.integer):
        return _write_whole(node, table, graph)
    if table.ndim == 2 and table.dtype == np.float32:
        return _write_rows(node, table, graph)
    return table.ndim == 1 and _write_codes(node, table, graph)


def _write_whole(node: onnx.NodeProto, table: Array, graph: Nodes) -> bool:
    """Whole numbers in the smallest type; onnxruntime looks up any."""
    smallest = np.result_type(*(np.min_scalar_type(end) for end in (table.min(), table.max())))
    if smallest.itemsize >= table.dtype.itemsize or smallest not in (np.uint8, np.uint16, np.int32):
        return False
    small = graph.weight(node.input[0], table.astype(smallest))
    found = graph.node("Gather", small, node.input[1])
    kind = helper.np_dtype_to_tensor_dtype(table.dtype)
    graph.node("Cast", found, to=kind, name=node.output[0])
    return True


def _write_rows(node: onnx.NodeProto, table: Array, graph: Nodes) -> bool:
    """int8, with a scale for each row: the largest of a row becomes 127."""
    scales = np.abs(table).max(axis=1, keepdims=True) / 127
    scales[scales == 0] = 1
    name, at = node.input
    graph.weight(name, np.rint(table / scales).astype(np.int8))
    row = graph.look_up(name, at, FLOAT)
    own = graph.node("Gather", graph.weight(f"{name}.scale", scales), at)
    graph.node("Mul", row, own, name=node.output[0])
    return True


def _write_codes(node: onnx.NodeProto, table: Array, graph: Nodes) -> bool:
    """A byte for each number: its place among 256 that stand for all."""
    name, at = node.input
    codes, meant = code(table)
    graph.weight(name, codes)
    place = graph.look_up(name, at, onnx.TensorProto.INT32)
    graph.node("Gather", graph.weight(f"{name}.meant", meant), place, name=node.output[0])
    return True


def code(table: Array) -> tuple[Array, Array]:
    """A table (any,) as bytes, and the 256 numbers they stand for, in the table's type.

    Chances are spread evenly by their logarithms, 0 by itself; numbers that may be below 0, such
    as logarithms, as they are.
    """
    numbers = table.astype(np.float64)
    if (numbers < 0).any():
        meant = np.linspace(numbers.min(), numbers.max(), _CODES)
    else:
        seen = numbers[numbers > 0]
        spread = np.geomspace(seen.min(initial=1), seen.max(initial=0), _CODES - 1)
        meant = np.concatenate([[0.0], spread])
    meant = meant.astype(table.dtype).astype(np.float64)
    above = np.searchsorted(meant, numbers).clip(1, _CODES - 1)
    nearer = numbers - meant[above - 1] < meant[above] - numbers
    return np.where(nearer, above - 1, above).astype(np.uint8), meant.astype(table.dtype)
