"""A text's own past in the step graph: see `charmodels.ngram.cache`."""

import numpy as np

from charmodels.ngram.cache import LEAST, MOST, PAST, Cache
from export.ngram_graph import Nodes


def write_cache(graph: Nodes, cache: Cache, mixed: str, moved: str) -> None:
    """Write the step from `token` and `past_0` to `next_past_0`, and from scores to `logits`.

    Args:
        graph: to write into.
        cache: its votes and window.
        mixed: the scores (batch, vocab) of network and n-gram together.
        moved: by how much the balance moves their weights (batch, 1), 0 to -1.
    """
    window, none = cache.window, graph.whole(0)
    said, runs = graph.split(PAST, 1, 1, 1)  # (batch, 1, window)
    newest = graph.node("Reshape", "token", graph.whole(-1, 1, 1))
    goes_on = graph.node("Sign", newest)  # a boundary forgets all
    nothing = graph.node("Mul", newest, none)
    before, _ = graph.split(runs, 2, window - 1, 1)
    longer = graph.node("Add", graph.node("Concat", nothing, before, axis=2), graph.whole(1))
    longer = graph.node("Min", longer, graph.whole(len(cache.votes) - 1))
    runs = graph.node("Where", graph.node("Equal", said, newest), longer, none)
    _, said = graph.split(graph.node("Mul", said, goes_on), 2, 1, window - 1)
    _, runs = graph.split(graph.node("Mul", runs, goes_on), 2, 1, window - 1)
    said = graph.node("Concat", said, newest, axis=2)
    graph.node(
        "Concat", said, graph.node("Concat", runs, nothing, axis=2), axis=1, name=f"next_{PAST}"
    )
    _, came = graph.split(said, 2, 1, window - 1)  # after all places but the newest
    votes = graph.node("Gather", graph.weight("cache.votes", cache.votes.astype(np.float32)), runs)
    given, came = (graph.node("Squeeze", each, graph.whole(1)) for each in (votes, came))
    most, one = (
        graph.weight(f"cache.{name}", np.array(value, dtype=np.float32))
        for name, value in (("most", MOST), ("one", 1.0))
    )
    whole = graph.node("Max", graph.node("ReduceSum", given, graph.whole(1)), most)
    heard = graph.node("Mul", graph.node("Div", most, whole), graph.node("Add", moved, one))
    chances = graph.node(
        "ScatterElements",
        graph.node("Softmax", mixed, axis=1),
        came,
        graph.node("Mul", given, heard),
        axis=1,
        reduction="add",
    )
    least = graph.weight("cache.least", np.array(LEAST, dtype=np.float32))
    graph.node("Log", graph.node("Max", chances, least), name="logits")
