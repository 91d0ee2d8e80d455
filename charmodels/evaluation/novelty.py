"""Do samples look like the list without being copied from it? Measured beside the list itself.

Every figure of the samples stands beside the same figure of records the model has never seen, for
a held-out name, too, may lie close to a training name.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from charmodels.runtime.sampling import Floats

_BOUNDARY = "\0"
ORDERS = (1, 2, 3, 4)
"""Lengths of the n-grams compared."""

_NEIGHBOURS = 1_000
"""Samples whose nearest training name is searched: the search costs samples times names."""

_BLOCK = 4_096
"""Training names compared at a time, so that a list of any length takes the same memory."""


@dataclass(frozen=True, kw_only=True)
class NameNovelty:
    """What a set of generated names is like."""

    samples: int
    unique_share: float
    """Distinct samples among all samples."""
    novel_share: float
    """Samples that are not in the training part."""
    held_out_hit_share: float
    """Test names that are among the samples: invented anew, for the model never saw them."""
    train_hit_share: float
    """Training names that are among the samples; far above the held-out share it is copying."""
    ended_share: float
    """Samples that ended by themselves rather than at the limit."""
    length_share: float
    """Samples as long as the middle 99% of training names."""
    divergence: tuple[float, ...]
    """Jensen-Shannon divergence of 1- to 4-grams between samples and test names, nats."""
    divergence_floor: tuple[float, ...]
    """The same between training names and test names."""
    edit_distance_median: float
    """Median normalised edit distance from a sample to its nearest training name."""
    edit_distance_median_held_out: float
    """The same from a test name."""


def measure_names(
    samples: Sequence[str], ended: float, train: Sequence[str], test: Sequence[str]
) -> NameNovelty:
    """Compare samples with the training and test names they imitate."""
    written, known = set(samples), set(train)
    low, high = np.percentile([len(name) for name in train], [0.5, 99.5])
    return NameNovelty(
        samples=len(samples),
        unique_share=len(written) / len(samples),
        novel_share=sum(name not in known for name in samples) / len(samples),
        held_out_hit_share=_share_in(test, written),
        train_hit_share=_share_in(train, written),
        ended_share=ended,
        length_share=sum(low <= len(name) <= high for name in samples) / len(samples),
        divergence=_divergences(samples, test),
        divergence_floor=_divergences(train, test),
        edit_distance_median=nearest_distance(samples[:_NEIGHBOURS], train),
        edit_distance_median_held_out=nearest_distance(test[:_NEIGHBOURS], train),
    )


def _share_in(names: Sequence[str], written: set[str]) -> float:
    return sum(name in written for name in names) / max(1, len(names))


def _divergences(a: Sequence[str], b: Sequence[str]) -> tuple[float, ...]:
    return tuple(round(divergence(ngrams(a, n), ngrams(b, n)), 5) for n in ORDERS)


def ngrams(names: Sequence[str], n: int) -> Counter[str]:
    """Counts of all n-grams, a boundary before and after each name."""
    counts: Counter[str] = Counter()
    for name in names:
        whole = f"{_BOUNDARY}{name}{_BOUNDARY}"
        counts.update(whole[i : i + n] for i in range(len(whole) - n + 1))
    return counts


def divergence(a: Counter[str], b: Counter[str]) -> float:
    """Jensen-Shannon divergence in nats, 0 (the same) to ln 2 (nothing in common).

    Source: Lin 1991, "Divergence measures based on the Shannon entropy", equation 4.1.
    """
    keys = list(a.keys() | b.keys())
    p = np.array([a[key] for key in keys], dtype=np.float64) / a.total()
    q = np.array([b[key] for key in keys], dtype=np.float64) / b.total()
    m = (p + q) / 2
    return float((_relative_entropy(p, m) + _relative_entropy(q, m)) / 2)


def _relative_entropy(p: Floats, m: Floats) -> float:
    there = p > 0
    return float((p[there] * np.log(p[there] / m[there])).sum())


def nearest_distance(names: Sequence[str], train: Sequence[str]) -> float:
    """Median over `names` of the normalised Levenshtein distance to the nearest training name.

    A name that is itself in the training part has distance 0.
    """
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cdist

    nearest = np.full(len(names), np.inf)
    for start in range(0, len(train), _BLOCK):
        some = train[start : start + _BLOCK]
        distances = cdist(names, some, scorer=Levenshtein.normalized_distance)  # (names, block)
        nearest = np.minimum(nearest, distances.min(axis=1))
    return round(float(np.median(nearest)), 4)


@dataclass(frozen=True, kw_only=True)
class TextNovelty:
    """How much of generated text stands word for word in the training text."""

    samples: int
    """Characters generated."""
    verbatim_share: float
    """Characters covered by passages of at least 50 characters that stand in the training text."""
    verbatim_share_held_out: float
    """The same of the test text."""
    longest_verbatim: int
    """Characters of the longest such passage, 0 if none."""
    longest_verbatim_held_out: int


PASSAGE = 50
"""Characters in a row that count as copied."""


def measure_text(samples: Sequence[str], train: str, test: str) -> TextNovelty:
    """Compare generated texts with the training text, beside the test text's own overlap."""
    asked = set[str]().union(*map(_passages, (*samples, test)))
    known = asked.intersection(_passages(train))  # all of the training text's would fill memory
    own = [_overlap(text, known) for text in samples]
    held_out = _overlap(test, known)
    chars = sum(len(text) for text in samples)
    return TextNovelty(
        samples=chars,
        verbatim_share=sum(covered for covered, _ in own) / max(1, chars),
        verbatim_share_held_out=held_out[0] / max(1, len(test)),
        longest_verbatim=max((longest for _, longest in own), default=0),
        longest_verbatim_held_out=held_out[1],
    )


def _passages(text: str) -> Iterator[str]:
    return (text[i : i + PASSAGE] for i in range(len(text) - PASSAGE + 1))


def _overlap(text: str, known: set[str]) -> tuple[int, int]:
    """Characters of `text` inside known passages, and the longest run of them."""
    covered = longest = run = 0
    for passage in _passages(text):
        if passage in known:
            run = run + 1 if run else PASSAGE
            covered += 1 if run > PASSAGE else PASSAGE
            longest = max(longest, run)
        else:
            run = 0
    return min(covered, len(text)), longest
