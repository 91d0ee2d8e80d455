"""Which strings a regular expression means: an automaton whose states are the places in it.

Every character that the expression names is a position; to be there is to have just read it. So all
ways into a position read the same set of characters, and two automata meet in pairs of positions.
Nothing is made deterministic here: `(a|b)*a[ab]{12}` has 16 positions, and 8,192 states if it were.

Sets of positions are whole numbers, bit p for position p. Position 0 is the beginning.

Source: Glushkov 1961, "The abstract theory of automata", section 12.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from operator import or_

from charmodels.runtime.errors import ConstraintError
from charmodels.runtime.pattern import Characters, Choice, Repeat, Tree
from charmodels.runtime.pattern import Sequence as Row

MAX_POSITIONS = 2_000
"""Of all that is asked of a name together."""

Positions = int
"""A set of positions, bit by bit."""


@dataclass(frozen=True)
class Glushkov:
    """An automaton over a vocabulary's characters."""

    reads: tuple[frozenset[int], ...]
    """Of each position: the ids of the characters that lead into it."""
    follow: tuple[Positions, ...]
    """Of each position: where the next character may lead."""
    accepting: Positions
    """Where a string may end."""

    def __len__(self) -> int:
        return len(self.reads)


def members(positions: Positions) -> Iterator[int]:
    """The positions of a set, upwards."""
    while positions:
        lowest = positions & -positions
        yield lowest.bit_length() - 1
        positions ^= lowest


def union(sets: Iterable[Positions]) -> Positions:
    """All that is in one of the sets."""
    return reduce(or_, sets, 0)


def build_glushkov(tree: Tree, symbols: tuple[str, ...]) -> Glushkov:
    """The automaton of an expression, over `symbols`, whose id 0 is no character.

    Raises:
        ConstraintError: more than MAX_POSITIONS.
    """
    if _size(tree) >= MAX_POSITIONS:
        raise ConstraintError(too_large(), "costly")
    builder = _Builder(symbols)
    whole = builder.build(tree)
    builder.link(1, whole.first)
    entered = union(1 << place for place, read in enumerate(builder.reads) if read)
    follow = tuple(after & entered for after in builder.follow)  # not what the model cannot write
    return Glushkov(tuple(builder.reads), follow, whole.last | whole.may_be_empty)


def too_large() -> str:
    """What is said of more than MAX_POSITIONS."""
    return (
        f"what is asked of the names takes more than {MAX_POSITIONS:,} states; shorten the pattern "
        "or its repeats"
    )


def _size(tree: Tree) -> int:
    """Positions of an expression, counted without building it."""
    match tree:
        case Characters():
            return 1
        case Row() | Choice():
            return sum(map(_size, tree.parts))
        case Repeat():
            return _size(tree.part) * max(1, tree.least, tree.most or 0)


@dataclass(frozen=True)
class _Part:
    """A piece of an expression: where it begins and ends."""

    first: Positions
    last: Positions
    may_be_empty: bool


_EMPTY = _Part(0, 0, True)


class _Builder:
    """Positions so far, and what may follow each."""

    def __init__(self, symbols: tuple[str, ...]) -> None:
        self._symbols, self._ids = symbols, dict[Characters, frozenset[int]]()
        self.reads: list[frozenset[int]] = [frozenset()]
        self.follow: list[Positions] = [0]

    def build(self, tree: Tree) -> _Part:
        """Add the positions of an expression."""
        match tree:
            case Characters():
                return self._position(tree)
            case Row():
                return reduce(self._then, map(self.build, tree.parts), _EMPTY)
            case Choice():
                parts = [self.build(part) for part in tree.parts]
                return _Part(
                    union(part.first for part in parts),
                    union(part.last for part in parts),
                    any(part.may_be_empty for part in parts),
                )
            case Repeat():
                return self._repeat(tree)

    def link(self, positions: Positions, after: Positions) -> None:
        """Let `after` follow each of `positions`."""
        for position in members(positions):
            self.follow[position] |= after

    def _position(self, characters: Characters) -> _Part:
        if characters not in self._ids:
            known = enumerate(self._symbols[1:], 1)
            self._ids[characters] = frozenset(i for i, c in known if characters.holds(c))
        self.reads.append(self._ids[characters])
        self.follow.append(0)
        here = 1 << len(self.reads) - 1
        return _Part(here, here, False)

    def _then(self, one: _Part, other: _Part) -> _Part:
        self.link(one.last, other.first)
        return _Part(
            one.first | (other.first if one.may_be_empty else 0),
            other.last | (one.last if other.may_be_empty else 0),
            one.may_be_empty and other.may_be_empty,
        )

    def _repeat(self, tree: Repeat) -> _Part:
        """Copies in a row: only neighbours are linked, however many may be left out.

        A part that may be empty is repeated as if it might not: fewer times is then the same.
        """
        copies = [self.build(tree.part) for _ in range(max(1, tree.least, tree.most or 0))]
        if tree.most == 0:
            return _EMPTY
        least = 0 if copies[0].may_be_empty else tree.least
        for one, other in pairwise(copies):
            self.link(one.last, other.first)
        if tree.most is None:
            self.link(copies[-1].last, copies[-1].first)
        ends = union(copy.last for copy in copies[max(0, least - 1) :])
        return _Part(copies[0].first, ends, least == 0)


def intersect(one: Glushkov, other: Glushkov) -> Glushkov:
    """The automaton of what both mean: its positions are the pairs that can be reached.

    Raises:
        ConstraintError: more than MAX_POSITIONS.
    """
    pairs = [(0, 0)]
    numbers = {(0, 0): 0}
    reads: list[frozenset[int]] = [frozenset()]
    follow: list[Positions] = []
    shared: dict[tuple[frozenset[int], frozenset[int]], frozenset[int]] = {}
    for a, b in pairs:  # which grow
        after = 0
        others = [*members(other.follow[b])]
        for next_a in members(one.follow[a]):
            for next_b in others:
                sets = (one.reads[next_a], other.reads[next_b])
                if sets not in shared:
                    shared[sets] = sets[0] & sets[1]
                if not shared[sets]:
                    continue
                pair = (next_a, next_b)
                if pair not in numbers:
                    numbers[pair] = len(pairs)
                    pairs.append(pair)
                    reads.append(shared[sets])
                after |= 1 << numbers[pair]
        follow.append(after)
        if len(pairs) > MAX_POSITIONS:
            raise ConstraintError(too_large(), "costly")
    ends = (one.accepting >> a & other.accepting >> b & 1 for a, b in pairs)
    accepting = union(is_end << i for i, is_end in enumerate(ends))
    return Glushkov(tuple(reads), tuple(follow), accepting)
