"""The memoryless baseline: what comes next, judged by the last character alone.

Interpolated Kneser-Ney of order 2. With c(v w) how often w follows v in the training records,
N(v .) how many different characters follow v, N(. w) how many different ones w follows, and N(. .)
how many different pairs there are:

    P(w | v) = max(c(v w) - D, 0) / c(v) + D N(v .) / c(v) P(w)
    P(w)     = max(N(. w) - E, 0) / N(. .) + E |{w: N(. w) > 0}| / N(. .) / vocab

so a character is expected after a strange one by how many characters it follows, not by how often,
and no character is impossible. After a character that never came before another, P(w | v) = P(w).
The discounts D (of pairs) and E (of characters) are n_1 / (n_1 + 2 n_2), n_k being how many counts
are k; 0.5 where there is no count of 1 or none of 2, as in a corpus that repeats itself.

Source: Kneser and Ney 1995, "Improved backing-off for m-gram language modeling"; in the
interpolated form of Chen and Goodman 1999, doi:10.1006/csla.1999.0128, section 2.7, with one
discount an order, and the uniform end of Heafield et al. 2013, "Scalable modified Kneser-Ney
language model estimation", section 3, whose program KenLM also falls back to 0.5.
"""

from collections.abc import Sequence

import numpy as np

from charmodels.ngram.counting import places
from charmodels.runtime.generation import State
from charmodels.runtime.sampling import Floats, Logits
from charmodels.runtime.vocabulary import Ids

MAX_VOCAB = 4_096
"""Ids of a bigram at most: its table holds vocab * vocab numbers, 134 MB of them at 4,096."""

_NO_DISCOUNT = 0.5
"""The discount where the counts are too regular to estimate one."""


class Bigram:
    """A `StepModel` without memory: its state is empty, its logits are a row of a table.

    Args:
        log_probabilities: float64 (vocab, vocab), row v for what follows v, nats.
    """

    def __init__(self, log_probabilities: Floats) -> None:
        self.log_probabilities = log_probabilities

    def initial_state(self, batch: int = 1) -> State:
        """Nothing is remembered."""
        return {}

    def step(self, tokens: Ids, state: State) -> tuple[Logits, State]:
        """Read tokens (batch,), return their rows (batch, vocab) and nothing to remember."""
        return self.log_probabilities[tokens].astype(np.float32), {}

    def score(self, records: Sequence[Ids], *, endless: bool) -> Floats:
        """Nats of every character of `records`, end marks of names included, float64 (chars,)."""
        stream, place = places(records, endless=endless)
        nats: Floats = -self.log_probabilities[stream[place - 1], stream[place]]
        return nats


def count_bigram(records: Sequence[Ids], vocab: int, *, endless: bool) -> Bigram:
    """A bigram counted on training records: names, or one text, which is `endless`.

    Both begin after the boundary; names also end with it.
    """
    pairs = np.zeros((vocab, vocab))
    stream, place = places(records, endless=endless)
    np.add.at(pairs, (stream[place - 1], stream[place]), 1.0)
    follows = (pairs > 0).sum(axis=0).astype(np.float64)  # N(. w), (vocab,)
    anywhere = _smoothed(follows, np.full(vocab, 1 / vocab))  # P(w), (vocab,)
    return Bigram(np.log(_smoothed(pairs, anywhere)))


def _smoothed(counts: Floats, lower: Floats) -> Floats:
    """Discounted shares of counts (..., vocab), what was taken given out as `lower` (vocab,) is."""
    discount = _discount(counts)
    total = counts.sum(axis=-1, keepdims=True)
    taken = discount * (counts > 0).sum(axis=-1, keepdims=True)
    shares = np.maximum(counts - discount, 0.0) + taken * lower
    return np.where(total > 0, shares / np.maximum(total, 1.0), lower)


def _discount(counts: Floats) -> float:
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    return once / (once + 2 * twice) if once and twice else _NO_DISCOUNT
