"""int8 and int4: products with constant weights, in integers.

The weights are rounded here, once; what they are multiplied with is rounded in each step, each row
by itself, so that a text never depends on those beside it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from charmodels.runtime.generation import Array
from charmodels.runtime.packed_products import DOMAIN, OPERATOR
from export.ngram_graph import Nodes
from export.variants.rewrite import Weights

_FEWEST_INPUTS = 16
"""A product over fewer numbers has nothing to gain."""

_MIDDLE = 128
"""The unsigned byte that stands for 0."""

_PAIR = 127
"""Two neighbouring weights of one sign add up to this much, and 1 for rounding, at most.

Processors without VNNI add two products of bytes in 16 bits: 255 (127 + 1) = 32,640 still fits.
"""

_BLOCKS = (128, 64, 32)
"""Weights of int4 that share a scale: the largest that divides the inputs, or else the smallest."""


@dataclass(frozen=True)
class Product:
    """`result` is `given` (..., inputs) times `weights` (inputs, outputs), plus what is `added`."""

    given: str
    name: str
    """Of the weights as they stand here."""
    weights: Array
    added: str
    """Empty where nothing is."""
    result: str


def product_of(node: onnx.NodeProto, weights: Weights) -> Product | None:
    """The product with constant float32 weights that a MatMul or Gemm is; None where it is none."""
    if node.op_type not in ("MatMul", "Gemm") or node.input[1] not in weights:
        return None
    given, name, *more = node.input
    matrix = weights[name]
    if matrix.ndim != 2 or matrix.dtype != np.float32:
        return None
    settings = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    if settings.get("transA", 0) or settings.get("alpha", 1) != 1 or settings.get("beta", 1) != 1:
        return None
    if settings.get("transB", 0):
        name, matrix = f"{name}.transposed", matrix.T
    if len(matrix) < _FEWEST_INPUTS:
        return None
    return Product(given, name, matrix, more[0] if more else "", node.output[0])


def write_int8_product(node: onnx.NodeProto, weights: Weights, graph: Nodes) -> bool:
    """A MatMulInteger, its weights in 8 bits with a scale for each output.

    What is given is rounded to 8 bits with a scale for each row: the largest becomes 127.
    """
    product = product_of(node, weights)
    if product is None:
        return False
    integers, scales = quantise_outputs(product.weights)
    last = graph.weight("last_axis", np.array([-1]))
    largest = graph.node("ReduceMax", graph.node("Abs", product.given), last, keepdims=1)
    not_zero = graph.weight("not_zero", np.array(1e-12, np.float32))
    step = graph.weight("step", np.array(1 / 127, np.float32))
    scale = graph.node("Mul", graph.node("Max", largest, not_zero), step)  # (..., 1)
    one = graph.weight("one", np.array(1, np.float32))
    middle = graph.weight("middle", np.array(_MIDDLE, np.uint8))
    rounded = graph.node("QuantizeLinear", graph.node("Div", product.given, scale), one, middle)
    matrix = graph.weight(product.name, integers)
    total = graph.node("MatMulInteger", rounded, matrix, middle)
    total = graph.node("Cast", total, to=TensorProto.FLOAT)
    own = graph.weight(f"{product.name}.scale", scales)
    # Not by the product of both scales: onnxruntime 1.31 would fuse that with a constant added, and
    # scale this, too, row by row.
    _finish(graph, product, "Mul", graph.node("Mul", total, own), scale)
    return True


def write_int4_product(node: onnx.NodeProto, weights: Weights, graph: Nodes) -> bool:
    """Onnxruntime's MatMulNBits: 4 bits a weight, and a scale for each block of one output's.

    Accuracy level 4 rounds what is given to 8 bits, block by block. The product that gives the
    logits stays in 8 bits: it is a small one, and its errors are heard at once.
    """
    product = product_of(node, weights)
    if product is None or product.result.endswith("logits"):
        return False
    inputs, outputs = product.weights.shape
    block = next((size for size in _BLOCKS if inputs % size == 0), _BLOCKS[-1])
    packed, scales = quantise_blocks(product.weights, block)
    _finish(
        graph,
        product,
        OPERATOR,
        product.given,
        graph.weight(product.name, packed),
        graph.weight(f"{product.name}.scale", scales),
        K=inputs,
        N=outputs,
        bits=4,
        block_size=block,
        accuracy_level=4,
        domain=DOMAIN,
    )
    return True


def _finish(graph: Nodes, product: Product, operator: str, *inputs: str, **attributes: Any) -> None:
    """The last node of a product, or the last but what is added to it."""
    if not product.added:
        graph.node(operator, *inputs, name=product.result, **attributes)
        return
    total = graph.node(operator, *inputs, **attributes)
    graph.node("Add", total, product.added, name=product.result)


def quantise_outputs(matrix: Array) -> tuple[Array, Array]:
    """A matrix (inputs, outputs) as int8, and the scale (outputs,) of each output's weights."""
    pairs = np.pad(matrix, ((0, len(matrix) % 2), (0, 0))).reshape(-1, 2, matrix.shape[1])
    ups, downs = np.maximum(pairs, 0).sum(axis=1), np.maximum(-pairs, 0).sum(axis=1)
    scales = np.maximum(ups, downs).max(axis=0) / _PAIR  # (outputs,)
    scales[scales == 0] = 1
    return np.rint(matrix / scales).astype(np.int8), scales.astype(np.float32)


def quantise_blocks(matrix: Array, block: int) -> tuple[Array, Array]:
    """A matrix (inputs, outputs) as MatMulNBits packs it: two weights a byte, the first one low.

    Returns:
        Bytes (outputs, blocks, block / 2), where 8 stands for 0, and scales (outputs, blocks). A
        scale's sign is such that the largest weight of the block becomes -8.
    """
    inputs, outputs = matrix.shape
    count = -(-inputs // block)
    blocks = np.pad(matrix, ((0, count * block - inputs), (0, 0))).T.reshape(outputs, count, block)
    place = np.abs(blocks).argmax(axis=2)[:, :, None]
    scales = np.take_along_axis(blocks, place, axis=2) / -8  # (outputs, blocks, 1)
    scales[scales == 0] = 1
    codes = np.clip(np.rint(blocks / scales) + 8, 0, 15).astype(np.uint8)
    return codes[..., 0::2] | codes[..., 1::2] << 4, scales[..., 0].astype(np.float32)
