"""Pruning: forgetting the followers that save too little for the room they take.

Without follower w of context h, what h gave it goes to all characters, by way of the shorter
context, so w keeps some chance. What w saves over the training part is

    seen(h) P(w | h) log(P(w | h) / Q(w | h)),   Q(w | h) = (backoff(h) + share(h w)) P(w | h')

nats, the probabilities being those before anything is forgotten. What other characters of h gain
when w goes is left out, so the true price is lower.

Source: Stolcke 1998, "Entropy-based pruning of backoff language models", equation 3, for models
that interpolate; seen(h) for the probability of h, since chains of Kneser-Ney's short contexts
misjudge it (Chelba et al. 2010, "Study on interaction between entropy pruning and Kneser-Ney
smoothing").
"""

import itertools
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from charmodels.ngram.counting import Trie
from charmodels.ngram.ngram import Ngram
from charmodels.runtime.sampling import Floats

Flags = npt.NDArray[np.bool_]


def prune(ngram: Ngram, least_nats: float) -> Ngram:
    """The n-gram with those followers only that save `least_nats` over the training part.

    Others stay that these need: the same follower of the shorter context, and the followers by
    which a context that stays is reached. The empty context keeps all. Prunes what `smooth` made;
    pruned once more it would not know what to compare with.
    """
    trie = ngram.trie
    node = trie.followed // trie.vocab  # (followers,)
    chance, shorter = _chances(ngram)
    without = (ngram.backoff[node] + ngram.shares) * shorter
    saved = ngram.seen[node] * chance * np.log(chance / without)
    keep, stays = _needed(trie, (saved >= least_nats) | (node == 0))
    number = np.cumsum(stays) - 1  # of the nodes that stay, among them
    keys = number[trie.keys // trie.vocab] * trie.vocab + trie.keys % trie.vocab
    nodes = len(stays)
    left = np.bincount(node[keep], minlength=nodes)  # followers of each node
    freed = np.bincount(node[~keep], ngram.shares[~keep], minlength=nodes)
    pruned = replace(
        trie,
        levels=tuple(int(stays[:end].sum()) for end in trie.levels),
        keys=keys[stays[1:]],
        first=np.concatenate([[0], np.cumsum(left[stays])]),
        symbols=trie.symbols[keep],
    )
    return Ngram(pruned, ngram.shares[keep], (ngram.backoff + freed)[stays], ngram.seen[stays])


def _needed(trie: Trie, keep: Flags) -> tuple[Flags, Flags]:
    """Followers (followers,) to keep for those wanted, and the nodes (nodes,) that then stay."""
    keep, stays = keep.copy(), np.zeros(len(trie.first) - 1, dtype=np.bool_)
    leads_to = trie.leads_to
    reached_by = np.zeros(len(stays), dtype=np.int64)  # the follower that leads to each node
    reached_by[leads_to] = np.arange(len(leads_to))
    stays[0] = True
    for length in reversed(range(1, trie.order)):
        level = slice(*trie.levels[length : length + 2])
        followers = slice(*trie.first[list(trie.levels[length : length + 2])])
        kept = np.flatnonzero(keep[followers]) + followers.start
        stays[trie.followed[kept] // trie.vocab] = True
        keep[trie.in_shorter[kept]] = True
        there = np.flatnonzero(stays[level]) + level.start
        stays[trie.keys[there - 1] // trie.vocab] = True
        by = reached_by[there]
        keep[by[leads_to[by] == there]] = True
    return keep, stays


def _chances(ngram: Ngram) -> tuple[Floats, Floats]:
    """Of each follower: its probability after its context, and after the shorter one."""
    trie, vocab = ngram.trie, ngram.trie.vocab
    ends = trie.first[list(trie.levels)]  # of the followers of each length
    chance, shorter = np.empty(ends[-1]), np.full(ends[-1], 1 / vocab)
    for start, end in itertools.pairwise(ends):
        node = trie.followed[start:end] // vocab
        if start:
            shorter[start:end] = chance[trie.in_shorter[start:end]]
        chance[start:end] = ngram.shares[start:end] + ngram.backoff[node] * shorter[start:end]
    return chance, shorter
