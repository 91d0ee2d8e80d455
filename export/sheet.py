"""`python -m export --inspect`: what a bundle holds, to read or as JSON, without torch."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from onnx import helper

from charmodels.runtime.bundle import STEP, WEIGHTS, Bundle, sha256_of, variant_of
from charmodels.runtime.model import load_bundle
from charmodels.runtime.sources import bundle_files
from charmodels.runtime.verify import read_graph

_ELEMENT_BYTES = {"float32": 4, "int64": 8}
_TYPES = {
    kind: helper.tensor_dtype_to_np_dtype(kind).name for kind in helper.get_all_tensor_dtypes()
}
_SHOWN = 12
"""Operators named on the sheet; the JSON has all."""


def describe_bundle(where: Path) -> dict[str, Any]:
    """Graphs, states, sizes, figures and provenance of a bundle that `load_bundle` opens.

    The graphs it does not open are read here and not checked.

    Raises:
        BundleError: it does not open.
    """
    with bundle_files(where) as found:
        bundle = load_bundle(found).bundle
        names = list(bundle.files) or [found.name]
        folder = found if bundle.files else found.parent
        graphs = {name: _describe_graph(folder / name, bundle) for name in names}
        weights = {WEIGHTS: {"bytes": bundle.weights.bytes}} if bundle.weights else {}
    step = graphs[STEP if STEP in graphs else names[0]]
    states = {
        state.name: {
            "type": state.dtype,
            "shape": list(state.shape),
            "bytes": math.prod(state.shape) * _ELEMENT_BYTES[state.dtype],
        }
        for state in bundle.states
    }
    files = [*graphs.values(), *weights.values()]
    return {
        "bundle": where.name,
        "kind": bundle.kind,
        "characters": len(bundle.vocabulary) - 1,
        "vocabulary": "".join(bundle.vocabulary.symbols),
        "inputs": step["inputs"],
        "outputs": step["outputs"],
        "states": states,
        "bytes": sum(file["bytes"] for file in files),
        "memory_bytes_per_text": sum(state["bytes"] for state in states.values()),
        "graphs": graphs,
        "files": weights,
        "variants": {name: asdict(judged) for name, judged in bundle.variants.items()},
        "membership": _describe_membership(bundle),
        "golden_tokens": len(bundle.golden.tokens) if bundle.golden else 0,
        "sampling": bundle.facts()["sampling"],
        "provenance": dict(bundle.provenance),
        "metrics": dict(bundle.metrics),
    }


def _describe_membership(bundle: Bundle) -> dict[str, Any]:
    """How many names can be asked for, and how often the answer is wrong."""
    known = bundle.membership
    if known is None:
        return {}
    return {
        "entries": known.entries,
        "bytes": len(known.low) + len(known.high),
        "false_positive_rate": known.false_positive_rate,
        "near_false_positive_rate": known.near_false_positive_rate,
    }


def _describe_graph(path: Path, bundle: Bundle) -> dict[str, Any]:
    model = read_graph(path)
    graph, file = model.graph, bundle.files.get(path.name)
    weights = {tensor.name for tensor in graph.initializer}
    return {
        "variant": file.variant if file else variant_of(path.name),
        "bytes": path.stat().st_size,
        "sha256": sha256_of(path),
        "opset": max(
            (entry.version for entry in model.opset_import if not entry.domain), default=0
        ),
        "domains": sorted({str(entry.domain) for entry in model.opset_import if entry.domain}),
        "nodes": len(graph.node),
        "operators": dict(Counter(str(node.op_type) for node in graph.node).most_common()),
        "weights": sum(math.prod(tensor.dims) for tensor in graph.initializer),
        "inputs": {str(v.name): _typed(v) for v in graph.input if v.name not in weights},
        "outputs": {str(v.name): _typed(v) for v in graph.output},
    }


def _typed(value: Any) -> str:
    """Type and shape, as in float32 (batch, 16)."""
    tensor = value.type.tensor_type
    axes = [str(dim.dim_param or dim.dim_value) for dim in tensor.shape.dim]
    shape = f"({axes[0]},)" if len(axes) == 1 else f"({', '.join(axes)})"
    return f"{_TYPES.get(tensor.elem_type, tensor.elem_type)} {shape}"


def sheet(facts: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a description, for people; a stranger's names move no cursor."""
    for line in _lines(facts):
        yield "".join(c if c.isprintable() else " " for c in line)


def _lines(facts: Mapping[str, Any]) -> Iterator[str]:
    for key in ("bundle", "kind"):
        yield f"{key}: {facts[key]}"
    yield f"characters: {facts['characters']}  {facts['vocabulary']!r}"
    yield (
        f"bytes: {facts['bytes']:,} in all; memory of one text: {facts['memory_bytes_per_text']:,}"
    )
    for name, graph in facts["graphs"].items():
        others = ", ".join(graph["domains"])
        yield ""
        yield (
            f"{name}: {graph['variant']}, {graph['bytes']:,} bytes, {graph['weights']:,} weights, "
            f"{graph['nodes']} nodes, opset {graph['opset']}" + (f" and {others}" if others else "")
        )
        named = list(graph["operators"].items())
        operators = ", ".join(f"{count} {name}" for name, count in named[:_SHOWN])
        yield f"  operators  {operators}{', ...' if len(named) > _SHOWN else ''}"
        yield from _table("in", graph["inputs"])
        yield from _table("out", graph["outputs"])
        yield f"  sha256     {graph['sha256']}"
    for name, file in facts["files"].items():
        yield ""
        yield f"{name}: {file['bytes']:,} bytes, to train on from"
    for title in ("variants", "membership", "sampling", "provenance", "metrics"):
        if not facts[title]:
            continue
        yield ""
        yield f"{title}:"
        for name, value in facts[title].items():
            yield f"  {name:<32} {_shown(value)}"


def _table(title: str, values: Mapping[str, str]) -> Iterator[str]:
    for name, typed in values.items():
        yield f"  {title:<10} {name:<12} {typed}"
        title = ""


def _shown(value: Any) -> str:
    """A figure or fact in one line: what a bundle nests is shown as name and value."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(each)}" for name, each in value.items())
    if isinstance(value, list):
        return f"{len(value)} values" if len(str(value)) > 60 else ", ".join(map(_shown, value))
    if isinstance(value, float):
        return f"{value:.5g}"
    return "none" if value is None else str(value)[:300]
