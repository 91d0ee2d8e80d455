"""MatMulNBits: the one operator outside the standard that a step may use, and only in int4.

onnxruntime alone knows it: a product with weights of 4 bits, packed two to a byte. Its numbers are
told by attributes, so they are held against the weights here before onnxruntime reads either.
"""

import math
from pathlib import Path
from typing import Any

from charmodels.runtime.errors import BundleError

INT4 = "int4"
"""The only variant whose graph may hold it."""

DOMAIN, OPERATOR = "com.microsoft", "MatMulNBits"

_BITS = 4
_BLOCKS = (16, 32, 64, 128, 256)
_LARGEST = 2**20
"""Inputs or outputs of one product at most."""


def as_standard(path: Path, model: Any) -> Any:
    """A copy of `model` in which a MatMul stands for each MatMulNBits, for all further checks.

    The weights of such a MatMul have a shape but no numbers: it cannot be run.

    Raises:
        BundleError: attributes and weights of a MatMulNBits do not fit.
    """
    import onnx

    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    taken = {name for node in model.graph.node for name in (*node.input, *node.output)}
    nodes, packed = [], set()
    for number, node in enumerate(model.graph.node):
        if (node.domain, node.op_type) != (DOMAIN, OPERATOR):
            nodes.append(node)
            continue
        shape, name = _shape(path, node, constants), f"{OPERATOR} {number}"
        if name in taken:
            raise BundleError(f"{path}: {name!r} is no name for a value")
        packed |= set(node.input[1:])
        constants[name] = onnx.TensorProto(name=name, data_type=onnx.TensorProto.FLOAT, dims=shape)
        nodes.append(onnx.helper.make_node("MatMul", [node.input[0], name], node.output))
    weights = [tensor for name, tensor in constants.items() if name not in packed]
    graph = onnx.helper.make_graph(
        nodes, "step", model.graph.input, model.graph.output, initializer=weights
    )
    standard = [entry for entry in model.opset_import if entry.domain != DOMAIN]
    return onnx.helper.make_model(graph, opset_imports=standard, ir_version=model.ir_version)


def _shape(path: Path, node: Any, constants: dict[str, Any]) -> tuple[int, int]:
    """Inputs and outputs of the product, once its weights are as many as it says."""
    import onnx

    numbers = {attribute.name: attribute.i for attribute in node.attribute}
    inputs, outputs, block = (numbers.get(name, 0) for name in ("K", "N", "block_size"))
    known = {"K", "N", "bits", "block_size", "accuracy_level"}
    if not (1 <= inputs <= _LARGEST and 1 <= outputs <= _LARGEST and block in _BLOCKS):
        raise BundleError(f"{path}: {OPERATOR} is K {inputs}, N {outputs}, block_size {block}")
    if numbers.get("bits") != _BITS or not numbers.keys() <= known:
        raise BundleError(f"{path}: {OPERATOR} has {str(numbers)[:200]}; expected 4 bits")
    blocks = math.ceil(inputs / block)
    types = onnx.TensorProto
    expected = [
        (types.UINT8, [outputs, blocks, block * _BITS // 8]),
        (types.FLOAT, [outputs, blocks]),
    ]
    found = [
        (constants[name].data_type, list(constants[name].dims)) if name in constants else None
        for name in node.input[1:]
    ]
    if len(node.output) != 1 or found != expected:
        raise BundleError(
            f"{path}: {OPERATOR} has weights {str(found)[:200]}; expected {str(expected)[:200]}"
        )
    return inputs, outputs
