"""Surgery: a step graph in which some nodes, and their weights, are written anew."""

from collections.abc import Callable, Mapping, Sequence

import onnx
from onnx import helper, numpy_helper

from charmodels.runtime.generation import Array
from charmodels.runtime.packed_products import DOMAIN
from export.ngram_graph import Nodes

Weights = Mapping[str, Array]
"""The constants of a graph by name."""

Rule = Callable[[onnx.NodeProto, Weights, Nodes], bool]
"""Writes what is to stand for a node and gives True; or writes nothing and gives False."""


def rewrite(step: onnx.ModelProto, rules: Sequence[Rule]) -> onnx.ModelProto:
    """A checked copy of `step`: each node as the first rule that knows it writes it, or as it was.

    Inputs, outputs and metadata stay; weights that nobody reads any more go.
    """
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in step.graph.initializer}
    graph = Nodes(prefix="small.")
    for node in step.graph.node:
        if not any(rule(node, weights, graph) for rule in rules):
            graph.nodes.append(node)
    return replaced(step, graph.nodes, graph.weights)


def replaced(
    step: onnx.ModelProto, nodes: Sequence[onnx.NodeProto], weights: Sequence[onnx.TensorProto]
) -> onnx.ModelProto:
    """A checked copy of `step` with other nodes, which read its weights or these new ones."""
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in step.graph.initializer if tensor.name in used]
    smaller = onnx.ModelProto()
    smaller.CopyFrom(step)
    for field in ("node", "initializer", "value_info"):
        smaller.graph.ClearField(field)
    smaller.graph.node.extend(nodes)
    smaller.graph.initializer.extend([*kept, *weights])
    if any(node.domain == DOMAIN for node in nodes):
        smaller.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    onnx.checker.check_model(smaller)
    return smaller
