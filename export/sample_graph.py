"""The step with its sampler in the graph: the next id comes out, not its scores.

The operations are those of `charmodels.runtime.sampling`, in the same order and in float64, so that
the same uniform numbers give the same ids; only where a sum of exponentials falls within a rounding
of the threshold, some 1e-15 of it, may the two libraries' exponentials decide otherwise.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper

from charmodels.runtime.bundle import Bundle
from charmodels.runtime.vocabulary import BOUNDARY_ID
from export.ngram_graph import INT64, Nodes, batch_of, finish_graph

DOUBLE = TensorProto.DOUBLE

SETTINGS = {"temperature": DOUBLE, "top_k": INT64, "top_p": DOUBLE}
"""Inputs (batch,) with the meaning they have in `Sampling`: 0 and 1 switch the last two off."""


def build_sample_graph(step: onnx.ModelProto, bundle: Bundle) -> onnx.ModelProto:
    """The step of a bundle and the choice of the next id, as a checked ONNX model.

    Inputs: token int64 (batch,), the states; temperature and top_p float64, top_k int64, uniform
    float64 in [0, 1), each (batch,).
    Outputs: next_token int64 (batch,); next_<state> as the step's.
    Text never ends; a name ends where the boundary is chosen, which may not follow the boundary.
    """
    graph = Nodes(prefix="sample.")
    write_choice(graph, bundle, "next_token")
    _, *after = step.graph.output
    settings = [batch_of(name, kind) for name, kind in {**SETTINGS, "uniform": DOUBLE}.items()]
    return finish_graph(
        [*step.graph.node, *graph.nodes],
        [*step.graph.input, *settings],
        [batch_of("next_token", INT64), *after],
        [*step.graph.initializer, *graph.weights],
        bundle,
        name="sample",
    )


def write_choice(graph: Nodes, bundle: Bundle, name: str) -> None:
    """Write the choice of `name` from `logits`, after `token`, by the settings and `uniform`."""
    vocab, axis = len(bundle.vocabulary), graph.weight("axis", np.array(1))
    column, zero = graph.whole(1), graph.weight("zero", np.array(0.0))
    scores = graph.node("Cast", "logits", to=DOUBLE)
    is_boundary = graph.weight("is_boundary", np.arange(vocab)[None] == BOUNDARY_ID)
    if bundle.kind == "names":  # an empty name is no name
        begins = graph.node("Equal", "token", graph.weight("boundary", np.array(BOUNDARY_ID)))
        is_boundary = graph.node("And", is_boundary, graph.node("Unsqueeze", begins, column))
    never = graph.weight("never", np.array(-np.inf))
    scores = graph.node("Where", is_boundary, never, scores)
    likeliest = graph.node("ArgMax", scores, axis=1, keepdims=0)
    temperature, top_k, top_p, uniform = (
        graph.node("Unsqueeze", setting, column) for setting in (*SETTINGS, "uniform")
    )
    is_greedy = graph.node("Equal", "temperature", zero)
    one = graph.weight("one", np.array(1.0))
    divisor = graph.node("Where", graph.node("Equal", temperature, zero), one, temperature)
    highest = graph.node("ReduceMax", scores, column, keepdims=1)
    weight = graph.node(
        "Exp", graph.node("Div", graph.node("Sub", scores, highest), divisor)
    )  # (batch, vocab)
    ranked, order = "sample.ranked", "sample.order"  # on ties the lower id first
    graph.nodes.append(
        helper.make_node("TopK", [weight, graph.whole(vocab)], [ranked, order], axis=1)
    )
    rank = graph.weight("rank", np.arange(vocab)[None])
    none = graph.weight("none", np.array(0))
    in_k = graph.node("Or", graph.node("Less", rank, top_k), graph.node("Equal", top_k, none))
    ranked = graph.node("Where", in_k, ranked, zero)
    before = graph.node("Sub", graph.node("CumSum", ranked, axis), ranked)
    part = graph.node("Mul", top_p, graph.node("ReduceSum", ranked, column, keepdims=1))
    in_p = graph.node("Less", before, part)
    is_all = graph.node("GreaterOrEqual", top_p, one)
    is_first = graph.weight("is_first", np.arange(vocab)[None] == 0)
    kept = graph.node("Or", graph.node("Or", in_p, is_all), is_first)
    ranked = graph.node("Where", kept, ranked, zero)
    weight = graph.node("ScatterElements", weight, order, ranked, axis=1)
    reached = graph.node("CumSum", weight, axis)
    total = graph.node("Gather", reached, graph.whole(vocab - 1), axis=1)  # (batch, 1)
    passed = graph.node("LessOrEqual", reached, graph.node("Mul", uniform, total))
    drawn = graph.node(
        "ReduceSum", graph.node("Cast", passed, to=INT64), column, keepdims=0
    )  # (batch,)
    drawn = graph.node("Min", drawn, graph.weight("last", np.array(vocab - 1)))
    graph.node("Where", is_greedy, likeliest, drawn, name=name)
