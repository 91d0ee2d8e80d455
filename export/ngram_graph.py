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
            self.weights.append(numpy_helper.from_array(np.asarray(value, order="C"), whole))
        return whole

    def whole(self, *numbers: int) -> str:
        """Whole numbers (count,): axes, places and shapes."""
        return self.weight(f"whole_{'_'.join(map(str, numbers))}", np.array(numbers))

    def node(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add a node; gives the name of its result, which is `name` itself where one is given."""
        name = name or f"{self.prefix}{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def look_up(self, table: str, at: str, kind: int) -> str:
        """The numbers of a packed table of this graph at places (any,), as `kind`."""
        return self.node("Cast", self.node("Gather", self.prefix + table, at), to=kind)

    def split(self, value: str, axis: int, *sizes: int) -> tuple[str, ...]:
        """Pieces of these sizes along an axis."""
        names = tuple(f"{self.prefix}split_{len(self.nodes)}_{i}" for i in range(len(sizes)))
        whole = self.whole(*sizes)
        self.nodes.append(helper.make_node("Split", [value, whole], names, axis=axis))
        return names


def build_ngram_graph(automaton: Automaton, bundle: Bundle) -> onnx.ModelProto:
    """The step as a checked ONNX model with symbolic batch and the bundle's facts in its metadata.

    Inputs: token int64 (batch,), n_0 int64 (batch, order - 1).
    Outputs: logits float32 (batch, vocab), log-probabilities in nats; next_n_0 as n_0.
    """
    graph = Nodes(prefix="")
    write_ngram(graph, automaton, log_chances="logits")
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
    name: str = "step",
) -> onnx.ModelProto:
    """A checked model of written nodes, with the bundle's facts in its metadata."""
    graph = helper.make_graph(nodes, name, inputs, outputs, weights)
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, opset_imports=[opset], producer_name="charmodels")
    model.ir_version = 9  # as old as the operators allow
    helper.set_model_props(model, {METADATA_KEY: json.dumps(bundle.facts())})
    onnx.checker.check_model(model, full_check=True)
    return model


def batch_of(name: str, kind: int, *shape: int | str) -> onnx.ValueInfoProto:
    """A value (batch, *shape) of a graph."""
    return helper.make_tensor_value_info(name, kind, ["batch", *shape])


def write_ngram(graph: Nodes, automaton: Automaton, log_chances: str = "") -> tuple[str, str]:
    """Write a step from `token` and `n_0` to `next_n_0`.

    Returns:
        The names of the log-probabilities (batch, vocab), nats, which is `log_chances` where that
        is given, and of the contexts (batch, order - 1), int32.
    """
    single = automaton.from_nothing[:, None]  # with an axis of one for the length
    graph.weight("from_nothing", single.astype(np.int32))
    graph.weight("first", automaton.first.astype(np.int32))
    symbols = np.append(automaton.symbols, 0)  # the last follower is nobody: see _followers
    graph.weight("symbols", symbols.astype(np.min_scalar_type(len(automaton.anywhere) - 1)))
    contexts = _move(graph, automaton)
    graph.node("Cast", contexts, to=INT64, name="next_n_0")
    return graph.node("Log", _chances(graph, automaton, contexts), name=log_chances), contexts


def _move(graph: Nodes, automaton: Automaton) -> str:
    """The contexts after the token: each old one with it, where that was ever seen."""
    single = graph.node("Gather", graph.prefix + "from_nothing", "token")  # (batch, 1)
    if automaton.order == 2:
        return single
    shorter = int(automaton.first[automaton.shorter_nodes])  # followers that lead anywhere
    table = np.append(automaton.leads_to[:shorter], 0).astype(np.int32)
    leads_to = graph.weight("leads_to", table)
    shorter_ones = graph.weight("shorter_ones", np.arange(automaton.order - 2)[:, None])
    old = graph.node("Gather", "n_0", shorter_ones, axis=1)  # the longest cannot grow
    one = graph.weight("one_wide", np.array(1, np.int64))
    follower = _followers(graph, automaton, old, one, shorter)  # (batch, lengths - 1, widest)
    token = graph.node("Reshape", "token", graph.whole(-1, 1, 1))
    hit = graph.node("Equal", graph.look_up("symbols", follower, INT64), token)  # at most one
    nowhere = graph.weight("nowhere", np.zeros(1, np.int32))
    leads = graph.node("Where", hit, graph.node("Gather", leads_to, follower), nowhere)
    longer = graph.node("ReduceSum", leads, graph.whole(2), keepdims=0)
    return graph.node("Concat", single, longer, axis=1)


def _chances(graph: Nodes, automaton: Automaton, contexts: str) -> str:
    """What each context gives its followers, by what all longer ones leave: (batch, vocab).

    The followers of all contexts stand in one row, `widest` places for each.
    """
    lengths, widest = automaton.order - 1, automaton.widest
    graph.weight("shares", np.append(automaton.shares, 0).astype(np.float16))
    graph.weight("log_backoff", automaton.log_backoff.astype(np.float16))
    anywhere = graph.weight("anywhere", automaton.anywhere.astype(np.float32))
    # Column 0 of the product is what all contexts leave, the others what the lengths above do.
    above = np.tril(np.ones((lengths, lengths), np.float32), -1).repeat(widest, axis=1)
    above = np.concatenate([np.ones((lengths, 1), np.float32), above], axis=1)
    log_backoff = graph.look_up("log_backoff", contexts, FLOAT)  # (batch, lengths)
    left = graph.node("Exp", graph.node("MatMul", log_backoff, graph.weight("above", above)))
    by_all, to_each = graph.split(left, 1, 1, lengths * widest)
    each = graph.node("Unsqueeze", contexts, graph.whole(2))
    one = graph.weight("one", np.array(1, np.int32))
    follower = _followers(graph, automaton, each, one, len(automaton.symbols))
    follower = graph.node("Reshape", follower, graph.whole(0, -1))  # (batch, lengths * widest)
    return graph.node(
        "ScatterElements",
        graph.node("Mul", by_all, anywhere),
        graph.look_up("symbols", follower, INT64),
        graph.node("Mul", graph.look_up("shares", follower, FLOAT), to_each),
        axis=1,
        reduction="add",
    )


def _followers(graph: Nodes, automaton: Automaton, contexts: str, one: str, nobody: int) -> str:
    """Places (batch, lengths, widest) of the followers of contexts (batch, lengths, 1).

    Where a context has not so many, `nobody`: a place that exists in the tables, but leads nowhere
    and has no share.
    """
    reach = graph.weight("reach", np.arange(automaton.widest, dtype=np.int32))
    start = graph.node("Gather", graph.prefix + "first", contexts)
    end = graph.node("Gather", graph.prefix + "first", graph.node("Add", contexts, one))
    place = graph.node("Add", start, reach)
    missing = graph.weight(f"nobody_{nobody}", np.array(nobody, np.int32))
    return graph.node("Where", graph.node("Less", place, end), place, missing)
