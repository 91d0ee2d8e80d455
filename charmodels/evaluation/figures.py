"""What was measured, in the field's words: rows in groups, for the terminal and for a report.

A figure of the samples stands beside the same figure of held-out records wherever there is one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from charmodels.evaluation.novelty import ORDERS, QUANTILES
from charmodels.evaluation.overlap import PASSAGE

MISSING = "-"
"""Stands where there is no such figure."""


@dataclass(frozen=True)
class Row:
    """One line: what it is about, and a figure under each of the group's heads."""

    label: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """Figures that are read together."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[Row, ...]
    note: str = ""
    """A sentence on how to read them."""


_CURVE = {
    "nearest twentieth": 0.05,
    "nearest quarter": 0.25,
    "median": 0.5,
    "farthest quarter": 0.75,
}
_PASSAGES = {"median": 0.5, "95th percentile": 0.95}


def group_figures(measured: Mapping[str, Any]) -> list[Group]:
    """Everything `measure` gave, in groups; a key not known here stands in the last one."""
    rest = dict(measured)
    rest.pop("split", None)
    of_names = "nats_per_name" in measured
    groups = [_reading(rest, of_names), _guesses(rest)]
    groups += [_novelty(rest), _divergence(rest), _distance(rest)] if of_names else [_overlap(rest)]
    if "along_balance" in rest:
        groups.append(_balance(rest, of_names))
    if rest:
        rows = (Row(name.replace("_", " "), (_any(value),)) for name, value in rest.items())
        groups.append(Group("Also measured", ("",), tuple(rows)))
    return groups


def _reading(rest: dict[str, Any], of_names: bool) -> Group:
    def row(label: str, nats: Any) -> Row:
        bits = None if nats is None else nats / math.log(2)
        return Row(label, (_number(nats), _number(bits)))

    rows = [row("this model", rest.pop("nats_per_char"))]
    rest.pop("bits_per_char", None)
    if "network_nats_per_char" in rest:
        rows.append(row("its network alone", rest.pop("network_nats_per_char")))
    if "uncached_nats_per_char" in rest:
        rows.append(row("network and n-gram without its past", rest.pop("uncached_nats_per_char")))
    if "windowed_nats_per_char" in rest:
        rows.append(row("this model, windows of 256", rest.pop("windowed_nats_per_char")))
    order, ngram = rest.pop("ngram_order", None), rest.pop("ngram_nats_per_char", None)
    rows.append(row("best n-gram" if order is None else f"best n-gram, order {order}", ngram))
    rows.append(row("bigram", rest.pop("bigram_nats_per_char", None)))
    if not of_names:
        note = "One sweep of the held-out text, memory carried; a window starts from none."
        return Group("A held-out character costs", ("nats", "bits"), tuple(rows), note)
    rows.append(row("this model, a whole name", rest.pop("nats_per_name")))
    note = "Every character of a held-out name and its end mark, each name from the start."
    return Group("A held-out character costs", ("nats", "bits"), tuple(rows), note)


def _guesses(rest: dict[str, Any]) -> Group:
    title, every = "First guesses that are right", _share(rest.pop("accuracy"))
    if "window" not in rest:
        return Group(title, ("share",), (Row("every character", (every,)),))
    window, count = rest.pop("window"), rest.pop("windows")
    shares = (rest.pop("window_accuracy"), rest.pop("window_accuracy_bigram"))
    rows = (
        Row("every character", (every, MISSING)),
        Row(f"after {window} characters", tuple(map(_share, shares))),
        Row(
            f"of {count:,} such windows, also in training",
            (_share(rest.pop("windows_seen")), MISSING),
        ),
    )
    return Group(title, ("this model", "by last character"), rows)


def _novelty(rest: dict[str, Any]) -> Group:
    rows = (
        Row("new: not in what the model has read", (_share(rest.pop("novel_share")),)),
        Row("different from one another", (_share(rest.pop("unique_share")),)),
        Row("ended by themselves", (_share(rest.pop("ended_share")),)),
        Row("as long as the middle 99% of training", (_share(rest.pop("length_share")),)),
        Row("held-out names hit", (_share(rest.pop("held_out_hit_share")),)),
        Row("training names hit", (_share(rest.pop("train_hit_share")),)),
    )
    title = f"{rest.pop('samples'):,} samples, temperature 1, seed 0"
    note = "A model that copied would hit training names, and no held-out ones."
    return Group(title, ("share",), rows, note)


def _divergence(rest: dict[str, Any]) -> Group:
    own, floor = rest.pop("divergence"), rest.pop("divergence_floor")
    ratios = rest.pop("divergence_ratio", None) or [None] * len(own)
    rows = [
        Row(f"{order}-grams", (_number(a, 4), _number(b, 4), _number(ratio, 2)))
        for order, a, b, ratio in zip(ORDERS, own, floor, ratios, strict=True)
    ]
    a, b = rest.pop("length_divergence"), rest.pop("length_divergence_floor")
    rows.append(Row("lengths", (_number(a, 4), _number(b, 4), _number(a / b if b else None, 2))))
    note = "Jensen-Shannon, nats; at a ratio of 1 samples are as close as the list itself."
    heads = ("samples", "training", "ratio")
    return Group("Divergence from held-out names", heads, tuple(rows), note)


def _distance(rest: dict[str, Any]) -> Group:
    own, theirs = rest.pop("edit_distance_curve"), rest.pop("edit_distance_curve_held_out")
    rest.pop("edit_distance_median", None), rest.pop("edit_distance_median_held_out", None)
    rows = (
        Row(label, (_number(_at(own, place), 2), _number(_at(theirs, place), 2)))
        for label, place in _CURVE.items()
    )
    note = "Levenshtein, divided by the longer name's length; lower than held-out is copying."
    title = "Edit distance to nearest training name"
    return Group(title, ("samples", "held-out"), tuple(rows), note)


def _overlap(rest: dict[str, Any]) -> Group:
    own, theirs = rest.pop("verbatim_curve"), rest.pop("verbatim_curve_held_out")
    longest = (rest.pop("longest_verbatim"), rest.pop("longest_verbatim_held_out"))
    shares = (rest.pop("verbatim_share"), rest.pop("verbatim_share_held_out"))
    rows = [
        Row("longest passage, characters", tuple(f"{each:,}" for each in longest)),
        Row(f"covered by passages of {PASSAGE} or more", tuple(map(_share, shares))),
    ]
    rows += [
        Row(f"from each character on, {label}", (f"{_at(own, place):,}", f"{_at(theirs, place):,}"))
        for label, place in _PASSAGES.items()
    ]
    note = f"Of {rest.pop('samples'):,} characters, temperature 1, seed 0."
    title = "Word for word in the training text"
    return Group(title, ("samples", "held-out"), tuple(rows), note)


def _balance(rest: dict[str, Any], of_names: bool) -> Group:
    ends = {-1.0: "network alone", 0.0: "as fitted", 1.0: "n-gram alone"}
    rows = [
        Row(
            f"{each['balance']:+.1f} {ends.get(each['balance'], '')}".rstrip(),
            (_number(each["nats_per_char"]), _share(each["copied_share"])),
        )
        for each in rest.pop("along_balance")
    ]
    note = f"Copied: in passages of {PASSAGE} or more that stand in the text."
    if of_names:
        note = "Copied: samples that stand in the list."
    if "spelled_share" in rest:
        own, theirs = rest.pop("spelled_share"), rest.pop("spelled_share_held_out")
        note += (
            f" The n-gram's tables spell {_share(own)} of the training names from beginning to "
            f"end, and {_share(theirs)} of the held-out ones: whoever has the bundle can tell."
        )
    return Group("Between network and n-gram", ("nats", "copied"), tuple(rows), note)


def _at(curve: Sequence[Any], quantile: float) -> Any:
    return curve[round(quantile * (len(QUANTILES) - 1))]


def _share(value: float | None) -> str:
    return MISSING if value is None else f"{value:.1%}"


def _number(value: float | None, digits: int = 3) -> str:
    return MISSING if value is None else f"{value:.{digits}f}"


def _any(value: Any) -> str:
    return _number(value, 4) if isinstance(value, float) else str(value)
