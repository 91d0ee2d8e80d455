"""Do generated names look like the list without being copied from it? Asked of unseen ones, too.

Every figure of the samples stands beside the same figure of records the model has never seen, for
a held-out name, too, may lie close to a training name.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from charmodels.runtime.sampling import Floats

_Thing = TypeVar("_Thing", bound=Hashable)
_BOUNDARY = "\0"
ORDERS = (1, 2, 3, 4)
"""Lengths of the n-grams compared."""

QUANTILES: Floats = np.linspace(0, 1, 21)
"""Where the copying curves are given: the least of all, then every twentieth, to the most."""

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
    """Samples that are not in what the model has read: the training part, and most have in the end
    read the validation part too."""
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
    length_divergence: float
    """Jensen-Shannon divergence of lengths in characters between samples and test names, nats."""
    length_divergence_floor: float
    """The same between training names and test names."""
    edit_distance_median: float
    """Median normalised edit distance from a sample to its nearest training name."""
    edit_distance_median_held_out: float
    """The same from a test name."""
    edit_distance_curve: tuple[float, ...]
    """Quantiles 0, 0.05, ..., 1 of that distance over samples: their own copying curve."""
    edit_distance_curve_held_out: tuple[float, ...]
    """The same over test names; samples that lie far below it are copies or nearly so."""


def measure_names(
    samples: Sequence[str], ended: float, train: Sequence[str], test: Sequence[str]
) -> NameNovelty:
    """Compare samples with the training and test names they imitate."""
    written, known = set(samples), set(train)
    low, high = np.percentile([len(name) for name in train], [0.5, 99.5])
    own, theirs = (nearest_distances(names[:_NEIGHBOURS], train) for names in (samples, test))
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
        length_divergence=_length_divergence(samples, test),
        length_divergence_floor=_length_divergence(train, test),
        edit_distance_median=round(float(np.median(own)), 4),
        edit_distance_median_held_out=round(float(np.median(theirs)), 4),
        edit_distance_curve=_curve(own),
        edit_distance_curve_held_out=_curve(theirs),
    )


def _share_in(names: Sequence[str], written: set[str]) -> float:
    return sum(name in written for name in names) / max(1, len(names))


def _divergences(a: Sequence[str], b: Sequence[str]) -> tuple[float, ...]:
    return tuple(round(divergence(ngrams(a, n), ngrams(b, n)), 5) for n in ORDERS)


def _length_divergence(a: Sequence[str], b: Sequence[str]) -> float:
    return round(divergence(Counter(map(len, a)), Counter(map(len, b))), 5)


def ngrams(names: Sequence[str], n: int) -> Counter[str]:
    """Counts of all n-grams, a boundary before and after each name."""
    counts: Counter[str] = Counter()
    for name in names:
        whole = f"{_BOUNDARY}{name}{_BOUNDARY}"
        counts.update(whole[i : i + n] for i in range(len(whole) - n + 1))
    return counts


def divergence(a: Counter[_Thing], b: Counter[_Thing]) -> float:
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


def nearest_distances(names: Sequence[str], train: Sequence[str]) -> Floats:
    """For each name the normalised Levenshtein distance to the nearest training name (names,).

    A name that is itself in the training part has distance 0.
    """
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cdist

    nearest = np.full(len(names), np.inf)
    for start in range(0, len(train), _BLOCK):
        some = train[start : start + _BLOCK]
        distances = cdist(names, some, scorer=Levenshtein.normalized_distance)  # (names, block)
        nearest = np.minimum(nearest, distances.min(axis=1))
    return nearest


def _curve(distances: Floats) -> tuple[float, ...]:
    return tuple(np.quantile(distances, QUANTILES).round(4).tolist())
