"""From logits to the next id: temperature, top-k, top-p, min-p, and one random number a character.

The random numbers are a pure function of (seed, row, position): SplitMix64, ten lines in any
language, so that Python, the command line and a web page write the same text for the same seed.

Source: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators", figure 16.
"""

import functools
from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from charmodels.runtime.errors import SettingError
from charmodels.runtime.vocabulary import BOUNDARY_ID
from charmodels.runtime.vocabulary import Ids as Ids

Logits = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Keys = npt.NDArray[np.uint64]

MAX_SEED = 2**53 - 1
"""The largest seed: the integers JavaScript holds exactly."""

_MANY_ROWS, _FEW_IDS = 32, 256
"""From so many rows, and up to so many ids, float32 with a second look is quicker than float64."""

_NEAR, _NEAR_PER_ID, _FAINT = 6e-6, 1.25e-7, 1e-9
"""Float32 is believed where no sum comes nearer to its mark than these shares of the total, and
where the total is not so faint beside the likeliest id of all rows. A weight is off by the rounding
of its exponent, 2.5e-6 of it, a sum by one rounding an id besides, and the mark as its total."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How to choose the next character.

    Raises:
        SettingError: a value is outside its range.
    """

    temperature: float = 1.0
    """Divides the logits: 0 always takes the likeliest (lowest id on ties), 1 is the model as it
    is, more is wilder. From 0 to 10."""
    top_k: int = 0
    """Keep only the k likeliest characters; 0 keeps all."""
    top_p: float = 1.0
    """Keep the likeliest characters until their probabilities sum to p (nucleus sampling)."""
    min_p: float = 0.0
    """Drop characters less likely than this share of the likeliest one."""
    balance: float = 0.0
    """Of a model with an n-gram: -1 hears the network alone, 0 both as fitted, 1 the n-gram alone;
    0 is all there is for other models."""

    def __post_init__(self) -> None:
        _require("temperature", self.temperature, 0.0, 10.0)
        _require("top-k", self.top_k, 0, 1_000_000)
        _require("top-p", self.top_p, 0.0, 1.0)
        _require("min-p", self.min_p, 0.0, 1.0)
        _require("balance", self.balance, -1.0, 1.0)

    @functools.cached_property
    def filters(self) -> bool:
        """Whether some characters may be dropped before drawing."""
        return self.top_k > 0 or self.top_p < 1.0 or self.min_p > 0.0


