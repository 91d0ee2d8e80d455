"""After the network: count an n-gram, choose its order, weigh both, and keep it in the run folder.

Everything is chosen on the validation part, by a network and an n-gram that have not read it. Then
the n-gram counts that part too: it has done its work, and counting costs a second.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from charmodels.config import DEFAULT_SECONDS, MAX_CACHE, TrainConfig
from charmodels.evaluation.likelihood import scores
from charmodels.models.base import CharModel
from charmodels.ngram.automaton import Automaton, build_automaton
from charmodels.ngram.cache import LONGEST, Cache, count_runs, fit_votes
from charmodels.ngram.counting import MAX_ORDER, count, places
from charmodels.ngram.hybrid import Read, fit_weights
from charmodels.ngram.ngram import Ngram
from charmodels.ngram.packing import Packed, pack
from charmodels.ngram.smoothing import smooth
from charmodels.runtime.errors import RunError
from charmodels.runtime.sampling import Floats
from charmodels.runtime.vocabulary import Ids
from charmodels.training.checkpoint import read_tensors, write_tensors

NGRAM = "ngram.safetensors"
"""The run folder's file."""

ORDERS = (3, 5, 7, 9)
"""Those tried: between them, the mixture hardly notices."""

_TO_CHOOSE, _TO_FIT = 500_000, 4_000_000
"""Scores read at most, characters times vocabulary, for choosing an order and fitting weights."""

MOST_CHARS = 5_000_000
"""Characters of the training part that are counted at most: each million takes 0.34 GB and 5 s."""

_SECONDS, _SECONDS_PER_CHAR = 2.0, 5e-6
"""CPU seconds all this takes on a core of 2024, for the plan to leave."""

_QUICK = 200_000
"""Characters counted in a second, whatever the budget."""

_SHARE = 0.25
"""Of a budget in seconds, that may go to counting."""

_TABLES = {
    "anywhere": (np.float64, "vocab"),
    "from_nothing": (np.int64, "vocab"),
    "first": (np.int64, "nodes + 1"),
    "symbols": (np.int32, "followers"),
    "shares": (np.float64, "followers"),
    "leads_to": (np.int64, "followers"),
    "log_backoff": (np.float64, "nodes"),
}


@dataclass(frozen=True)
class Expert:
    """What a run knows by counting, and how far it is trusted."""

    ngram: Automaton
    weights: Floats
    """(order, 2) Of network and n-gram, by the length of the longest context ever seen."""
    cache: Cache | None = None


@dataclass(frozen=True)
class Mixed:
    """An expert just made, with what is said of it in run.json."""

    ngram: Ngram
    weights: Floats
    cache: Cache | None = None
    metrics: dict[str, Any] = field(default_factory=dict)

    @property
    def expert(self) -> Expert:
        """What is kept."""
        return Expert(build_automaton(self.ngram), self.weights, self.cache)


def chars_to_count(config: TrainConfig, chars: int) -> int:
    """How many of a training part's characters the n-gram counts: what memory and budget allow."""
    if config.ngram == "none":
        return 0
    if config.max_steps is not None:
        return min(chars, MOST_CHARS)
    spared = _SHARE * (config.max_seconds or DEFAULT_SECONDS) - _SECONDS
    return min(chars, MOST_CHARS, max(_QUICK, round(spared / _SECONDS_PER_CHAR)))


def seconds_to_mix(config: TrainConfig, chars: int) -> float:
    """CPU seconds to leave for `mix`, of a training part of so many characters."""
    counted = chars_to_count(config, chars)
    if not counted:
        return 0.0
    wanted = _SECONDS + _SECONDS_PER_CHAR * counted
    return min(wanted, 2 * _SHARE * (config.max_seconds or DEFAULT_SECONDS))


