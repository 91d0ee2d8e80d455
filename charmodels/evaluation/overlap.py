"""Does generated text stand word for word in the training text? Asked of held-out text, too.

For every character of a text: how long is the passage beginning there that stands, as it is,
somewhere in the training text? Such numbers are called matching statistics. They come from one
suffix array of the training text and all texts asked about, laid end to end: sorted among all
others, a suffix has its longest match in the training text beside it, at the nearest training
suffix above or below, and shares with that one the least of the common prefixes on the way.

Source: Gusfield 1997, "Algorithms on Strings, Trees, and Sequences", sections 7.4 and 7.8; Kasai et
al. 2001, "Linear-time longest-common-prefix computation in suffix arrays".
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from charmodels.evaluation.novelty import QUANTILES
from charmodels.runtime.vocabulary import Ids

PASSAGE = 50
"""Characters in a row that count as copied."""


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
    """Characters of the longest passage, of any length, that stands in the training text."""
    longest_verbatim_held_out: int
    verbatim_curve: tuple[int, ...]
    """The longest passage from each character on, in characters: its quantiles 0, 0.05, ..., 1."""
    verbatim_curve_held_out: tuple[int, ...]


def measure_text(samples: Sequence[str], train: str, test: str) -> TextNovelty:
    """Compare generated texts with the training text, beside the test text's own overlap."""
    *own, held_out = match_lengths([*samples, test], train)
    drawn = np.concatenate(own)
    return TextNovelty(
        samples=len(drawn),
        verbatim_share=covered_share(own),
        verbatim_share_held_out=covered_share([held_out]),
        longest_verbatim=int(drawn.max(initial=0)),
        longest_verbatim_held_out=int(held_out.max(initial=0)),
        verbatim_curve=_curve(drawn),
        verbatim_curve_held_out=_curve(held_out),
    )


def match_lengths(texts: Sequence[str], train: str) -> list[Ids]:
    """For each character of each text, the longest passage from there on that is in `train`.

    Lengths in characters, int64 (characters of the text,); no passage goes over a text's end.
    Memory: about 25 bytes for each character of `train` and `texts` together.
    """
    from pydivsufsort import divsufsort, kasai

    whole, begin = _end_to_end([train, *texts]), len(train) + 1
    suffixes = divsufsort(whole)  # (all characters,) places in the order of their suffixes
    common = kasai(whole, suffixes)  # (all characters,) what a suffix shares with the next one
    asked = np.flatnonzero(suffixes >= begin)  # those of the texts, among all that are sorted
    down = _least_on_the_way(asked, np.where(asked > 0, common[asked - 1], 0))
    up = _least_on_the_way(-asked[::-1], common[asked[::-1]])[::-1]
    longest = np.zeros(len(whole) - begin, dtype=np.int64)
    longest[suffixes[asked] - begin] = np.maximum(down, up)
    found, start = [], 0
    for text in texts:
        rest = np.arange(len(text), 0, -1)  # a match may go on over the mark at a text's end
        found.append(np.minimum(longest[start : start + len(text)], rest))
        start += len(text) + 1
    return found


def covered_share(lengths: Sequence[Ids]) -> float:
    """Characters of texts inside passages of at least PASSAGE, from what `match_lengths` gives."""
    return sum(map(_covered, lengths)) / max(1, sum(map(len, lengths)))


def _end_to_end(texts: Sequence[str]) -> npt.NDArray[np.unsignedinteger]:
    """The texts as numbers, a 0 after each, in as few bytes as will do."""
    known = sorted(set[str]().union(*texts))
    numbers = np.zeros(sys.maxunicode + 1, dtype=np.min_scalar_type(len(known)))
    numbers[[ord(character) for character in known]] = np.arange(1, len(known) + 1)
    end = np.zeros(1, dtype=numbers.dtype)
    parts = [(numbers[np.frombuffer(text.encode("utf-32-le"), np.uint32)], end) for text in texts]
    return np.concatenate([each for part in parts for each in part])


def _least_on_the_way(asked: Ids, shared: Ids) -> list[int]:
    """What the suffix at each place asked has in common with the last training suffix before it.

    Args:
        asked: places in rising order; at those between is training text.
        shared: what the suffix at each place has in common with the one at the place before.
    """
    least, found, last = 0, [], None
    for place, common in zip(asked.tolist(), shared.tolist(), strict=True):
        least = min(least, common) if place - 1 == last else common
        found.append(least)
        last = place
    return found


def _covered(lengths: Ids) -> int:
    """Characters inside passages of at least PASSAGE."""
    starts = np.flatnonzero(lengths >= PASSAGE)
    change = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.add.at(change, starts, 1)
    np.add.at(change, starts + lengths[starts], -1)
    return int((np.cumsum(change)[:-1] > 0).sum())


def _curve(lengths: Ids) -> tuple[int, ...]:
    if not len(lengths):
        return ()
    found = np.quantile(lengths, QUANTILES, method="lower")
    return tuple(found.astype(int).tolist())
