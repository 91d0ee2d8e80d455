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

from charmodels.ngram.counting import find
from charmodels.ngram.ngram import Ngram
from charmodels.runtime.sampling import Floats


def prune(ngram: Ngram, least_nats: float) -> Ngram:
    """The n-gram with those followers only that save `least_nats` over the training part.

    The empty context keeps all; a context stays for its followers or for a longer one's. Prunes
    what `smooth` made; pruned once more it would not know what to compare with.
    """
    trie = ngram.trie
    node = trie.followed // trie.vocab  # (followers,)
    chance, shorter = _chances(ngram)
    without = (ngram.backoff[node] + ngram.shares) * shorter
    saved = ngram.seen[node] * chance * np.log(chance / without)
    keep = (saved >= least_nats) | (node == 0)

    nodes = len(ngram.backoff)
    left = np.bincount(node[keep], minlength=nodes)  # followers of each node
    parent = trie.keys // trie.vocab  # of each node but the first
    stays = left > 0
    for start, end in reversed(list(itertools.pairwise(trie.levels[1:]))):  # longest first
        stays[parent[start - 1 : end - 1][stays[start:end]]] = True
    number = np.cumsum(stays) - 1  # of the nodes that stay, among them
    keys = number[parent] * trie.vocab + trie.keys % trie.vocab
    freed = np.bincount(node[~keep], ngram.shares[~keep], minlength=nodes)
    pruned = replace(
        trie,
        levels=tuple(int(stays[:end].sum()) for end in trie.levels),
        keys=keys[stays[1:]],
        first=np.concatenate([[0], np.cumsum(left[stays])]),
        symbols=trie.symbols[keep],
    )
    return Ngram(pruned, ngram.shares[keep], (ngram.backoff + freed)[stays], ngram.seen[stays])


def _chances(ngram: Ngram) -> tuple[Floats, Floats]:
    """Of each follower: its probability after its context, and after the shorter one."""
    trie, vocab = ngram.trie, ngram.trie.vocab
    ends = trie.first[list(trie.levels)]  # of the followers of each length
    chance, shorter = np.empty(ends[-1]), np.full(ends[-1], 1 / vocab)
    for start, end in itertools.pairwise(ends):
        node, symbol = np.divmod(trie.followed[start:end], vocab)
        if start:
            in_shorter = find(trie.followed, trie.keys[node - 1] // vocab * vocab + symbol)
            assert (in_shorter >= 0).all(), "pruned before: prune the whole n-gram by more"
            shorter[start:end] = chance[in_shorter]
        chance[start:end] = ngram.shares[start:end] + ngram.backoff[node] * shorter[start:end]
    return chance, shorter
