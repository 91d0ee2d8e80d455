"""A network and an n-gram that write together: the scores of both, weighed and added.

    log P(w) = a log P_network(w) + b log P_ngram(w) + constant

The n-gram knows by heart what often came; the network judges what never did. Neither needs to know
of the other, so both are made alone, and a and b are fitted on what neither has read: two numbers
for each length of the longest context that the n-gram has seen, for a long one is to be trusted.

Source: Klakow 1998, "Log-linear interpolation of language models"; Hinton 2002, "Training products
of experts by minimizing contrastive divergence", doi:10.1162/089976602760128018. Adding weighed
probabilities instead (Jelinek and Mercer 1980) is worse on every list tried here.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from charmodels.ngram.automaton import Automaton
from charmodels.ngram.cache import LEAST, PAST, Cache
from charmodels.runtime.balance import MIX, MIX_SIZE
from charmodels.runtime.generation import State, StepModel
from charmodels.runtime.sampling import Floats, Logits, log_softmax
from charmodels.runtime.vocabulary import Ids

_PRIOR = 20.0
"""How hard the weights of one length are drawn to those of all: the pull of some ten characters."""

_NEWTON_STEPS = 30


@dataclass(frozen=True)
class Hybrid:
    """A `StepModel` made of two; its state is the network's, the n-gram's `n_0`, and `mix_0`.

    With a cache, `past_0`, too.

    State: mix_0 (batch, 3) float32 moves the weights, see `charmodels.runtime.balance`; it is
    zero, which leaves them as fitted, unless the caller sets it, and never changes by itself. A
    cache is heard less the more they are moved, and at the ends of the balance not at all.
    """

    network: StepModel
    ngram: Automaton
    weights: Floats
    """(order, 2) Of network and n-gram, by the length of the longest context ever seen."""
    cache: Cache | None = None
    """Of an endless text: what it said lately, and how it went on."""

    def initial_state(self, batch: int = 1) -> State:
        """The state of both before the first character of `batch` texts."""
        mix = np.zeros((batch, MIX_SIZE), dtype=np.float32)
        own = {**self.ngram.initial_state(batch), MIX: mix}
        if self.cache:
            own |= self.cache.initial_state(batch)
        return {**self.network.initial_state(batch), **own}

    def step(self, tokens: Ids, state: State) -> tuple[Logits, State]:
        """Read tokens (batch,), return logits (batch, vocab) and a new state."""
        of_network = {name: v for name, v in state.items() if name not in ("n_0", MIX, PAST)}
        logits, next_network = self.network.step(tokens, of_network)
        log_chances, next_ngram = self.ngram.step(tokens, {"n_0": state["n_0"]})
        longest = (next_ngram["n_0"] > 0).sum(axis=1)
        mix = state[MIX]
        weights = self.weights[longest] * (1 + mix[:, :1]) + mix[:, 1:]  # (batch, 2)
        mixed = weights[:, :1] * logits + weights[:, 1:] * log_chances
        after = {**next_network, **next_ngram, MIX: mix.copy()}
        if self.cache:
            after[PAST] = self.cache.move(tokens, state[PAST])
            given = self.cache.given(after[PAST], mixed.shape[1]) * (1 + mix[:, :1])
            mixed = np.log(np.maximum(np.exp(log_softmax(mixed)) + given, LEAST))
        return mixed.astype(np.float32), after


@dataclass(frozen=True)
class Read:
    """What both say of characters that were read: the likelihood of the weights, and the weights.

    In float32, `vocab` numbers a character for each of the two.
    """

    network: Logits
    """(chars, vocab) The network's scores, of any height."""
    ngram: Logits
    """(chars, vocab) The n-gram's log-probabilities."""
    targets: Ids
    """(chars,) What came."""
    lengths: Ids
    """(chars,) Of the longest context ever seen, 0 to order - 1."""

    def of_length(self, length: int) -> "Read":
        """Those characters only."""
        some = self.lengths == length
        return Read(self.network[some], self.ngram[some], self.targets[some], self.lengths[some])

    def nats(self, weights: Floats) -> Floats:
        """What each character costs, float64 (chars,), by weights (order, 2)."""
        own = weights[self.lengths].astype(np.float32)
        log_chances = log_softmax(own[:, :1] * self.network + own[:, 1:] * self.ngram)
        nats: Floats = -log_chances[np.arange(len(self.targets)), self.targets]
        return nats


def fit_weights(read: Read, order: int) -> Floats:
    """The weights (order, 2) at which held-out characters cost least, drawn to a common pair.

    None is below 0: who is wrong more often than right is not heard.

    Args:
        read: a part that neither network nor n-gram has learned from.
        order: of the n-gram.
    """
    common = _fit(read, np.array([0.5, 0.5]), 1e-3)
    return np.stack([_fit(read.of_length(length), common, _PRIOR) for length in range(order)])


def _fit(read: Read, start: Floats, pull: float) -> Floats:
    """The pair (2,), neither below 0, that costs least with pull / 2 for its squared distance."""
    pair = _descend(read, start, pull, np.ones(2, dtype=np.bool_))
    if (pair >= 0).all():
        return pair
    pair = _descend(read, start, pull, pair >= 0)  # the cost is convex: who is below 0 stays at 0
    return np.maximum(pair, 0.0)


def _descend(read: Read, start: Floats, pull: float, free: npt.NDArray[np.bool_]) -> Floats:
    """The pair (2,) that costs least, those not free at 0; Newton, each step halved until it helps.

    The cost is that of the characters, and pull / 2 for the squared distance from `start`.
    """
    pair = np.where(free, start, 0.0)
    if not len(read.targets) or not free.any():
        return pair
    both = np.stack([read.network, read.ngram], axis=1).astype(np.float64)  # (chars, 2, vocab)
    both -= both.max(axis=2, keepdims=True)
    came = both[np.arange(len(both)), :, read.targets]  # (chars, 2)

    def cost(pair: Floats) -> tuple[float, Floats]:
        scores = np.einsum("i,civ->cv", pair, both)
        top = scores.max(axis=1, keepdims=True)
        chances = np.exp(scores - top)
        total = chances.sum(axis=1, keepdims=True)
        nats = float((np.log(total) + top).sum() - (came @ pair).sum())
        return nats + pull / 2 * float(((pair - start) ** 2).sum()), chances / total

    now, chances = cost(pair)
    for _ in range(_NEWTON_STEPS):
        mean = np.einsum("cv,civ->ci", chances, both)
        slope = (mean - came).sum(axis=0) + pull * (pair - start)
        weighed = both * chances[:, None]
        bend = np.einsum("civ,cjv->ij", weighed, both) - mean.T @ mean + pull * np.eye(2)
        move = np.zeros(2)
        move[free] = np.linalg.solve(bend[np.ix_(free, free)], slope[free])
        for _ in range(10):
            tried = pair - move
            then, chances_then = cost(tried)
            if then < now:
                break
            move /= 2
        else:
            break
        gained, pair, now, chances = now - then, tried, then, chances_then
        if gained < 1e-6 * len(read.targets):
            break
    return pair