def _require(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # also false for nan
        raise SettingError(f"{name} is {value}; expected {low:g} to {high:g}")


def uniforms(seed: int, rows: Ids, start: int, count: int) -> Floats:
    """Random numbers in [0, 1) for `count` positions from `start`, float64 (rows, count).

    u(seed, row, t) = (mix(key + (t+1) g) >> 11) / 2^53,  key = mix(mix(seed) + row),
    where mix is SplitMix64's finaliser and g its golden-ratio increment, all modulo 2^64.

    Raises:
        SettingError: the seed is not from 0 to 2^53 - 1.
    """
    return uniforms_at(row_keys(seed, rows)[:, None], np.arange(start, start + count))


def row_keys(seed: int, rows: Ids) -> Keys:
    """What `uniforms_at` needs to know of each row (rows,) of a seed.

    Raises:
        SettingError: the seed is not from 0 to 2^53 - 1.
    """
    if not 0 <= seed <= MAX_SEED:
        raise SettingError(f"seed is {seed}; expected 0 to {MAX_SEED}")
    with np.errstate(over="ignore"):
        return _mix(_mix(np.array([seed], dtype=np.uint64)) + rows.astype(np.uint64))


def try_keys(keys: Keys, tries: Ids) -> Keys:
    """The keys of rows for another try each, of shapes that broadcast; try 0 is the row itself."""
    with np.errstate(over="ignore"):
        return np.where(tries == 0, keys, _mix(keys + tries.astype(np.uint64)))


def uniforms_at(keys: Keys, positions: Ids) -> Floats:
    """The random numbers of rows at positions, whose shapes broadcast."""
    bits = _mix(keys + (positions + 1).astype(np.uint64) * _GOLDEN) >> np.uint64(11)
    return bits.astype(np.float64) * 2.0**-53


def _mix(z: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def pick(
    logits: Logits,
    uniform: Floats,
    sampling: Sampling,
    may_end: bool = True,
    at: Ids | None = None,
) -> Ids:
    """One id per row, drawn by inverting the cumulative distribution in id order.

    Args:
        logits: (nodes, vocab); -inf forbids an id.
        uniform: (rows,) in [0, 1), one random number a row.
        sampling: temperature and filters.
        may_end: whether the boundary may be drawn.
        at: (rows,) the node each row draws from; without it, its own.

    Returns:
        ids int64 (rows,): the first id whose cumulative weight exceeds uniform * total.
    """
    at = np.arange(len(uniform)) if at is None else at
    if sampling.temperature == 0.0:
        first = 0 if may_end else 1
        return np.asarray(logits[:, first:].argmax(axis=1).take(at) + first, dtype=np.int64)
    if sampling.filters or len(uniform) < _MANY_ROWS or logits.shape[1] > _FEW_IDS:
        ids = _pick_exactly(logits, uniform, sampling, may_end, at)
    else:
        ids = _pick_many(logits, uniform, sampling, may_end, at)
    last: Ids = np.minimum(ids, logits.shape[1] - 1)  # only a row of nan can reach past the end
    return last


def _pick_exactly(
    logits: Logits, uniform: Floats, sampling: Sampling, may_end: bool, at: Ids
) -> Ids:
    """The ids of `pick`, in float64."""
    cumulative = weights(logits, sampling, may_end).cumsum(axis=1).take(at, axis=0)
    ids: Ids = (cumulative <= (uniform * cumulative[:, -1])[:, None]).sum(axis=1)
    return ids


def _pick_many(logits: Logits, uniform: Floats, sampling: Sampling, may_end: bool, at: Ids) -> Ids:
    """The ids of `pick`, found in float32, and in float64 only where a sum falls near its mark.

    The sums are one matrix product. Where the id's own sum lies clearly above the mark, and the sum
    before it clearly below, they do so in float64 too.
    """
    vocab = logits.shape[1]
    weight = logits - logits.max()
    if sampling.temperature != 1.0:
        weight /= np.float32(sampling.temperature)
    np.exp(weight, out=weight)
    if not may_end:
        weight[:, BOUNDARY_ID] = 0.0
    sums = weight @ _upto(vocab)
    total = sums[:, -1].take(at)
    mark = (uniform * total).astype(np.float32)
    ids: Ids = (sums.take(at, axis=0) > mark[:, None]).argmax(axis=1)
    chosen = at * vocab + ids
    above = sums.take(chosen) - mark
    nearest = np.minimum(above, weight.take(chosen) - above)
    is_clear = nearest > total * np.float32(_NEAR + _NEAR_PER_ID * vocab) + np.float32(_FAINT)
    if not is_clear.all():
        near = np.flatnonzero(~is_clear)
        ids[near] = _pick_exactly(
            logits[at[near]], uniform[near], sampling, may_end, np.arange(len(near))
        )
    return ids


@functools.cache
def _upto(vocab: int) -> Logits:
    """Ones on and above the diagonal: weights times these are their sums in id order."""
    return np.tri(vocab, dtype=np.float32).T.copy()


def pick_one(logits: Logits, uniform: float, sampling: Sampling, may_end: bool = True) -> int:
    """`pick` for one stream, twice as quick: logits (1, vocab), one number, one id."""
    if sampling.temperature == 0.0 or sampling.filters:
        return int(pick(logits, np.array([uniform]), sampling, may_end)[0])
    weight = logits[0].astype(np.float64)  # the same operations as in `weights`, on one axis
    if not may_end:
        weight[BOUNDARY_ID] = -np.inf
    weight -= weight[weight.argmax()]  # a quarter of what the maximum itself takes
    if sampling.temperature != 1.0:
        weight /= sampling.temperature
    cumulative = np.add.accumulate(np.exp(weight, weight))
    index, last = bisect_right(cumulative, uniform * cumulative[-1]), len(cumulative) - 1
    return index if index < last else last


def weights(logits: Logits, sampling: Sampling, may_end: bool = True) -> Floats:
    """Unnormalised probabilities after temperature and filters, float64 (batch, vocab).

    The likeliest id of each row weighs exactly 1.
    """
    scaled = logits.astype(np.float64)
    if not may_end:
        scaled[:, BOUNDARY_ID] = -np.inf
    scaled -= np.maximum.reduce(scaled, axis=1, keepdims=True)
    scaled /= sampling.temperature
    weight = np.exp(scaled, out=scaled)
    return _filtered(weight, sampling) if sampling.filters else weight


def _filtered(weight: Floats, sampling: Sampling) -> Floats:
    """Zero what top-k, then top-p, then min-p drop; on ties the lower id stays."""
    order = np.argsort(-weight, axis=1, kind="stable")
    ranked = np.take_along_axis(weight, order, axis=1)
    if sampling.top_k > 0:
        ranked[:, sampling.top_k :] = 0.0
    if sampling.top_p < 1.0:
        before = ranked.cumsum(axis=1) - ranked  # the weight of all likelier characters
        keep = before < sampling.top_p * ranked.sum(axis=1, keepdims=True)
        keep[:, 0] = True
        ranked *= keep
    ranked *= ranked >= sampling.min_p * ranked[:, :1]
    kept = np.zeros_like(weight)
    np.put_along_axis(kept, order, ranked, axis=1)
    return kept


def log_softmax(logits: Logits) -> Floats:
    """Log-probabilities in nats, float64, along the last axis."""
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted
