"""Which names an n-gram's tables spell out: what a bundle gives away of the list it was made of."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from charmodels.ngram.automaton import Automaton
from charmodels.runtime.vocabulary import BOUNDARY_ID, Ids


def spelled(automaton: Automaton, names: Sequence[Ids]) -> npt.NDArray[np.bool_]:
    """Whether each name (names,) can be read in the tables from its beginning to its end.

    It can if every character, the end included, stands among those that followed the longest
    context there is room for. Names of the list can, unless they were pruned; of other names, those
    can that are pieced together of what is there.
    """
    time = max(map(len, names)) + 2
    rows = np.full((len(names), time), BOUNDARY_ID)
    for row, name in zip(rows, names, strict=True):
        row[1 : len(name) + 1] = name
    ends = np.array([len(name) for name in names]) + 1  # where each end mark stands
    is_spelled = np.ones(len(names), dtype=np.bool_)
    nodes = automaton.initial_state(len(names))["n_0"]
    for place in range(1, time):
        nodes = automaton.move(rows[:, place - 1], nodes)
        longest = min(place, automaton.order - 1) - 1  # node 0, none, has no followers
        symbols, _, there = automaton.followers(nodes[:, longest, None])
        came = (there & (symbols == rows[:, place, None, None])).any(axis=(1, 2))
        is_spelled &= came | (place > ends)
    return is_spelled
