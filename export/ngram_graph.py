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
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from charmodels.ngram.automaton import Automaton
from charmodels.runtime.bundle import METADATA_KEY, Bundle
from charmodels.runtime.generation import Array
from charmodels.runtime.vocabulary import Ids
from export.step_graph import OPSET

INT32, INT64, FLOAT = TensorProto.INT32, TensorProto.INT64, TensorProto.FLOAT


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


def write_ngram(graph: Nodes, automaton: Automaton, log_chances: str = "") -> tuple[str, str]:
    """Write a step from `token` and `n_0` to `next_n_0`.

    Returns:
        The names of the log-probabilities (batch, vocab), nats, which is `log_chances` where that
        is given, and of the contexts (batch, order - 1), int32.
    """
    shorter = automaton.first[automaton.shorter_nodes]  # followers that lead to longer contexts
    # A trailing axis of one, so that what is gathered stands ready beside the followers.
    graph.weight("from_nothing", automaton.from_nothing[:, None].astype(np.int32))
    graph.weight("first", automaton.first[:-1, None].astype(np.int32))
    graph.weight("size", _small(np.diff(automaton.first)[:, None]))
    graph.weight("symbols", _small(automaton.symbols))
    contexts = _move(graph, automaton, int(shorter))
    graph.node("Cast", contexts, to=INT64, name="next_n_0")
    return graph.node("Log", _chances(graph, automaton, contexts), name=log_chances), contexts


def _small(table: Ids | npt.NDArray[np.int32]) -> Array:
    """Whole numbers from 0 in as few bytes as hold them all."""
    return table.astype(np.min_scalar_type(int(table.max())))


def _move(graph: Nodes, automaton: Automaton, shorter: int) -> str:
    """The contexts after the token: each old one with it, where that was ever seen."""
    single = graph.node("Gather", graph.prefix + "from_nothing", "token")  # (batch, 1)
    if automaton.order == 2:
        return single
    leads_to = graph.weight("leads_to", automaton.leads_to[:shorter].astype(np.int32))
    old, _ = graph.split("n_0", 1, automaton.order - 2, 1)  # the longest cannot grow
    follower, there = _followers(graph, automaton, old, shorter)
    token = graph.node("Reshape", "token", graph.whole(-1, 1, 1))
    same = graph.node("Equal", graph.look_up("symbols", follower, INT64), token)
    hit = graph.node("And", same, there)  # (batch, lengths - 1, widest), one of them at most
    leads = graph.node("Gather", leads_to, follower)
    leads = graph.node("Where", hit, leads, graph.weight("nowhere", np.zeros(1, np.int32)))
    longer = graph.node("ReduceSum", leads, graph.whole(2), keepdims=0)
    return graph.node("Concat", single, longer, axis=1)


def _chances(graph: Nodes, automaton: Automaton, contexts: str) -> str:
    """What each context gives its followers, by what all longer ones leave: (batch, vocab)."""
    lengths = automaton.order - 1
    graph.weight("shares", automaton.shares.astype(np.float16))
    graph.weight("log_backoff", automaton.log_backoff[:, None].astype(np.float16))
    anywhere = graph.weight("anywhere", automaton.anywhere.astype(np.float32))
    # Row j of the product is what the lengths above j leave; row 0 is what all of them do.
    above = graph.weight("above", np.triu(np.ones((lengths + 1, lengths), np.float32)))
    log_backoff = graph.look_up("log_backoff", contexts, FLOAT)  # (batch, lengths, 1)
    left = graph.node("Exp", graph.node("MatMul", above, log_backoff))
    by_all, to_each = graph.split(left, 1, 1, lengths)
    follower, there = _followers(graph, automaton, contexts, len(automaton.symbols))
    nothing = graph.weight("nothing", np.zeros(1, np.float32))
    share = graph.node("Where", there, graph.look_up("shares", follower, FLOAT), nothing)
    share = graph.node("Mul", share, to_each)  # (batch, lengths, widest)
    flat = graph.whole(0, -1)
    return graph.node(
        "ScatterElements",
        graph.node("Mul", graph.node("Reshape", by_all, flat), anywhere),
        graph.node("Reshape", graph.look_up("symbols", follower, INT64), flat),
        graph.node("Reshape", share, flat),
        axis=1,
        reduction="add",
    )


def _followers(graph: Nodes, automaton: Automaton, contexts: str, known: int) -> tuple[str, str]:
    """Places of the followers of contexts (batch, lengths), and which of them are real.

    Each (batch, lengths, widest); what is not real stands for some of the first `known` followers.
    """
    reach = graph.weight("reach", np.arange(automaton.widest, dtype=np.int32))
    start = graph.node("Gather", graph.prefix + "first", contexts)  # (batch, lengths, 1)
    last = graph.weight(f"last_{known}", np.array(known - 1, np.int32))
    follower = graph.node("Min", graph.node("Add", start, reach), last)
    return follower, graph.node("Less", reach, graph.look_up("size", contexts, INT32))
