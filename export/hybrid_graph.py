"""A network and an n-gram in one step graph: both read the token, their probabilities are mixed."""

import numpy as np
import onnx

from charmodels.ngram.automaton import Automaton
from charmodels.runtime.bundle import Bundle
from export.ngram_graph import INT64, Nodes, batch_of, finish_graph, write_ngram


def build_hybrid_graph(
    network: onnx.ModelProto, automaton: Automaton, weight: float, bundle: Bundle
) -> onnx.ModelProto:
    """The step of a `Mixture` as a checked ONNX model.

    Args:
        network: the network's step, as `build_step_graph` gives it; it is left as it is.
        automaton: the n-gram.
        weight: of the n-gram, 0 to 1.
        bundle: whose facts go into the metadata; its states are the network's, then n_0.
    """
    graph = Nodes(prefix="ngram.")
    chances = write_ngram(graph, automaton)
    alone = onnx.ModelProto()
    alone.CopyFrom(network)
    for node in alone.graph.node:
        node.output[:] = [_inside(name) for name in node.output]
        node.input[:] = [_inside(name) for name in node.input]
    own = graph.weight("weight", np.array(weight, np.float32))
    others = graph.weight("others", np.array(1 - weight, np.float32))
    known = graph.node("Mul", chances, own)  # (batch, vocab)
    judged = graph.node("Mul", graph.node("Softmax", _inside("logits"), axis=-1), others)
    graph.node("Log", graph.node("Add", known, judged), name="logits")
    contexts = (automaton.order - 1,)
    return finish_graph(
        [*alone.graph.node, *graph.nodes],
        [*alone.graph.input, batch_of("n_0", INT64, *contexts)],
        [*alone.graph.output, batch_of("next_n_0", INT64, *contexts)],
        [*alone.graph.initializer, *graph.weights],
        bundle,
    )


def _inside(name: str) -> str:
    """The network's own scores are no longer the graph's."""
    return "network.logits" if name == "logits" else name
