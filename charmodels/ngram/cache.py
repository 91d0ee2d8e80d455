"""What a text has said lately, and how it went on: a cache beside the n-gram.

The n-gram knows what its corpus says; a text also repeats itself, its names first of all. Every
place of the last `window` characters votes for the character that came after it, the more the more
characters up to there are those up to now:

    P(w) = (P_mixture(w) + k sum over places j of votes[run_j] [w came after j]) / (1 + k V)

where run_j counts equal characters back from j and back from the end, up to len(votes) - 1, V are
all votes, and k = min(1, MOST / V).

Source: Kuhn and De Mori 1990, "A cache-based natural language model for speech recognition",
doi:10.1109/34.56193; that places vote by how alike they are: Grave, Joulin and Usunier 2017,
"Improving neural language models with a continuous cache", arXiv:1612.04426.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from charmodels.runtime.generation import State
from charmodels.runtime.sampling import Floats
from charmodels.runtime.vocabulary import BOUNDARY_ID, Ids

Counts = npt.NDArray[np.uint16]

PAST = "past_0"
"""The state entry's name."""

LONGEST = 8
"""Equal characters that are counted at most."""

MOST = 0.25
"""What all places may give together, where the mixture gives 1. Without a bound a text that has
said a thing twice says it for ever: at temperature 0.7 a sixth of what is written stood there
before, by twelve characters, of Shakespeare's own a hundredth. With this one it is a hundredth,
too, and nine tenths of what a cache gains are kept (tests/benchmarks/results/tried.md)."""

LEAST = 1e-30
"""Of a probability whose logarithm is taken."""

_PIECE = 2**17
"""Characters that are looked back from at a time, for the memory it takes."""

_ROUNDS = 200
"""Of fitting: after each a text costs no more than before."""

_PRIOR, _PULL = 0.02, 1.0
"""What a place is thought to give before any came, and how many places that belief is worth."""


@dataclass(frozen=True)
class Cache:
    """A state that remembers, and what it gives each next character.

    State: past_0 (batch, 2, window) int64: the last characters, the newest last, 0 where there was
    none; and how many of them, up to each, equal those up to the newest, 0 for the newest itself.
    """

    votes: Floats
    """(longest + 1,) What a place gives by its run; 0 for none."""
    window: int

    def initial_state(self, batch: int = 1) -> State:
        """Nothing was said."""
        return {PAST: np.zeros((batch, 2, self.window), dtype=np.int64)}

    def move(self, tokens: Ids, past: Ids) -> Ids:
        """Read tokens (batch,): the state (batch, 2, window) after them; a boundary forgets all."""
        newest, (said, runs) = tokens[:, None], np.moveaxis(past, 1, 0)
        none = np.zeros_like(newest)
        longer = np.minimum(np.hstack([none, runs[:, :-1]]) + 1, len(self.votes) - 1)
        runs = np.where(said == newest, longer, 0)
        after = np.stack([np.hstack([said[:, 1:], newest]), np.hstack([runs[:, 1:], none])], axis=1)
        forgetting: Ids = after * (newest != BOUNDARY_ID)[:, None]
        return forgetting

    def given(self, past: Ids, vocab: int) -> npt.NDArray[np.float32]:
        """The votes (batch, vocab) of all places that something came after."""
        given = np.zeros((len(past), vocab), dtype=np.float32)
        votes = self.votes.astype(np.float32)[past[:, 1, :-1]]
        np.add.at(given, (np.arange(len(past))[:, None], past[:, 0, 1:]), votes)
        heard: npt.NDArray[np.float32] = given * _heard(given.sum(axis=1, keepdims=True))
        return heard

    def nats(self, nats: Floats, text: Ids) -> Floats:
        """What each character of a whole text (time,) costs, given what it did without."""
        longest, found = len(self.votes) - 1, np.empty_like(nats)
        for start in range(0, len(text), _PIECE):
            begin, end = max(0, start - self.window - longest), start + _PIECE
            runs = count_runs(text[begin:end], self.window, longest)
            some = Runs(*(counts[start - begin :] for counts in runs))
            found[start:end] = some.nats(nats[start:end], self.votes)
        return found


class Runs(NamedTuple):
    """Along a text, the places that vote on each of its characters, by their run."""

    came: Counts
    """uint16 (time, longest + 1) Those that the character came after."""
    all: Counts
    """uint16 (time, longest + 1) Those that anything came after."""

    def nats(self, nats: Floats, votes: Floats) -> Floats:
        """What each character costs with these votes (time,), given what it did without."""
        whole = self.all @ votes
        heard = _heard(whole)
        came = np.exp(-nats) + heard * (self.came @ votes)
        mixed: Floats = np.log1p(heard * whole) - np.log(np.maximum(came, LEAST))
        return mixed


def _heard(votes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """By what votes are multiplied that come to so much together."""
    heard: npt.NDArray[Any] = MOST / np.maximum(votes, np.float32(MOST))
    return heard


def count_runs(text: Ids, window: int, longest: int = LONGEST) -> Runs:
    """Look back from every character of a whole text (time,), as a `Cache` would."""
    time = len(text)
    came, everyone = (np.zeros((longest + 2, time), dtype=np.uint16) for _ in range(2))
    for lag in range(1, min(window, time)):
        same = text[lag:] == text[:-lag]
        alike = same  # at each character: whether a run of at least so many ends there
        for length in range(1, longest + 1):
            everyone[length, lag + 1 :] += alike[:-1]
            alike = np.append(False, alike[:-1]) & same
            came[length, lag + 1 :] += alike[1:]
    for counts in (came, everyone):
        counts[:-1] -= counts[1:]  # runs of exactly so many; and none is counted
        counts[0] = 0
    came, everyone = (np.ascontiguousarray(counts[:-1].T) for counts in (came, everyone))
    return Runs(came, everyone)


def fit_votes(nats: Floats, runs: Runs) -> Floats:
    """The votes (longest + 1,) at which a text costs least, drawn a little to few.

    Each round moves every vote to where a bound on the cost, which touches it at the votes so far,
    is least: no round makes it worse, that pull included. All are taken as heard in full, which
    finds them as well as with `MOST`, and never lets them run away.

    Args:
        nats: (time,) What the mixture alone pays for each character of a part it has not read.
        runs: of the same.
    """
    chances = np.maximum(np.exp(-nats), LEAST)
    came, everyone = (each.astype(np.float64) for each in runs)
    votes = np.full(came.shape[1], _PRIOR)
    votes[0] = 0.0
    for _ in range(_ROUNDS):
        shares = votes * (came.T @ (1 / (chances + came @ votes)))
        weights = everyone.T @ (1 / (1 + everyone @ votes))
        votes = (shares + _PULL * _PRIOR) / (weights + _PULL)
        votes[0] = 0.0
    return votes
