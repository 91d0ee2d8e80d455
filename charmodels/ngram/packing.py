"""The n-gram in few bytes: numbers in half precision, and pruned until it fits."""

from dataclasses import dataclass, replace

import numpy as np

from charmodels.ngram.ngram import Ngram
from charmodels.ngram.pruning import prune

_FIRST_PRICE, _DEARER = 0.1, 1.3
"""Nats a follower must save at the first pruning, and how many times that at each next one."""


@dataclass(frozen=True)
class Packed:
    """An n-gram as it is shipped, and what was done to it."""

    ngram: Ngram
    bytes: int
    """Of its tables in a graph."""
    least_nats: float
    """What a follower had to save over the training part to stay; 0 where nothing was pruned."""


def pack(ngram: Ngram, max_bytes: int) -> Packed:
    """The n-gram in half precision, pruned as little as it takes to need at most `max_bytes`.

    A table that cannot be so small keeps what every character is worth, and little else.
    """
    kept, price = ngram, 0.0
    while packed_bytes(kept) > max_bytes and len(kept.shares) > 2 * kept.trie.vocab:
        price = price * _DEARER or _FIRST_PRICE
        kept = prune(ngram, price)
    return Packed(_halved(kept), packed_bytes(kept), price)


def packed_bytes(ngram: Ngram) -> int:
    """Bytes of the tables that `export.ngram_graph` writes."""
    trie = ngram.trie
    shorter = int(trie.first[trie.levels[-2]])  # followers that lead to longer contexts
    small = 1 if trie.vocab <= 256 else 2
    followers = len(trie.symbols) * (small + 2) + shorter * 4
    contexts = len(ngram.backoff) * (4 + 2)
    return followers + contexts + trie.vocab * 8


def _halved(ngram: Ngram) -> Ngram:
    """The same with shares, and logarithms of what is left, as float16 holds them."""
    shares = ngram.shares.astype(np.float16).astype(np.float64)
    backoff = np.exp(np.log(ngram.backoff).astype(np.float16).astype(np.float64))
    return replace(ngram, shares=shares, backoff=backoff)
