"""Names to order: how long they take, how near they come to the model's own, and how often the
filter of what was learned errs.

Milliseconds are those of one core's time, which other work on the machine does not lengthen.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from charmodels.runtime import ConstraintError, Model, load_bundle
from charmodels.runtime.candidates import CANDIDATES
from charmodels.runtime.constraints import Constraint, guide_names
from charmodels.runtime.foresight import count_pairs
from charmodels.runtime.rows import write_rows
from charmodels.runtime.sampling import Floats, Sampling, row_keys
from tests.benchmarks.rows import Row
from tests.readme import BUNDLES

ROUNDS, NAMES, WEIGHTS = 15, 10, 3_000
TEN_MS, BUILD_MS = 150.0, 200.0

ORDERS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("municipios", {"pattern": "Co.*l"}),
    ("municipios", {"ends": "tlán"}),
    ("municipios", {"contains": "mar"}),
    ("municipios", {"pattern": "(San|Santa) .*", "ends": "o"}),
    ("municipios", {"length": (5, 7)}),
    ("us_names", {"pattern": "[A-C].*a.*n"}),
    ("us_names", {"ends": "x"}),
    ("us_names", {"contains": "zz"}),
    ("us_names", {"length": (4, 4)}),
)
"""What people may ask for, common and rare."""

WORST = (
    "(a|b)*a[ab]{12}",
    ".{0,50}x.{0,50}",
    "(a?){1000}b",
    ".{0,999}x.{0,999}",
    "(a|b|c|d|e|f|g|h|i|j|k|l|m|n|o|p|q|r|s|t|u){0,90}z",
    "(.?.?.?.?.?.?.?.?.?.?.?.?.?.?.?.?.?.?.?.?){0,90}",
    "(.{0,9}y?){0,29}",
)
"""Patterns that take long, alone and with two more wishes and a length."""

STRANGERS, NEAR_STRANGERS = 3_000_000, 6_000


def rows() -> list[Row]:
    """Speed, then likeness, then the filter."""
    models = {
        name: load_bundle(BUNDLES / name, trusted=True) for name in ("municipios", "us_names")
    }
    return [*_speed(models), *_building(models["municipios"]), *_likeness(models), *_filter()]


def _milliseconds(work: Callable[..., object], *given: Any, **named: Any) -> float:
    start = time.thread_time()
    work(*given, **named)
    return 1000 * (time.thread_time() - start)


def _speed(models: dict[str, Model]) -> list[Row]:
    found = []
    for name, order in ORDERS:
        model = models[name]
        model.generate(1, **order)  # which counts pairs, once a model
        took = [
            _milliseconds(model.generate, NAMES, seed=seed, novel=True, **order)
            for seed in range(ROUNDS)
        ]
        found.append((float(np.median(took)), f"{Constraint(**order)} ({name})"))
    slowest = max(found)
    free = [_milliseconds(models["municipios"].generate, NAMES, seed=seed)
            for seed in range(ROUNDS)]  # fmt: skip
    pairs = [_milliseconds(count_pairs, models["municipios"].step) for _ in range(5)]
    return [
        Row(name="ten new names to order", value=slowest[0], unit="ms", limit=TEN_MS,
            note=f"slowest of {len(ORDERS)} orders: {slowest[1]}; Co.*l {found[0][0]:.0f} ms; ten "
            f"free names {np.median(free):.0f} ms; once a model {np.median(pairs):.0f} ms more"),
    ]  # fmt: skip


def _building(model: Model) -> list[Row]:
    pairs = count_pairs(model.step)
    took = []
    for pattern in WORST:
        for more in ({}, {"ends": "a", "length": (9, 60)}, {"contains": "a", "ends": "Q9"}):
            asked: dict[str, Any] = {"pattern": pattern, **more}
            took.append((min(_milliseconds(_build, model, asked, pairs) for _ in range(3)),
                         str(Constraint(**asked))))  # fmt: skip
    slowest = max(took)
    first = took[0][0]
    return [
        Row(name="pattern: read or refused in", value=slowest[0], unit="ms", limit=BUILD_MS,
            note=f"worst of {len(took)}: {slowest[1]}; (a|b)*a[ab]{{12}} {first:.1f} ms"),
    ]  # fmt: skip


def _build(model: Model, asked: dict[str, Any], pairs: Floats) -> None:
    """Ready to write, or refused."""
    with suppress(ConstraintError):
        guide_names(Constraint(**asked), model.vocabulary, "", model.bundle.max_chars, pairs)


def _likeness(models: dict[str, Model]) -> list[Row]:
    """Total variation from the model's names of which those that do not fit are thrown away."""
    found = []
    for name, order in ORDERS:
        model = models[name]
        led, share = _log_weights(model, order, count_pairs(model.step))
        masked, _ = _log_weights(model, order, None)
        note = f"masks alone {apart(masked, 1):.2f}; a free name fits once in {1 / share:,.0f}"
        found.append(
            Row(name=f"{Constraint(**order)} ({name})", value=apart(led, CANDIDATES),
                unit="apart", note=note)
        )  # fmt: skip
    worst = max(found, key=lambda row: row.value)
    alone = [float(row.note.split()[2].rstrip(";")) for row in found]
    return [
        *found,
        Row(name="names to order: total variation from the model's own", value=worst.value,
            unit="", limit=0.35, note=f"worst of {len(found)}, {worst.name}; median "
            f"{np.median([row.value for row in found]):.2f}; masks alone {min(alone):.2f} to "
            f"{max(alone):.2f}"),
    ]  # fmt: skip