def mix(
    model: CharModel,
    config: TrainConfig,
    train: Sequence[Ids],
    validation: Sequence[Ids],
    *,
    endless: bool,
) -> Mixed:
    """Count, choose, weigh, and count again with the validation part.

    Args:
        model: the network, trained.
        config: how large the n-gram's tables may be, and how much of a long corpus it counts: the
            last characters of a text, the first names.
        train: what the network learned from.
        validation: what its weights were chosen on; may be empty, then nothing can be fitted.
        endless: whether it is one text.
    """
    chars = sum(len(record) + (not endless) for record in train)
    most, max_bytes = chars_to_count(config, chars), config.ngram_bytes
    if most < chars:
        train = [train[0][-most:]] if endless else _some(train, most, endless=endless)
    counts = count(train, model.vocab, order=MAX_ORDER, endless=endless)
    if not validation:
        ngram = smooth(counts, ORDERS[0])
        packed = pack(ngram, max_bytes)
        about = _about(packed, train, endless)
        return Mixed(packed.ngram, np.full((ngram.order, 2), 0.5), metrics=about)
    choosing = _some(validation, _TO_CHOOSE // model.vocab, endless=endless)

    def cost(packed: Packed) -> float:
        read = read_both(model, packed.ngram, choosing, endless=endless)
        return float(read.nats(fit_weights(read, packed.ngram.order)).mean())

    packed = min((pack(smooth(counts, order), max_bytes) for order in ORDERS), key=cost)
    order = packed.ngram.order
    del counts  # before the same is counted once more
    held_out = _some(validation, _TO_FIT // model.vocab, endless=endless)
    read = read_both(model, packed.ngram, held_out, endless=endless)
    weights = fit_weights(read, order)
    alone = np.ones((order, 2)) * [0, 1]
    together = read.nats(weights)
    cache, looked_back = None, together
    if endless and config.cache:
        runs = count_runs(held_out[0], config.cache)
        cache = Cache(fit_votes(together, runs), config.cache)
        looked_back = runs.nats(together, cache.votes)
    figures = {
        "mixed_validation_nats_per_char": looked_back,
        "ngram_validation_nats_per_char": read.nats(alone),
    }
    whole = [np.concatenate([*train, *validation])] if endless else [*train, *validation]
    again = count(whole, model.vocab, order=order, endless=endless)
    final = pack(smooth(again, order), max_bytes)
    if cache:
        figures["mixed_uncached_validation_nats_per_char"] = together
    metrics = {name: round(float(nats.mean()), 5) for name, nats in figures.items()}
    if cache:
        metrics["expert_cache_chars"] = cache.window
    return Mixed(final.ngram, weights, cache, metrics | _about(final, whole, endless))


def _about(packed: Packed, counted: Sequence[Ids], endless: bool) -> dict[str, Any]:
    return {
        "expert_chars": sum(len(record) + (not endless) for record in counted),
        "expert_order": packed.ngram.order,
        "expert_bytes": packed.bytes,
        "expert_pruned_nats": round(packed.least_nats, 3),
    }


def _some(records: Sequence[Ids], chars: int, *, endless: bool) -> list[Ids]:
    """As many of the first records, or as much of the text, as so many characters."""
    if endless:
        return [records[0][: max(1, chars)]]
    ends = np.cumsum([len(record) + 1 for record in records])
    return list(records[: max(1, int(np.searchsorted(ends, chars, "right")))])


def read_both(model: CharModel, ngram: Ngram, records: Sequence[Ids], *, endless: bool) -> Read:
    """What network and n-gram say of every character of `records`, at once."""
    parts = list(_read_along(model, ngram, records, endless=endless))
    whole = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Read(*whole)


class Paid(NamedTuple):
    """Nats of every character, float64 (chars,)."""

    together: Floats
    """By all that speaks."""
    uncached: Floats
    """By network and n-gram; the same where there is no cache."""
    network: Floats


def mixed_nats(model: CharModel, mixed: Mixed, records: Sequence[Ids], *, endless: bool) -> Paid:
    """What `records` cost, read once."""
    alone = np.ones_like(mixed.weights) * [1, 0]
    pieces = (Read(*part) for part in _read_along(model, mixed.ngram, records, endless=endless))
    nats = [(read.nats(mixed.weights), read.nats(alone)) for read in pieces]
    uncached, network = (np.concatenate(column) for column in zip(*nats, strict=True))
    cache = mixed.cache
    together = cache.nats(uncached, np.concatenate(records)) if cache else uncached
    return Paid(together, uncached, network)


def _read_along(
    model: CharModel, ngram: Ngram, records: Sequence[Ids], *, endless: bool
) -> Iterator[tuple[Any, ...]]:
    """The fields of `Read`, a piece at a time."""
    stream, place = places(records, endless=endless)
    start = 0
    for logits in scores(model, records, endless=endless):
        here = place[start : start + len(logits)]
        log_chances, lengths = ngram.read(stream, here)
        yield logits, log_chances, stream[here].astype(np.int64), lengths
        start += len(logits)


def write_expert(folder: Path, expert: Expert) -> None:
    """Keep it in the run folder, whole or not at all."""
    ngram = expert.ngram
    tables = {name: torch.from_numpy(getattr(ngram, name)) for name in _TABLES}
    tables["weights"] = torch.from_numpy(expert.weights)
    facts = {"order": ngram.order, "shorter_nodes": ngram.shorter_nodes}
    if expert.cache:
        tables["votes"] = torch.from_numpy(expert.cache.votes)
        facts["window"] = expert.cache.window
    write_tensors(folder / NGRAM, tables, facts)


def read_expert(folder: Path, vocab: int) -> Expert | None:
    """The expert of a run whose network knows `vocab` ids; None where it has none.

    Raises:
        RunError: the file is broken, or its tables do not fit together.
    """
    path = folder / NGRAM
    if not path.is_file():
        return None
    tensors, facts = read_tensors(path)
    try:
        order, shorter = int(facts["order"]), int(facts["shorter_nodes"])
        tables = {name: _table(tensors[name].numpy(), *_TABLES[name]) for name in _TABLES}
        weights = _table(tensors["weights"].numpy(), np.float64, "order, 2")
        _require_sound(tables, weights, order, shorter, vocab)
        cache = _read_cache(tensors, facts) if "votes" in tensors else None
    except (KeyError, ValueError, TypeError) as error:
        raise RunError(f"{path}: not an n-gram of this run ({error}); train again") from error
    return Expert(Automaton(**tables, order=order, shorter_nodes=shorter), weights, cache)


def _read_cache(tensors: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> Cache:
    votes, window = _table(tensors["votes"].numpy(), np.float64, "longest"), int(facts["window"])
    is_sound = (votes >= 0).all() and (votes < 1e6).all() and 1 < len(votes) <= LONGEST + 1
    if not is_sound or votes[0] or not 2 <= window <= MAX_CACHE:
        raise ValueError("votes are out of their range")
    return Cache(votes, window)


def _table(value: Any, kind: type, shape: str) -> Any:
    if value.dtype != kind or value.ndim != 1 + shape.count(","):
        raise ValueError(f"a table is {value.dtype} {value.shape}; expected {shape}")
    return value


def _require_sound(
    tables: dict[str, Any], weights: Floats, order: int, shorter: int, vocab: int
) -> None:
    """Every number in its range, so that no look-up can leave its table."""
    first, followers = tables["first"], len(tables["symbols"])
    nodes = len(tables["log_backoff"])
    within = {
        "order": 2 <= order <= MAX_ORDER and weights.shape == (order, 2),
        "vocabulary": len(tables["anywhere"]) == len(tables["from_nothing"]) == vocab,
        "sizes": len(first) == nodes + 1 and 1 <= shorter <= nodes and followers > 0,
        "followers": len(tables["shares"]) == len(tables["leads_to"]) == followers,
        "first": first[0] == 0 and first[-1] == followers and bool((np.diff(first) >= 0).all()),
        "symbols": _inside(tables["symbols"], vocab),
        "leads_to": _inside(tables["leads_to"], nodes),
        "from_nothing": _inside(tables["from_nothing"], nodes),
        "anywhere": bool(((tables["anywhere"] > 0) & (tables["anywhere"] <= 1)).all()),
        "shares": bool(((tables["shares"] >= 0) & (tables["shares"] <= 1)).all()),
        "log_backoff": bool((np.abs(tables["log_backoff"]) < 100).all()),
        "weights": bool(((weights >= 0) & (weights < 100)).all()),
    }
    for name, is_sound in within.items():
        if not is_sound:
            raise ValueError(f"{name} is out of its range")


def _inside(table: Ids, end: int) -> bool:
    return bool(((table >= 0) & (table < end)).all())
