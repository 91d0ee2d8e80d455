"""Which characters may come next, so that a name ends as it must and within the length it may have.

A guide walks an automaton beside the model. Where a name stands is a set of positions; each such
node is given a number when a name first comes there, and two rows of tables: which characters may
come, and what end is then to be hoped for; and which node they lead to. A character may come if
from one of the positions it leads to, an end is no farther than the length left: so no name is ever
stuck.
"""

from collections.abc import Iterable

import numpy as np

from charmodels.runtime.errors import ConstraintError
from charmodels.runtime.foresight import Foresight, is_affordable
from charmodels.runtime.glushkov import Glushkov, Positions, members, too_large, union
from charmodels.runtime.sampling import Floats, Ids, Logits
from charmodels.runtime.vocabulary import BOUNDARY_ID

MAX_NODES = 20_000
"""Nodes remembered at most; those that are left are then found again."""

_ROOM = 64
"""Nodes there is room for at first."""

_MAX_LAYERS = 400_000
"""Positions times the shortest length: each is looked at for each length below it."""

_UNKNOWN = -1
_PLAIN = -1
"""Stands for every length at which neither limit is near enough to matter."""

_END = 0
"""The class of the boundary."""

_FIRST: Ids = np.zeros(1, dtype=np.int64)


class Guide:
    """The way of the names of one call; all it remembers is where names have been.

    Args:
        automaton: what whole names are like.
        vocab: ids of the model.
        shortest: characters of a name at least, its beginning included.
        longest: the same at most.
        pairs: of `count_pairs`, to look ahead with; without, nothing is preferred.

    Raises:
        ConstraintError: it would take too long to say which lengths can be met.
    """

    def __init__(
        self,
        automaton: Glushkov,
        vocab: int,
        shortest: int,
        longest: int,
        pairs: Floats | None = None,
    ) -> None:
        self._follow, self._accepting = automaton.follow, automaton.accepting
        self._shortest = max(1, shortest)  # an empty name is no name
        self.longest = longest
        """Characters of a name at most."""
        self._class, self._into = _classes(automaton, vocab)
        self._within = _within(automaton)
        self._below = self._alive_below()
        self._foresight: Foresight | None = None
        cheap = is_affordable(len(automaton), len(self._into), self._shortest)
        if pairs is not None and cheap and self._shortest <= longest:
            self._foresight = Foresight(
                automaton, self._class, self._into, pairs, self._shortest, longest
            )
        self.length = 0
        """Characters that all names begin with."""
        self._begin_at(1 & self._alive(0))

    @property
    def positions(self) -> int:
        """Of the automaton."""
        return len(self._follow)

    @property
    def is_possible(self) -> bool:
        """Whether any name is left."""
        return bool(np.isfinite(self._outlook[0]).any())

    def begin(self, ids: Iterable[int]) -> None:
        """Let all names go on with these ids, from where they begin now."""
        for token in ids:
            positions = self._step(0, self.length + 1) & self._into[self._class[token]]
            self.length += 1
            self._begin_at(positions)

    def forced(self) -> list[int]:
        """Let all names go on with what they all have next; the ids of that."""
        given: list[int] = []
        while len(only := np.isfinite(self.outlook(_FIRST)[0]).nonzero()[0]) == 1:
            if only[0] == BOUNDARY_ID:
                break
            given += only.tolist()
            self.begin(only.tolist())
        return given

    def outlook(self, nodes: Ids) -> Logits:
        """How likely a good end is after each id, in nats (nodes, vocab), to be added to logits.

        -inf for what may not come; 0 at most.
        """
        nats: Logits = self._outlook[nodes][:, self._class]
        return nats

    def advance(self, nodes: Ids, tokens: Ids, lengths: Ids) -> Ids:
        """Where names of so many characters come to by one id more, each (batch,).

        A name that ends stays where it is. Nodes given before are good no longer, but 0, where
        all begin.
        """
        if len(self._keys) > MAX_NODES:
            nodes = self._forget(nodes)
        kinds = self._class[tokens]
        after: Ids = self._next[nodes, kinds]
        is_late = (self._phase[nodes] == _PLAIN) & (lengths >= self._plain_until)
        for i in np.flatnonzero((kinds != _END) & ((after == _UNKNOWN) | is_late)):
            after[i] = self._find(int(nodes[i]), int(kinds[i]), int(lengths[i]) + 1)
        return after

    # --- nodes ---

    def _begin_at(self, positions: Positions) -> None:
        """Forget all nodes; 0 is where names of `length` characters begin."""
        self._keys: list[tuple[Positions, int]] = []
        self._numbers: dict[tuple[Positions, int], int] = {}
        self._phase = np.zeros(_ROOM, dtype=np.int64)
        self._outlook = np.zeros((_ROOM, len(self._into)), dtype=np.float32)
        self._next = np.full((_ROOM, len(self._into)), _UNKNOWN)
        self._number(positions, self.length)

    def _find(self, node: int, kind: int, length: int) -> int:
        """Where a class of characters leads a name that then has `length`."""
        found = self._number(self._step(node, length) & self._into[kind], length)
        if self._phase[node] != _PLAIN or self._phase[found] == _PLAIN:
            self._next[node, kind] = found
        return found

    def _number(self, positions: Positions, length: int) -> int:
        """The number of these positions at that length, new or known."""
        is_plain = self._shortest <= length <= self._plain_until
        key = (positions, _PLAIN if is_plain else length)
        if key in self._numbers:
            return self._numbers[key]
        node = self._numbers[key] = len(self._keys)
        self._keys.append(key)
        if node == len(self._phase):
            self._grow()
        self._outlook[node] = self._look(node, length)
        self._phase[node], self._next[node, _END] = key[1], node
        return node

    def _look(self, node: int, length: int) -> Logits:
        """The outlook of each class of characters (classes,)."""
        nats = np.full(len(self._into), -np.inf, dtype=np.float32)
        may_end = self._shortest <= length <= self.longest
        if may_end and self._keys[node][0] & self._accepting:
            nats[_END] = 0.0
        ahead = self._step(node, length + 1)
        for kind, into in enumerate(self._into):
            if led := ahead & into:
                foresight = self._foresight
                nats[kind] = foresight.log_chance(led, kind, length + 1) if foresight else 0.0
        return nats

    def _step(self, node: int, length: int) -> Positions:
        """The positions that any character leads to, at that length, if an end can be met."""
        positions = self._keys[node][0]
        return union(self._follow[each] for each in members(positions)) & self._alive(length)

    def _grow(self) -> None:
        """Room for twice as many nodes."""
        self._phase = np.concatenate([self._phase, np.zeros_like(self._phase)])
        self._outlook = np.concatenate([self._outlook, np.zeros_like(self._outlook)])
        self._next = np.concatenate([self._next, np.full_like(self._next, _UNKNOWN)])

    def _forget(self, nodes: Ids) -> Ids:
        """Keep the beginning and these nodes; their new numbers."""
        kept = np.unique(np.append(nodes, 0))
        self._keys = [self._keys[node] for node in kept]
        self._numbers = {key: node for node, key in enumerate(self._keys)}
        self._phase, self._outlook = self._phase[kept], self._outlook[kept]
        self._next = np.full(self._outlook.shape, _UNKNOWN)
        self._next[:, _END] = np.arange(len(kept))
        return np.searchsorted(kept, nodes)

    # --- lengths ---

    @property
    def _plain_until(self) -> int:
        """From the shortest length to this one, the length does not matter."""
        return self.longest - len(self._within)

    def _alive(self, length: int) -> Positions:
        """The positions from which a name of that length can still end as it must."""
        if length < self._shortest:
            return self._below[length]
        if length > self.longest:
            return 0
        return self._within[min(self.longest - length, len(self._within) - 1)]

    def _alive_below(self) -> list[Positions]:
        """`_alive` of the lengths at which no name may end yet."""
        if self._shortest * len(self._follow) > _MAX_LAYERS:
            raise ConstraintError(too_large(), "costly")
        below: list[Positions] = []
        alive = self._alive(self._shortest)
        for _ in range(self._shortest):
            alive = union(1 << place for place, after in enumerate(self._follow) if after & alive)
            below.append(alive)
        return below[::-1]


def _classes(automaton: Glushkov, vocab: int) -> tuple[Ids, list[Positions]]:
    """Characters that no position tells apart, as one.

    Returns:
        The class of each id (vocab,), and the positions that each class leads into.
    """
    into: dict[frozenset[int], Positions] = {}
    for place, read in enumerate(automaton.reads):
        into[read] = into.get(read, 0) | 1 << place
    led = [0] * vocab
    for read, positions in into.items():
        for token in read:
            led[token] |= positions
    numbers = {0: _END + 1} | {p: n for n, p in enumerate(sorted({*led} - {0}), _END + 2)}
    classes = np.array([numbers[positions] for positions in led])
    classes[BOUNDARY_ID] = _END
    return classes, [0, *numbers]


def _within(automaton: Glushkov) -> list[Positions]:
    """Of 0, 1, ... characters: the positions from which so many, or fewer, lead to an end."""
    before = [0] * len(automaton)
    for place, after in enumerate(automaton.follow):
        for each in members(after):
            before[each] |= 1 << place
    within = [automaton.accepting]
    new = automaton.accepting
    while new := union(before[place] for place in members(new)) & ~within[-1]:
        within.append(within[-1] | new)
    return within