def _log_weights(model: Model, order: dict[str, Any], pairs: Floats | None) -> tuple[Floats, float]:
    """Of names that a guide has led, and the share of free names with their beginning that fit."""
    limit = model.bundle.max_chars
    beginning, guide = guide_names(Constraint(**order), model.vocabulary, "", limit, pairs)
    assert guide is not None
    written = write_rows(
        model.step,
        model.vocabulary.encode(beginning),
        row_keys(0, np.arange(WEIGHTS)),
        sampling=Sampling(),
        max_chars=limit + 1 - guide.length,
        guide=guide,
    )
    log_weights = np.array([row.log_weight for row in written if row])
    forced = -model.score(beginning)[: len(beginning)].sum()
    return log_weights, float(np.exp(log_weights + forced).mean())


def apart(log_weights: Floats, candidates: int) -> float:
    """Total variation between what is drawn by weight among so many and what it stands for.

    With weights w = p/q of names drawn by q, the share of a name that fits is w q / E[w]; drawn by
    weight among K it is w q E[K / (w + w_2 + ... + w_K)]. Both are known from the weights alone.
    """
    rng = np.random.default_rng(0)
    weights = np.exp(log_weights - log_weights.max())
    if candidates == 1:
        return float(np.abs(weights / weights.mean() - 1).mean() / 2)
    others = rng.choice(weights, (4_000, candidates - 1)).sum(axis=1)
    grid = np.quantile(weights, np.linspace(0, 1, 1_001))
    held = np.array([(candidates / (weight + others)).mean() for weight in grid])
    drawn = weights * np.interp(weights, grid, held)
    return float(np.abs(weights / weights.mean() - drawn / drawn.mean()).mean() / 2)


def _filter() -> list[Row]:
    model = load_bundle(BUNDLES / "es_nombres", trusted=True)
    known, rng = model.bundle.membership, np.random.default_rng(0)
    assert known is not None
    letters = np.array(model.vocabulary.symbols[1:])

    def strangers(count: int) -> list[str]:
        return ["".join(row) for row in rng.choice(letters, (count, 15))]

    wrong = sum(int(known.knows(strangers(100_000)).sum()) for _ in range(STRANGERS // 100_000))
    some = strangers(NEAR_STRANGERS)
    took = _milliseconds(lambda: [model.standing(name) for name in some[:100]]) / 10
    near = sum(known.standing(name, model.vocabulary) != "new" for name in some)
    bits = 8 * (len(known.low) + len(known.high)) / known.entries
    return [
        Row(name="filter: a new name taken for a known one", value=wrong / STRANGERS, unit="",
            limit=4e-6, note=f"{wrong} of {STRANGERS:,}; stated {known.false_positive_rate:.1e}"),
        Row(name="filter: a new name called near", value=near / NEAR_STRANGERS, unit="",
            limit=2e-3, note=f"{near} of {NEAR_STRANGERS:,}; stated "
            f"{known.near_false_positive_rate:.1e} for names of median length"),
        Row(name="filter: size", value=bits, unit="bits a name", limit=24,
            note=f"{known.entries:,} names in {len(known.low) + len(known.high):,} bytes"),
        Row(name="filter: ten names asked, neighbours too", value=took, unit="ms", limit=50),
    ]  # fmt: skip
