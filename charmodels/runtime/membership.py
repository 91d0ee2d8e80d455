"""Whether a name stands in the list that a model learned: keyed hashes that can be asked, not read.

The value of a record is the first `bits` bits of BLAKE2s (RFC 7693) of its UTF-8 bytes, under a key
of the bundle's own. A name is in the filter if its value is among the sorted values v_0 < v_1 < ...
of the records, kept as Elias and Fano do, in bytes whose first bit is the highest:

    low    the lowest `low_bits` bits of v_0, v_1, ..., one after another
    high   ones at the places (v_i >> low_bits) + i, zeros elsewhere

A name that is no record is taken for one once in 2^bits / entries. Whoever has the filter can test
any name they think of, so it hides no list whose names are easily guessed.

Source: Elias 1974, "Efficient storage and retrieval by content and address of static files".
"""

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from charmodels.runtime.errors import BundleError
from charmodels.runtime.vocabulary import Vocabulary, normalise

Standing = Literal["known", "near", "new"]
"""Of a name beside the training records: among them, one edit from one of them, or neither."""

HASH = "blake2s"
"""BLAKE2s works on words of 32 bits, which JavaScript has too."""

NEAR_ERROR = 1e-3
"""Values are as long as it takes that one new name in so many is called near by mistake."""

MAX_ENTRIES = 500_000
"""Longer lists get no filter: it would not fit into bundle.json."""

MAX_LOOK_UPS = 100_000
"""A name with more neighbours is not asked for them: a tenth of a second, and no name of a list
in an alphabet comes near it."""

_MAX_BITS, _MAX_LOW_BITS = 53, 32
"""Values are whole numbers that JavaScript holds exactly."""

_DIGEST, _KEY = 8, 16
"""Bytes."""

