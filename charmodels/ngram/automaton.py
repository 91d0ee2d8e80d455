"""The n-gram as a graph can walk it: from the contexts of one character to those of the next.

`Ngram` finds its contexts anew at every character, one length after the other. Here each follower
also knows which context it leads to, one character longer than its own, so that the contexts of all
lengths move at once: a step is two look-ups of slices, and nothing is searched.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from charmodels.ngram.ngram import Ngram
from charmodels.runtime.generation import State
from charmodels.runtime.sampling import Floats, Logits
from charmodels.runtime.vocabulary import Ids


@dataclass(frozen=True)
class Automaton:
    """A `StepModel` with the probabilities of an `Ngram`, its memory the contexts it stands in.

    Nodes are those of the n-gram's trie. Node 0, the empty context, stands for "never seen"
    wherever a longer one is meant: it has no followers here, and leaves everything (log 1 = 0).

    State: n_0 (batch, order - 1) int64, the node of each length 1 to order - 1, zero where that
    context was never seen, and before the text; every text begins with the boundary.
    """

    anywhere: Floats
    """(vocab,) P(w) after the empty context."""
    from_nothing: Ids
    """(vocab,) The node of each single character, 0 where it never came before another."""
    first: Ids
    """(nodes + 1,) The followers of node i are first[i] to first[i + 1] - 1."""
    symbols: npt.NDArray[np.int32]
    """(followers,) Which character followed."""
    shares: Floats
    """(followers,) What each follower's own context gives it."""
    leads_to: Ids
    """(followers,) The node of the context and its follower, 0 where that is none."""
    log_backoff: Floats
    """(nodes,) What each context leaves to the shorter one, nats."""
    order: int
    """Characters of an n-gram."""
    shorter_nodes: int
    """Nodes of fewer than order - 1 characters, the empty context included."""

    @property
    def widest(self) -> int:
        """Followers of one context at most."""
        return int(np.diff(self.first).max())

    def initial_state(self, batch: int = 1) -> State:
        """No context at all."""
        return {"n_0": np.zeros((batch, self.order - 1), dtype=np.int64)}

    def step(self, tokens: Ids, state: State) -> tuple[Logits, State]:
        """Read tokens (batch,), return log-probabilities (batch, vocab), nats, and a new state."""
        nodes = self.move(tokens, state["n_0"])
        return np.log(self._chances(nodes)).astype(np.float32), {"n_0": nodes}

    def move(self, tokens: Ids, nodes: Ids) -> Ids:
        """The contexts (batch, order - 1) after tokens (batch,): each with its token, if seen."""
        symbols, follower, there = self.followers(nodes[:, :-1])  # the longest cannot grow
        hit = there & (symbols == tokens[:, None, None])
        longer = np.where(hit, self.leads_to[follower], 0).sum(axis=2)  # (batch, order - 2)
        return np.concatenate([self.from_nothing[tokens][:, None], longer], axis=1)

    def _chances(self, nodes: Ids) -> Floats:
        """The probability of every character, float64 (batch, vocab)."""
        symbols, follower, there = self.followers(nodes)
        log_back = self.log_backoff[nodes]  # (batch, lengths)
        longer = np.cumsum(log_back[:, ::-1], axis=1)[:, ::-1] - log_back  # of all longer ones
        given = np.where(there, self.shares[follower], 0.0) * np.exp(longer)[:, :, None]
        chances: Floats = np.exp(log_back.sum(axis=1))[:, None] * self.anywhere
        rows = np.broadcast_to(np.arange(len(nodes))[:, None, None], symbols.shape)
        np.add.at(chances, (rows, symbols), given)
        return chances

    def followers(self, nodes: Ids) -> tuple[Ids, Ids, npt.NDArray[np.bool_]]:
        """Symbols and places of the followers of nodes (batch, lengths), and which are real.

        Each (batch, lengths, widest); what is not real stands for some follower or other.
        """
        start, size = self.first[nodes], self.first[nodes + 1] - self.first[nodes]
        reach = np.arange(self.widest)
        there = reach < size[:, :, None]
        follower = np.minimum(start[:, :, None] + reach, len(self.symbols) - 1)
        return self.symbols[follower].astype(np.int64), follower, there


def build_automaton(ngram: Ngram) -> Automaton:
    """The same model with its contexts linked."""
    trie, vocab = ngram.trie, ngram.trie.vocab
    rooted = int(trie.first[1])  # followers of the empty context, which `anywhere` has
    from_nothing = np.maximum(trie.extend(np.zeros(vocab, np.int64), np.arange(vocab)), 0)
    first = np.concatenate([[0], trie.first[1:] - rooted])
    log_backoff = np.log(ngram.backoff)
    log_backoff[0] = 0.0
    return Automaton(
        anywhere=ngram.anywhere,
        from_nothing=from_nothing,
        first=first,
        symbols=trie.symbols[rooted:],
        shares=ngram.shares[rooted:],
        leads_to=trie.leads_to[rooted:],
        log_backoff=log_backoff,
        order=trie.order,
        shorter_nodes=trie.levels[-2],
    )
