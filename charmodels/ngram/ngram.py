"""The n-gram model: the next character, judged by the last few, as a step with explicit memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from charmodels.ngram.counting import Trie, find, places
from charmodels.runtime.generation import State
from charmodels.runtime.sampling import Floats, Logits
from charmodels.runtime.vocabulary import BOUNDARY_ID, Ids


@dataclass(frozen=True)
class Ngram:
    """A `StepModel` that remembers the last order - 1 characters and looks them up.

    P(w | h) = the share h gives to w (0 if w never followed it) + backoff(h) P(w | h'), h' being h
    without its oldest character, and P(w | h) = P(w | h') where h was never seen.

    State: n_0 (batch, order - 1) int64, the newest character last, zero (the boundary) before the
    text.
    """

    trie: Trie
    shares: Floats
    """(followers,) What each follower's own context gives it."""
    backoff: Floats
    """(nodes,) What each context leaves to the shorter one."""
    seen: Ids
    """(nodes,) How often each context came."""

    @property
    def order(self) -> int:
        """Characters of an n-gram: those remembered, and the one foretold."""
        return self.trie.order

    @cached_property
    def anywhere(self) -> Floats:
        """P(w) after the empty context, float64 (vocab,)."""
        chances = np.full(self.trie.vocab, self.backoff[0] / self.trie.vocab)
        of_root = slice(0, self.trie.first[1])
        chances[self.trie.symbols[of_root]] += self.shares[of_root]
        return chances

    def initial_state(self, batch: int = 1) -> State:
        """Nothing but boundaries."""
        return {"n_0": np.zeros((batch, self.order - 1), dtype=np.int64)}

    def step(self, tokens: Ids, state: State) -> tuple[Logits, State]:
        """Read tokens (batch,), return log-probabilities (batch, vocab), nats, and a new state.

        The boundary begins a new record: nothing before it is remembered.
        """
        recent = np.concatenate([state["n_0"][:, 1:], tokens[:, None]], axis=1)
        recent[tokens == BOUNDARY_ID] = BOUNDARY_ID
        return np.log(self.chances(self.contexts(recent))).astype(np.float32), {"n_0": recent}

    def contexts(self, recent: Ids) -> Ids:
        """The node of each length 0 to order - 1 of recent (batch, order - 1), newest last.

        int64 (batch, order), -1 from the first length on that was never seen.
        """
        nodes = np.zeros((len(recent), self.order), dtype=np.int64)
        for length in range(1, self.order):
            nodes[:, length] = self.trie.extend(nodes[:, length - 1], recent[:, -length])
        return nodes

    def chances(self, nodes: Ids) -> Floats:
        """The probability of every character after contexts (batch, order), float64 (batch, vocab).

        Each context's shares count by what all longer ones leave.
        """
        batch, vocab, first = len(nodes), self.trie.vocab, self.trie.first
        leaves = np.where(nodes >= 0, self.backoff[nodes], 1.0)
        left = np.ones((batch, self.order))  # to each length, by all longer ones
        left[:, :-1] = np.cumprod(leaves[:, :0:-1], axis=1)[:, ::-1]
        known = nodes >= 0
        known[:, 0] = False  # `anywhere` has the empty context's
        row, length = np.nonzero(known)
        node = nodes[row, length]
        sizes = first[node + 1] - first[node]
        begins = np.cumsum(sizes) - sizes  # where each node's followers begin among all of them
        follower = np.arange(sizes.sum()) + (first[node] - begins).repeat(sizes)
        given = self.shares[follower] * left[row, length].repeat(sizes)
        cell = row.repeat(sizes) * vocab + self.trie.symbols[follower]
        chances = np.bincount(cell, given, minlength=batch * vocab).reshape(batch, vocab)
        return chances + left[:, :1] * self.anywhere

    def read(
        self, stream: npt.NDArray[np.int32], place: Ids
    ) -> tuple[npt.NDArray[np.float32], Ids]:
        """What is expected at places of a stream, both as `counting.places` gives them.

        Returns:
            Log-probabilities float32 (chars, vocab), nats; the length of the longest context ever
            seen (chars,).
        """
        back = np.arange(self.order - 1, 0, -1)
        recent = stream[np.maximum(place[:, None] - back, 0)].astype(np.int64)
        ended = np.cumsum((recent == BOUNDARY_ID)[:, ::-1], axis=1)[:, ::-1] > 0
        recent[ended] = BOUNDARY_ID  # what was before the last boundary is forgotten
        nodes = self.contexts(recent)
        return np.log(self.chances(nodes)).astype(np.float32), (nodes >= 0).sum(axis=1) - 1

    def score(self, records: Sequence[Ids], *, endless: bool) -> Floats:
        """Nats of every character of `records`, end marks of names included, float64 (chars,)."""
        stream, place = places(records, endless=endless)
        chances = self.anywhere[stream[place]]
        node, alive = np.zeros(len(place), dtype=np.int64), np.arange(len(place))
        for length in range(1, self.order):
            node = self.trie.extend(node, stream[place[alive] - length])
            known = node >= 0  # never beyond a boundary: no context is
            node, alive = node[known], alive[known]
            follower = find(self.trie.followed, node * self.trie.vocab + stream[place[alive]])
            given = np.where(follower >= 0, self.shares[follower], 0.0)
            chances[alive] = given + self.backoff[node] * chances[alive]
        nats: Floats = -np.log(chances)
        return nats
