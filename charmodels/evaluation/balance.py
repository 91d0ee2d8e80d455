"""Network and n-gram apart and together: what reading costs, and how much is copied, on the way.

The n-gram knows by heart what it counted, so it copies more; how much more stands here, and the
default between the two is judged by both.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from charmodels.corpus.splitting import Split
from charmodels.evaluation.overlap import covered_share, match_lengths
from charmodels.ngram.automaton import Automaton
from charmodels.ngram.hybrid import Hybrid
from charmodels.ngram.spelling import spelled
from charmodels.runtime.balance import balanced
from charmodels.runtime.generation import Memory
from charmodels.runtime.model import Model

BALANCES = (-1.0, -0.5, 0.0, 0.5, 1.0)
"""From the network alone to the n-gram alone; 0 is as fitted."""

NAMES, TEXTS, TEXT_CHARS = 2_000, 10, 1_000
"""Names drawn at each balance; or texts, and characters of each; temperature 1, seed 0."""

_CHARS = 10_000
"""Characters of the test part read at each balance, at most."""

_SPELLED = 2_000
"""Names of each part that are looked for in the tables, at most."""


def measure_balance(model: Model, split: Split, known: Sequence[str]) -> dict[str, Any]:
    """A row for each balance; for names also what the tables give away.

    Args:
        model: nothing is measured unless it has an n-gram.
        split: whose test part is read.
        known: the records that network and n-gram were made of.
    """
    if not model.has_ngram:
        return {}
    test = _some(split.test, model.endless)
    rows = [
        {
            "balance": balance,
            "nats_per_char": round(_nats(model, test, balance), 5),
            "copied_share": round(copied, 5),
        }
        for balance, copied in zip(BALANCES, _copied(model, known), strict=True)
    ]
    return {"along_balance": rows, **measure_given_away(model, split)}


def _some(records: Sequence[str], endless: bool) -> list[str]:
    if endless:
        return [records[0][:_CHARS]]
    ends = np.cumsum([len(record) + 1 for record in records])
    return list(records[: max(1, int(np.searchsorted(ends, _CHARS, "right")))])


def _nats(model: Model, test: Sequence[str], balance: float) -> float:
    start = Memory(balanced(model.step.initial_state(), balance))
    return float(np.concatenate([model.score(record, start) for record in test]).mean())


def _copied(model: Model, known: Sequence[str]) -> list[float]:
    """Samples that stand in the list; or characters in passages that stand in the text."""
    count, most = (TEXTS, TEXT_CHARS) if model.endless else (NAMES, None)
    drawn = [
        model.generate(count, max_chars=most, temperature=1.0, seed=0, balance=balance)
        for balance in BALANCES
    ]
    if model.endless:  # one search for all of them: it sorts the whole training text
        lengths = match_lengths([text for texts in drawn for text in texts], known[0])
        starts = range(0, len(lengths), TEXTS)
        return [covered_share(lengths[start : start + TEXTS]) for start in starts]
    listed = set(known)
    return [sum(name in listed for name in names) / NAMES for names in drawn]


def measure_given_away(model: Model, split: Split) -> dict[str, float]:
    """Shares of names that can be read in the tables: of the list, and of those held out."""
    ngram, vocabulary = model.step, model.vocabulary
    if isinstance(ngram, Hybrid):
        ngram = ngram.ngram
    if model.endless or not isinstance(ngram, Automaton):
        return {}
    shares = {}
    for name, part in (("spelled_share", split.train), ("spelled_share_held_out", split.test)):
        some = [each for each in part[:_SPELLED] if not vocabulary.unknown(each)]
        if some:
            found = spelled(ngram, [vocabulary.encode(each) for each in some])
            shares[name] = round(float(found.sum()) / len(part[:_SPELLED]), 5)
    return shares
