"""Many characters a call: a Loop around the sampling step. For one's own bundles only.

How often a Loop runs is said by its data, so that no check can bound it: `load_bundle` never opens
this graph.
"""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper

from charmodels.runtime.bundle import Bundle
from charmodels.runtime.vocabulary import BOUNDARY_ID
from export.ngram_graph import INT64, Nodes, batch_of, finish_graph
from export.prefill_graph import renamed
from export.sample_graph import DOUBLE, SETTINGS, write_choice

BOOL = TensorProto.BOOL


def build_generate_graph(step: onnx.ModelProto, bundle: Bundle) -> onnx.ModelProto:
    """The step and its sampler in a Loop, as a checked ONNX model.

    Inputs: token int64 (batch,), the states, temperature, top_k and top_p as in the sample graph;
    uniforms float64 (batch, count).
    Outputs: ids int64 (batch, written), written being `count`, or less where all rows have ended;
    a row is boundaries from its end on. next_<state> as the step's, before the last id is read.
    """
    inner = Nodes(prefix="sample.")
    inner.node("Gather", "uniforms", "character", axis=1, name="uniform")  # (batch,)
    write_choice(inner, bundle, "drawn")
    boundary = inner.weight("boundary", np.array(BOUNDARY_ID))
    inner.node("Where", "ended", boundary, "drawn", name="next_token")
    is_end = inner.node("Equal", "next_token", boundary)
    inner.node("Or", "ended", is_end, name="next_ended")
    going = inner.node("Cast", inner.node("Not", "next_ended"), to=INT64)
    going = inner.node("ReduceMax", going, inner.whole(0), keepdims=0)
    inner.node("Cast", going, to=BOOL, name="go_on")
    inner.node("Identity", "next_token", name="said")
    token, *states = step.graph.input
    scalar = helper.make_tensor_value_info
    given = [scalar("character", INT64, []), scalar("going", BOOL, []), batch_of("ended", BOOL)]
    made = [scalar("go_on", BOOL, []), batch_of("next_ended", BOOL), batch_of("next_token", INT64)]
    body = _loop_body(
        [*step.graph.node, *inner.nodes],
        [*given, token, *states],
        [*made, *step.graph.output[1:], batch_of("said", INT64)],
    )
    outer = Nodes(prefix="generate.")
    count = outer.node("Squeeze", outer.node("Shape", "uniforms", start=1))
    none_yet = outer.node("Less", "token", outer.weight("zero", np.array(0)))  # no id is below 0
    after = [value.name for value in step.graph.output[1:]]
    begin = [count, "", none_yet, "token", *(state.name for state in states)]
    end = ["generate.ended", "generate.token", *after, "generate.said"]
    outer.nodes.append(helper.make_node("Loop", begin, end, body=body))
    outer.node("Transpose", "generate.said", perm=[1, 0], name="ids")
    settings = [batch_of(name, kind) for name, kind in SETTINGS.items()]
    return finish_graph(
        outer.nodes,
        [token, *states, *settings, batch_of("uniforms", DOUBLE, "count")],
        [batch_of("ids", INT64, "written"), *step.graph.output[1:]],
        [*step.graph.initializer, *inner.weights, *outer.weights],
        bundle,
        name="generate",
    )


def _loop_body(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
) -> onnx.GraphProto:
    """The graph of a Loop, its own values renamed: none may have the name of one outside."""
    own = {value.name for value in inputs} | {name for node in nodes for name in node.output}
    names = {name: f"loop.{name}" for name in own if name}
    ends = []
    for value in (*inputs, *outputs):
        copy = onnx.ValueInfoProto()
        copy.CopyFrom(value)
        copy.name = names[value.name]
        ends.append(copy)
    return helper.make_graph(
        [renamed(node, names) for node in nodes],
        "characters",
        ends[: len(inputs)],
        ends[len(inputs) :],
    )
