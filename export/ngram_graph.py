"""One step of the n-gram as an ONNX graph: token and contexts in, logits and next contexts out.

The tables of `charmodels.ngram.automaton` become weights, and its step a row of Gathers. Whatever
the contexts are, the same work is done: every context is asked for as many followers as the widest
one has, and what is not there counts nothing. No loop, no search, no hashing.
"""

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from charmodels.ngram.automaton import Automaton
from charmodels.runtime.bundle import METADATA_KEY, Bundle
from charmodels.runtime.generation import Array
from export.step_graph import OPSET


@dataclass
class _Graph:
    """Nodes and weights as they are written; every method gives the name of its result."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)

    def weight(self, name: str, value: Array) -> str:
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        name = name or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name


def build_ngram_graph(automaton: Automaton, bundle: Bundle) -> onnx.ModelProto:
    """The step as a checked ONNX model with symbolic batch and the bundle's facts in its metadata.

    Inputs: token int64 (batch,), n_0 int64 (batch, order - 1).
    Outputs: logits float32 (batch, vocab), log-probabilities in nats; next_n_0 as n_0.
    """
    graph = _Graph()
    lengths, vocab = automaton.order - 1, len(automaton.anywhere)
    _write_tables(graph, automaton)
    nodes = _move(graph, lengths)
    chances = _chances(graph, nodes, lengths)
    graph.node("Log", chances, name="logits")

    def value(name: str, kind: int, *shape: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, ["batch", *shape])

    step = helper.make_graph(
        graph.nodes,
        "step",
        [value("token", TensorProto.INT64), value("n_0", TensorProto.INT64, lengths)],
        [
            value("logits", TensorProto.FLOAT, vocab),
            value("next_n_0", TensorProto.INT64, lengths),
        ],
        graph.weights,
    )
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(step, opset_imports=[opset], producer_name="charmodels")
    model.ir_version = 9  # as old as the operators allow
    helper.set_model_props(model, {METADATA_KEY: json.dumps(bundle.facts())})
    onnx.checker.check_model(model, full_check=True)
    return model


def _write_tables(graph: _Graph, automaton: Automaton) -> None:
    small = np.uint8 if len(automaton.anywhere) <= 256 else np.uint16
    graph.weight("anywhere", automaton.anywhere.astype(np.float32))
    graph.weight("from_nothing", automaton.from_nothing.astype(np.int32))
    graph.weight("first", automaton.first[:-1].astype(np.int32))
    graph.weight("size", np.diff(automaton.first).astype(np.uint16))
    graph.weight("symbols", automaton.symbols.astype(small))
    graph.weight("shares", automaton.shares.astype(np.float32))
    graph.weight("leads_to", automaton.leads_to.astype(np.int32))
    graph.weight("log_backoff", automaton.log_backoff.astype(np.float32))
    graph.weight("reach", np.arange(automaton.widest))
    graph.weight("last", np.array(len(automaton.symbols) - 1))
    graph.weight("axis_1", np.array([1]))
    graph.weight("axis_2", np.array([2]))
    graph.weight("no_context", np.array(0))
    graph.weight("no_share", np.array(0, np.float32))


def _move(graph: _Graph, lengths: int) -> str:
    """The contexts after the token: each old one with it, where that was ever seen."""
    graph.weight("start", np.array([0]))
    graph.weight("end", np.array([lengths - 1]))
    graph.weight("token_shape", np.array([-1, 1, 1]))
    single = graph.node("Gather", "from_nothing", "token")  # (batch,)
    single = graph.node("Unsqueeze", graph.node("Cast", single, to=TensorProto.INT64), "axis_1")
    if lengths == 1:
        return graph.node("Identity", single, name="next_n_0")
    old = graph.node("Slice", "n_0", "start", "end", "axis_1")  # (batch, lengths - 1)
    follower, there = _followers(graph, old)
    symbols = graph.node("Cast", graph.node("Gather", "symbols", follower), to=TensorProto.INT64)
    same = graph.node("Equal", symbols, graph.node("Reshape", "token", "token_shape"))
    hit = graph.node("And", same, there)  # (batch, lengths - 1, widest), one of them at most
    leads = graph.node("Cast", graph.node("Gather", "leads_to", follower), to=TensorProto.INT64)
    leads = graph.node("Where", hit, leads, "no_context")
    longer = graph.node("ReduceSum", leads, "axis_2", keepdims=0)
    return graph.node("Concat", single, longer, axis=1, name="next_n_0")


def _chances(graph: _Graph, nodes: str, lengths: int) -> str:
    """What each context gives its followers, by what all longer ones leave: (batch, vocab)."""
    # Column j of the sums is what the lengths above j leave; column 0 is what all of them do.
    graph.weight("longer", np.tril(np.ones((lengths, lengths + 1), np.float32)))
    graph.weight("flat", np.array([0, -1]))
    log_backoff = graph.node("Gather", "log_backoff", nodes)  # (batch, lengths)
    left = graph.node("Exp", graph.node("MatMul", log_backoff, "longer"))  # (batch, lengths + 1)
    graph.weight("zero", np.array([0]))
    graph.weight("one", np.array([1]))
    graph.weight("past", np.array([lengths + 1]))
    root = graph.node("Slice", left, "zero", "one", "axis_1")  # (batch, 1)
    each = graph.node("Slice", left, "one", "past", "axis_1")  # (batch, lengths)
    follower, there = _followers(graph, nodes)
    share = graph.node("Where", there, graph.node("Gather", "shares", follower), "no_share")
    share = graph.node("Mul", share, graph.node("Unsqueeze", each, "axis_2"))
    symbols = graph.node("Cast", graph.node("Gather", "symbols", follower), to=TensorProto.INT64)
    everywhere = graph.node("Mul", root, "anywhere")  # (batch, vocab)
    return graph.node(
        "ScatterElements",
        everywhere,
        graph.node("Reshape", symbols, "flat"),
        graph.node("Reshape", share, "flat"),
        axis=1,
        reduction="add",
    )


def _followers(graph: _Graph, nodes: str) -> tuple[str, str]:
    """Places of the followers of nodes (batch, lengths), and which of them are real.

    Each (batch, lengths, widest); what is not real stands for some follower or other.
    """
    start = graph.node("Cast", graph.node("Gather", "first", nodes), to=TensorProto.INT64)
    size = graph.node("Cast", graph.node("Gather", "size", nodes), to=TensorProto.INT64)
    there = graph.node("Less", "reach", graph.node("Unsqueeze", size, "axis_2"))
    follower = graph.node("Add", graph.node("Unsqueeze", start, "axis_2"), "reach")
    return graph.node("Min", follower, "last"), there
