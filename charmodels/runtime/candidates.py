"""Names that are as they were asked to be, drawn nearly as often as the model itself writes them.

For each name a guide leads several candidates to a good end, and one of them is drawn by its
weight: by how much likelier it is to the model than to the guide. With ever more candidates that
is the model's own choice among all the names that it could have been (sampling, importance
resampling). Where only novelty is asked, the first new name is taken, which is exact.

Source: Rubin 1987, "The SIR algorithm", in the discussion of Tanner and Wong.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from charmodels.runtime.errors import ConstraintError
from charmodels.runtime.generation import ROWS_AT_ONCE, StepModel
from charmodels.runtime.guide import Guide
from charmodels.runtime.rows import Written, write_rows
from charmodels.runtime.sampling import Floats, Ids, Keys, Sampling, row_keys, try_keys, uniforms_at

CANDIDATES = 16
"""For each name that is guided."""

GIVE_UP = 4.0
"""Nats by which a candidate may fall behind, as expected, before it is given up: it spares a third
of the characters, and the names so lost have 0.4% of all chances at most (of nine orders)."""

MAX_TRIES = 512
"""Candidates of one name after which no more are tried where none is new; the last batch passes it,
so it is about a thousand."""

_CHOICE = 2**32
"""The try whose random numbers choose among the others."""

AreNew = Callable[[Sequence[list[int]]], Sequence[bool]]
"""Which rows, each its new ids, are names that may be given."""


def choose_rows(
    model: StepModel,
    beginning: Ids,
    rows: Ids,
    *,
    guide: Guide | None,
    are_new: AreNew | None,
    sampling: Sampling,
    max_chars: int,
    seed: int,
) -> Iterator[list[int] | None]:
    """Yield new ids for each of `rows` (rows,), in order; row i depends only on (seed, i).

    While they are looked for it yields None, every few milliseconds, for whoever has others to
    serve or may have to stop.

    Args:
        model: the network, or the n-gram beside it.
        beginning: what all names begin with, read and not given.
        rows: their places among those of the seed.
        guide: it has begun with `beginning`; None leads nobody.
        are_new: None takes every name.
        sampling: temperature and filters.
        max_chars: new ids of a row without guide at most; a guide knows where to end.
        seed: of all random numbers.

    Raises:
        ConstraintError: no new name among MAX_TRIES candidates of a row.
    """
    limit = guide.longest + 1 - guide.length if guide else max_chars
    first = CANDIDATES if guide and sampling.temperature > 0.0 else 1
    at_once = ROWS_AT_ONCE // first
    blocks = _blocks(len(rows), at_once)

    def draw(keys: Keys, give_up: float) -> Iterator[Written | None]:
        return write_rows(
            model,
            beginning,
            keys,
            sampling=sampling,
            max_chars=limit,
            guide=guide,
            give_up=give_up,
        )

    for start, end in blocks:
        keys = row_keys(seed, rows[start:end])
        found: dict[int, list[int]] = {}
        tried, tries = 0, first
        while len(found) < len(keys):
            left = np.array([i for i in range(len(keys)) if i not in found])
            again = try_keys(keys[left, None], np.arange(tried, tried + tries)).ravel()
            drawn: list[Written] = []
            for written in draw(again, np.inf if tried else GIVE_UP):
                if written is None:
                    yield None
                else:
                    drawn.append(written)
            yield None
            is_new = are_new([each.ids for each in drawn]) if are_new else [True] * len(drawn)
            chosen_by = uniforms_at(try_keys(keys[left], np.array([_CHOICE])), np.array([tried]))
            for place, row in enumerate(left.tolist()):
                some = slice(place * tries, (place + 1) * tries)
                fit = [
                    each
                    for each, new in zip(drawn[some], is_new[some], strict=True)
                    if new and each.log_weight > -np.inf
                ]
                if fit:
                    found[row] = _choose(fit, float(chosen_by[place]))
            tried, tries = tried + tries, max(CANDIDATES, tries * 2)
            if len(found) < len(keys) and (tried >= MAX_TRIES or sampling.temperature == 0.0):
                raise ConstraintError(
                    f"none of {tried} names written was new: all stand in the training list; ask "
                    "for less, for a higher temperature, or for names that need not be new",
                    "known",
                )
        yield from (found[row] for row in range(len(keys)))


def _blocks(count: int, at_once: int) -> Iterator[tuple[int, int]]:
    """Rows that are chosen together, from and to: few at first, for whoever waits for a name."""
    start, size = 0, min(2, at_once)
    while start < count:
        yield start, min(start + size, count)
        start, size = start + size, min(2 * size, at_once)


def _choose(candidates: Sequence[Written], uniform: float) -> list[int]:
    """One of the candidates, by weight."""
    log_weights: Floats = np.array([each.log_weight for each in candidates])
    cumulative = np.exp(log_weights - log_weights.max()).cumsum()
    return candidates[int(np.searchsorted(cumulative, uniform * cumulative[-1], "right"))].ids
