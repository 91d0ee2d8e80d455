"""The n-gram in few bytes: numbers in half precision, and pruned until it fits."""

from bisect import bisect_left
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from charmodels.ngram.ngram import Ngram
from charmodels.ngram.pruning import prune

_PRICES = tuple(0.1 * 1.2**step for step in range(60))
"""Nats a follower must save to stay, from nearly nothing to 4,700."""


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

    A table that cannot be so small keeps what every character is worth, and a little else.
    """
    if packed_bytes(ngram) <= max_bytes:
        return Packed(_halved(ngram), packed_bytes(ngram), 0.0)
    pruned = cache(lambda price: prune(ngram, price))

    def fits(price: float) -> bool:
        return packed_bytes(pruned(price)) <= max_bytes

    place = min(bisect_left(_PRICES, True, key=fits), len(_PRICES) - 1)
    while place and not _follows(pruned(_PRICES[place])):
        place -= 1  # some contexts must stay, or there is nothing to look up
    kept = pruned(_PRICES[place])
    return Packed(_halved(kept), packed_bytes(kept), _PRICES[place])


def _follows(ngram: Ngram) -> bool:
    """Whether anything is known after any character."""
    return len(ngram.shares) > int(ngram.trie.first[1])


def packed_bytes(ngram: Ngram) -> int:
    """Bytes of the tables that `export.ngram_graph` writes."""
    trie = ngram.trie
    shorter = int(trie.first[trie.levels[-2]])  # followers that lead to longer contexts
    small = 1 if trie.vocab <= 256 else 2
    followers = len(trie.symbols) * (small + 2) + shorter * 4
    contexts = len(ngram.backoff) * (4 + 2)
    widest = int(np.diff(trie.first[1:]).max(initial=0))
    products = (trie.order - 1) * ((trie.order - 1) * widest + 1) * 4
    return followers + contexts + trie.vocab * 8 + products


def _halved(ngram: Ngram) -> Ngram:
    """The same with shares, and logarithms of what is left, as float16 holds them."""
    shares = ngram.shares.astype(np.float16).astype(np.float64)
    backoff = np.exp(np.log(ngram.backoff).astype(np.float16).astype(np.float64))
    return replace(ngram, shares=shares, backoff=backoff)