Values = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Membership:
    """A filter of training records, as the bundle keeps it.

    Raises:
        BundleError: its parts do not fit together.
    """

    key: bytes
    bits: int
    low_bits: int
    entries: int
    """Distinct values: as many as records, or hardly fewer."""
    near_look_ups: int
    """Names one edit from a record of median length: what asking for "near" asks."""
    low: bytes
    high: bytes

    def __post_init__(self) -> None:
        sizes = {
            "key": len(self.key) == _KEY,
            "entries": 1 <= self.entries <= MAX_ENTRIES,
            "low_bits": 1 <= self.low_bits <= _MAX_LOW_BITS,
            "bits": 0 <= self.bits - self.low_bits <= math.ceil(math.log2(MAX_ENTRIES))
            and self.bits <= _MAX_BITS,
            "near_look_ups": 0 <= self.near_look_ups <= 2**53,
        }
        wrong = [name for name, fits in sizes.items() if not fits]
        lengths = {} if wrong else self._lengths()
        wrong += [name for name, length in lengths.items() if len(getattr(self, name)) != length]
        if wrong or not self._values_are_sorted():
            raise BundleError(
                f"membership: {' and '.join(wrong) or 'values'} out of range or order"
            )

    @classmethod
    def of(cls, records: Iterable[str], vocabulary: Vocabulary) -> "Membership":
        """The filter of `records`, as they were read: NFC, in their own case.

        Raises:
            BundleError: there are none, or more than MAX_ENTRIES.
        """
        names = sorted(set(records))
        if not 1 <= len(names) <= MAX_ENTRIES:
            raise BundleError(f"membership: {len(names):,} records; expected 1 to {MAX_ENTRIES:,}")
        # From the records, so that the same list gives the same bytes; others have other keys.
        key = hashlib.blake2s("\n".join(names).encode(), digest_size=_KEY).digest()
        look_ups = count_neighbours(sorted(map(len, names))[len(names) // 2], len(vocabulary) - 1)
        high_bits = math.ceil(math.log2(len(names)))
        wanted = math.ceil(math.log2(len(names) * look_ups / NEAR_ERROR)) - high_bits
        low_bits = max(1, min(wanted, _MAX_LOW_BITS, _MAX_BITS - high_bits))
        values = np.unique(_values(names, key, high_bits + low_bits))
        ones = np.zeros(len(values) + (1 << high_bits), dtype=np.uint8)
        ones[(values >> np.uint64(low_bits)).astype(np.int64) + np.arange(len(values))] = 1
        lowest = np.unpackbits(values.astype(">u8").view(np.uint8)).reshape(-1, 64)[:, -low_bits:]
        return cls(
            key=key,
            bits=high_bits + low_bits,
            low_bits=low_bits,
            entries=len(values),
            near_look_ups=look_ups,
            low=np.packbits(lowest).tobytes(),
            high=np.packbits(ones).tobytes(),
        )

    @property
    def false_positive_rate(self) -> float:
        """The share of names outside the list that one look-up takes for a record."""
        return math.ldexp(self.entries, -self.bits)

    @property
    def near_false_positive_rate(self) -> float:
        """The share of names of median length, near no record, that are called near or known."""
        return -math.expm1((1 + self.near_look_ups) * math.log1p(-self.false_positive_rate))

    def knows(self, names: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Which of `names` are records, as they stand (names,)."""
        values = _values([normalise(name) for name in names], self.key, self.bits)
        places = np.searchsorted(self._values, values).clip(max=self.entries - 1)
        found: npt.NDArray[np.bool_] = self._values[places] == values
        return found

    def standing(self, name: str, vocabulary: Vocabulary) -> Standing:
        """Where a name stands; an edit is one character put in, taken out or replaced."""
        name = normalise(name)
        if self.knows([name])[0]:
            return "known"
        characters = vocabulary.symbols[1:]
        if count_neighbours(len(name), len(characters)) > MAX_LOOK_UPS:
            return "new"
        return "near" if self.knows([*neighbours(name, characters)]).any() else "new"

    @cached_property
    def _values(self) -> Values:
        """The sorted values (entries,)."""
        ones = np.flatnonzero(np.unpackbits(np.frombuffer(self.high, np.uint8)))
        if len(ones) != self.entries:
            raise BundleError(f"membership: {len(ones)} ones in high; expected {self.entries}")
        high = (ones - np.arange(self.entries)).astype(np.uint64)
        bits = np.unpackbits(np.frombuffer(self.low, np.uint8))[: self.entries * self.low_bits]
        low = np.zeros((self.entries, _MAX_LOW_BITS), dtype=np.uint8)
        low[:, -self.low_bits :] = bits.reshape(self.entries, self.low_bits)
        values: Values = (high << np.uint64(self.low_bits)) | np.packbits(low).view(">u4")
        return values

    def _values_are_sorted(self) -> bool:
        values = self._values
        return bool((values[1:] > values[:-1]).all() and values[-1] >> np.uint64(self.bits) == 0)

    def _lengths(self) -> dict[str, int]:
        """Bytes that the two parts must have."""
        low = self.entries * self.low_bits
        high = self.entries + (1 << (self.bits - self.low_bits))
        return {"low": -(-low // 8), "high": -(-high // 8)}


def neighbours(name: str, characters: Sequence[str]) -> Iterator[str]:
    """Every name one character from `name`, once: one put in, taken out or replaced."""
    for place in range(len(name) + 1):
        before, here, after = name[:place], name[place : place + 1], name[place + 1 :]
        others = [character for character in characters if character != here]
        yield from (before + character + here + after for character in others)
        if here:
            yield from (before + character + after for character in others)
            if here != after[:1]:  # of a run of one character the last is taken out
                yield before + after


def count_neighbours(length: int, characters: int) -> int:
    """How many names `neighbours` gives at most for a name of so many of the characters."""
    return 2 * length * (characters - 1) + characters + length


def _values(names: Sequence[str], key: bytes, bits: int) -> Values:
    """The values of names (names,)."""
    blank = hashlib.blake2s(key=key, digest_size=_DIGEST)
    digests = bytearray()
    for name in names:
        hashed = blank.copy()
        hashed.update(name.encode())
        digests += hashed.digest()
    return np.frombuffer(bytes(digests), ">u8").astype(np.uint64) >> np.uint64(64 - bits)
