"""One step of the n-gram as an ONNX graph: token and contexts in, logits and next contexts out.

The tables of `charmodels.ngram.automaton` become weights, and its step a row of Gathers. Whatever
the contexts are, the same work is done: every context is asked for as many followers as the widest
one has, and what is not there counts nothing. No loop, no search, no hashing.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from charmodels.ngram.automaton import Automaton
from charmodels.runtime.bundle import METADATA_KEY, Bundle
from charmodels.runtime.generation import Array
from export.step_graph import OPSET

INT64, FLOAT = TensorProto.INT64, TensorProto.FLOAT


@dataclass
class Nodes:
    """Nodes and weights of a graph as they are written; their own names begin with `prefix`."""

    prefix: str
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)

    def weight(self, name: str, value: Array) -> str:
        """Add a weight; gives its whole name."""
        whole = self.prefix + name
        if all(tensor.name != whole for tensor in self.weights):
            self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value), whole))
        return whole

    def whole(self, *numbers: int) -> str:
        """Whole numbers (count,): axes, places and shapes."""
        return self.weight(f"whole_{'_'.join(map(str, numbers))}", np.array(numbers))

    def node(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add a node; gives the name of its result, which is `name` itself where one is given."""
        name = name or f"{self.prefix}{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def look_up(self, table: str, at: str) -> str:
        """The whole numbers of a table of this graph, of whatever type, at places (any,)."""
        return self.node("Cast", self.node("Gather", self.prefix + table, at), to=INT64)

    def columns(self, matrix: str, start: int, end: int) -> str:
        """Columns `start` to `end` - 1 of (batch, any)."""
        return self.node("Slice", matrix, self.whole(start), self.whole(end), self.whole(1))


def build_ngram_graph(automaton: Automaton, bundle: Bundle) -> onnx.ModelProto:
    """The step as a checked ONNX model with symbolic batch and the bundle's facts in its metadata.

    Inputs: token int64 (batch,), n_0 int64 (batch, order - 1).
    Outputs: logits float32 (batch, vocab), log-probabilities in nats; next_n_0 as n_0.
    """
    graph = Nodes(prefix="")
    graph.node("Log", write_ngram(graph, automaton), name="logits")
    contexts = (automaton.order - 1,)
    return finish_graph(
        graph.nodes,
        [batch_of("token", INT64), batch_of("n_0", INT64, *contexts)],
        [
            batch_of("logits", FLOAT, len(automaton.anywhere)),
            batch_of("next_n_0", INT64, *contexts),
        ],
        graph.weights,
        bundle,
    )


def finish_graph(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    weights: Sequence[onnx.TensorProto],
    bundle: Bundle,
) -> onnx.ModelProto:
    """A checked model of written nodes, with the bundle's facts in its metadata."""
    step = helper.make_graph(nodes, "step", inputs, outputs, weights)
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(step, opset_imports=[opset], producer_name="charmodels")
    model.ir_version = 9  # as old as the operators allow
    helper.set_model_props(model, {METADATA_KEY: json.dumps(bundle.facts())})
    onnx.checker.check_model(model, full_check=True)
    return model


def batch_of(name: str, kind: int, *shape: int) -> onnx.ValueInfoProto:
    """A value (batch, *shape) of a graph."""
    return helper.make_tensor_value_info(name, kind, ["batch", *shape])


def write_ngram(graph: Nodes, automaton: Automaton) -> str:
    """Write a step from `token` and `n_0` to `next_n_0`; gives its chances (batch, vocab)."""
    small = np.uint8 if len(automaton.anywhere) <= 256 else np.uint16
    graph.weight("from_nothing", automaton.from_nothing.astype(np.int32))
    graph.weight("first", automaton.first[:-1].astype(np.int32))
    graph.weight("size", np.diff(automaton.first).astype(np.uint16))
    graph.weight("symbols", automaton.symbols.astype(small))
    graph.weight("leads_to", automaton.leads_to.astype(np.int32))
    contexts = _move(graph, automaton)
    return _chances(graph, automaton, contexts)


def _move(graph: Nodes, automaton: Automaton) -> str:
    """The contexts after the token: each old one with it, where that was ever seen."""
    single = graph.node("Unsqueeze", graph.look_up("from_nothing", "token"), graph.whole(1))
    if automaton.order == 2:
        return graph.node("Identity", single, name="next_n_0")
    old = graph.columns("n_0", 0, automaton.order - 2)  # the longest cannot grow
    follower, there = _followers(graph, automaton, old)
    token = graph.node("Reshape", "token", graph.whole(-1, 1, 1))
    same = graph.node("Equal", graph.look_up("symbols", follower), token)
    hit = graph.node("And", same, there)  # (batch, lengths - 1, widest), one of them at most
    leads = graph.node("Where", hit, graph.look_up("leads_to", follower), graph.whole(0))
    longer = graph.node("ReduceSum", leads, graph.whole(2), keepdims=0)
    return graph.node("Concat", single, longer, axis=1, name="next_n_0")


def _chances(graph: Nodes, automaton: Automaton, contexts: str) -> str:
    """What each context gives its followers, by what all longer ones leave: (batch, vocab)."""
    lengths = automaton.order - 1
    shares = graph.weight("shares", automaton.shares.astype(np.float32))
    log_backoff = graph.weight("log_backoff", automaton.log_backoff.astype(np.float32))
    anywhere = graph.weight("anywhere", automaton.anywhere.astype(np.float32))
    # Column j of the product is what the lengths above j leave; column 0 is what all of them do.
    above = graph.weight("above", np.tril(np.ones((lengths, lengths + 1), np.float32)))
    left = graph.node("MatMul", graph.node("Gather", log_backoff, contexts), above)
    left = graph.node("Exp", left)  # (batch, lengths + 1)
    follower, there = _followers(graph, automaton, contexts)
    nothing = graph.weight("nothing", np.zeros(1, np.float32))
    share = graph.node("Where", there, graph.node("Gather", shares, follower), nothing)
    to_each = graph.node("Unsqueeze", graph.columns(left, 1, lengths + 1), graph.whole(2))
    share = graph.node("Mul", share, to_each)  # (batch, lengths, widest)
    flat = graph.whole(0, -1)
    return graph.node(
        "ScatterElements",
        graph.node("Mul", graph.columns(left, 0, 1), anywhere),
        graph.node("Reshape", graph.look_up("symbols", follower), flat),
        graph.node("Reshape", share, flat),
        axis=1,
        reduction="add",
    )


def _followers(graph: Nodes, automaton: Automaton, contexts: str) -> tuple[str, str]:
    """Places of the followers of contexts (batch, lengths), and which of them are real.

    Each (batch, lengths, widest); what is not real stands for some follower or other.
    """
    reach = graph.weight("reach", np.arange(automaton.widest))
    start = graph.node("Unsqueeze", graph.look_up("first", contexts), graph.whole(2))
    size = graph.node("Unsqueeze", graph.look_up("size", contexts), graph.whole(2))
    last = graph.whole(len(automaton.symbols) - 1)
    follower = graph.node("Min", graph.node("Add", start, reach), last)
    return follower, graph.node("Less", reach, size)
