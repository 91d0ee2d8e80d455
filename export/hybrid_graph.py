"""A network and an n-gram in one step graph: both read the token, their scores are weighed."""

import numpy as np
import onnx

from charmodels.ngram.automaton import Automaton
from charmodels.ngram.cache import PAST, Cache
from charmodels.runtime.balance import MIX, MIX_SIZE
from charmodels.runtime.bundle import Bundle
from charmodels.runtime.sampling import Floats
from export.cache_graph import write_cache
from export.ngram_graph import FLOAT, INT64, Nodes, batch_of, finish_graph, write_ngram


def build_hybrid_graph(
    network: onnx.ModelProto,
    automaton: Automaton,
    weights: Floats,
    bundle: Bundle,
    cache: Cache | None = None,
) -> onnx.ModelProto:
    """The step of a `Hybrid` as a checked ONNX model.

    Args:
        network: the network's step, as `build_step_graph` gives it; it is left as it is.
        automaton: the n-gram.
        weights: (order, 2) of network and n-gram, by the length of the longest context ever seen.
        bundle: whose facts go into the metadata; its states are the network's, n_0 and mix_0.
        cache: whose state is past_0.
    """
    graph = Nodes(prefix="ngram.")
    log_chances, contexts = write_ngram(graph, automaton)
    alone = onnx.ModelProto()
    alone.CopyFrom(network)
    for node in alone.graph.node:
        node.output[:] = [_inside(name) for name in node.output]
        node.input[:] = [_inside(name) for name in node.input]
    mixed, moved = _weigh(graph, contexts, log_chances, weights, "" if cache else "logits")
    states: list[tuple[str, int, tuple[int, ...]]] = [
        ("n_0", INT64, (automaton.order - 1,)),
        (MIX, FLOAT, (MIX_SIZE,)),
    ]
    if cache:
        write_cache(graph, cache, mixed, moved)
        states.append((PAST, INT64, (2, cache.window)))
    return finish_graph(
        [*alone.graph.node, *graph.nodes],
        [*alone.graph.input, *(batch_of(name, kind, *shape) for name, kind, shape in states)],
        [
            *alone.graph.output,
            *(batch_of(f"next_{name}", kind, *shape) for name, kind, shape in states),
        ],
        [*alone.graph.initializer, *graph.weights],
        bundle,
    )


def _weigh(
    graph: Nodes, contexts: str, log_chances: str, weights: Floats, name: str
) -> tuple[str, str]:
    """Both scores by their weights for this length of context, as the balance moves them.

    Gives their sum, called `name`, and by how much the fitted weights are moved (batch, 1).
    """
    graph.weight("weights", weights.astype(np.float32))
    known = graph.node("Sign", contexts)  # a context that is there has shorter ones
    longest = graph.node("ReduceSum", known, graph.whole(1), keepdims=0)
    own = graph.node("Gather", graph.prefix + "weights", longest)  # (batch, 2)
    scale, shift = graph.split(MIX, 1, 1, MIX_SIZE - 1)
    moved = graph.node("Add", own, graph.node("Mul", own, scale))
    of_network, of_ngram = graph.split(graph.node("Add", moved, shift), 1, 1, 1)
    judged = graph.node("Mul", _inside("logits"), of_network)
    known = graph.node("Mul", log_chances, of_ngram)
    graph.node("Identity", MIX, name=f"next_{MIX}")
    return graph.node("Add", judged, known, name=name), scale


def _inside(name: str) -> str:
    """The network's own scores are no longer the graph's."""
    return "network.logits" if name == "logits" else name
