"""Who is being evaluated: what a run or a bundle says of itself, in words for a report.

A stranger's bundle may say anything: what is no short text or number is left unsaid.
"""

from collections.abc import Mapping
from typing import Any

from charmodels.corpus.splitting import Split
from charmodels.runtime.bundle import Kind

_MOST = 200
"""Characters of a text from outside at most."""

_UNSAID = "not said"


def describe_subject(
    name: str, provenance: Mapping[str, Any], metrics: Mapping[str, Any], kind: Kind, split: Split
) -> dict[str, str]:
    """Label to words: model, data, what was held out, and the seeds.

    Args:
        name: the folder's.
        provenance: as a bundle has it.
        metrics: among them the number of parameters.
        kind: names or text.
        split: what it was measured on.
    """
    parameters, inside = _count(metrics.get("parameters")), _count(metrics.get("expert_bytes"))
    return {
        "Name": said(name),
        "Kind": kind,
        "Architecture": _architecture(provenance.get("model")),
        "Parameters": parameters or "unknown",
        "Counted beside the network": f"an n-gram of {inside} bytes" if inside else "nothing",
        "Recipe": said("none" if provenance.get("recipe") is None else provenance["recipe"]),
        "Dataset": said(provenance.get("dataset")),
        "Licence of the data": said(provenance.get("licence")),
        "Credit": said(provenance.get("credit")),
        "Held out": _sizes(kind, split),
        "Hash of the test part": split.hash,
        "Salt of the split": split.salt or "none",
        "Seeds": f"training {said(provenance.get('seed'))}, samples 0",
    }


def said(value: Any) -> str:
    """A short text or a number as it is, on one line; anything else is not said."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return _UNSAID
    line = " ".join(str(value)[: 2 * _MOST].split())
    return (line[:_MOST] + "…" if len(line) > _MOST else line) or _UNSAID


def _count(value: Any) -> str:
    """A whole number of a size that can be; empty for anything else."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return f"{value:,}" if is_whole and 0 <= value < 2**53 else ""


def _architecture(model: Any) -> str:
    if not isinstance(model, Mapping) or not isinstance(model.get("arch"), str):
        return _UNSAID
    if model["arch"] == "ngram":
        return "an n-gram, no network"
    layers, hidden = said(model.get("layers")), said(model.get("hidden_size"))
    return f"{said(model['arch'])}, layers {layers}, hidden size {hidden}"


def _sizes(kind: Kind, split: Split) -> str:
    """Names of each part, or characters of a text's."""
    sizes = (
        len(part) if kind == "names" else sum(map(len, part))
        for part in (split.test, split.validation, split.train)
    )
    unit = "names" if kind == "names" else "characters"
    test, validation, train = (f"{size:,}" for size in sizes)
    return f"{test} {unit}, beside {validation} for validation and {train} in training"
