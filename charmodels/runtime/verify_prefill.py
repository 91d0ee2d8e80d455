"""The structural check of a stranger's prompt graph.

It may hold what a step may, and besides:

Scan            runs its body once for each character it is given, never more: no condition, no
                count, nothing the data could prolong. The body is held to a step's own list, so
                that there is no Scan in a Scan, and is measured as many times as it runs.
LSTM, GRU       the same, with nothing but weights, states and a hidden size: no lengths, peepholes,
                directions or activations of their own. onnx's shape inference believes their hidden
                size and never looks at the weights, so the weights' shapes are checked here.
Shape           of the tokens alone, and only to say where their axes stand in a Reshape.

The shape of every value is worked out for the longest prompt that one call reads: nothing in a
graph of these operators is larger for a shorter one.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from charmodels.runtime.bundle import Bundle
from charmodels.runtime.errors import BundleError
from charmodels.runtime.generation import ROWS_AT_ONCE
from charmodels.runtime.prefill import PREFILL_AT_ONCE
from charmodels.runtime.verify import (
    BYTES_PER_TEXT,
    GROWTH,
    MAX_NODES,
    STEP_OPERATORS,
    Shape,
    Values,
    check_divisors,
    check_golden_work,
    check_growth,
    check_nodes,
    check_numbers,
    check_opsets,
    check_promises,
    check_tensor,
    check_values,
    count_bytes,
    golden_steps,
    infer,
    numbers_of,
    read_graph,
    without_weights,
    work_of,
)

GATES = {"LSTM": 4, "GRU": 3}

PREFILL_OPERATORS = STEP_OPERATORS | GATES.keys() | {"Shape"}
"""Outside of a Scan."""

MAX_SCANS = 64

BYTES_PER_PROMPT = 64 * BYTES_PER_TEXT
"""All values that one call makes for one text, together."""


def verify_prefill(path: Path, bundle: Bundle) -> None:
    """Check one prompt graph against its bundle, without running it.

    Raises:
        BundleError: naming the first thing that a prompt graph must not hold.
    """
    import onnx

    model = read_graph(path)
    check_opsets(path, model)
    outer = [node for node in model.graph.node if node.op_type != "Scan"]
    inner = [node for scan in _scans(model) for node in _body(path, scan).node]
    if len(model.graph.node) + len(inner) > MAX_NODES:
        raise BundleError(f"{path}: more than {MAX_NODES} nodes, those of its Scans included")
    if len(_scans(model)) > MAX_SCANS:
        raise BundleError(f"{path}: {len(_scans(model))} Scans; expected at most {MAX_SCANS}")
    check_nodes(path, outer, PREFILL_OPERATORS)
    check_nodes(path, inner)
    for tensor in model.graph.initializer:
        check_tensor(path, tensor)
        check_numbers(path, tensor)
    initial = {tensor.name for tensor in model.graph.initializer}
    states = [(state.name, state.dtype, ("batch", *state.shape)) for state in bundle.states]
    inputs = [value for value in model.graph.input if value.name not in initial]
    check_values(path, inputs, [("tokens", "int64", ("batch", "batch")), *states])
    after = [(f"next_{name}", dtype, shape) for name, dtype, shape in states]
    logits = ("logits", "float32", ("batch", len(bundle.vocabulary)))
    check_values(path, model.graph.output, [logits, *after])
    try:
        onnx.checker.check_model(without_weights(model), full_check=True)
    except Exception as error:  # checker and shape inference raise several types
        raise BundleError(f"{path}: not a valid graph: {str(error)[:200]!r}") from error
    _check_sizes(path, model, bundle)


def _scans(model: Any) -> list[Any]:
    return [node for node in model.graph.node if node.op_type == "Scan"]


def _body(path: Path, scan: Any) -> Any:
    """The body of a Scan that has nothing else to say but how many inputs it takes apart."""
    attributes = {attribute.name: attribute for attribute in scan.attribute}
    if attributes.keys() != {"body", "num_scan_inputs"} or scan.domain not in ("", "ai.onnx"):
        found = str([*attributes])[:100]
        raise BundleError(f"{path}: a Scan with {found}; expected body and num_scan_inputs")
    body, count = attributes["body"].g, attributes["num_scan_inputs"].i
    if body.initializer or body.sparse_initializer or not 1 <= count <= len(scan.input):
        raise BundleError(f"{path}: a Scan with weights inside, or nothing to go over")
    if len(body.input) != len(scan.input) or len(body.output) != len(scan.output):
        raise BundleError(f"{path}: a Scan whose body has other inputs or outputs than itself")
    return body


def _check_sizes(path: Path, model: Any, bundle: Bundle) -> None:
    """Bound the memory and the work of the longest prompt that is read at once."""
    time = PREFILL_AT_ONCE
    one, many = (_all_values(path, model, batch, time) for batch in (1, ROWS_AT_ONCE))
    of_weights, of_text = count_bytes(path, one, many)
    file_bytes = path.stat().st_size
    check_growth(path, of_weights)
    if of_text > BYTES_PER_PROMPT:
        raise BundleError(f"{path}: a prompt would fill {of_text:,} bytes for one text")
    work = _work_of_prompt(path, model, one, time)
    if work > time * (GROWTH * file_bytes + BYTES_PER_TEXT):
        raise BundleError(f"{path}: a prompt would multiply {work:,} numbers for one text")
    if steps := min(golden_steps(bundle), time):
        golden = _all_values(path, model, 1, steps)
        made = sum(math.prod(shape) for _, shape in golden.values())
        work = _work_of_prompt(path, model, golden, steps)
        check_golden_work(path, bundle, work + steps * made)
    check_promises(path, bundle, many)
    nodes = [
        *model.graph.node,
        *(node for scan in _scans(model) for node in _body(path, scan).node),
    ]
    check_divisors(path, nodes, model.graph.initializer, one)


def _work_of_prompt(path: Path, model: Any, values: Values, time: int) -> int:
    """Multiplications for one text of so many characters."""
    sizes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    sizes |= {name: shape for name, (_, shape) in values.items()}
    work = sum(_work(path, node, sizes, time) for node in model.graph.node)
    for scan in _scans(model):
        work += time * sum(work_of(node, sizes) for node in _body(path, scan).node)
    return work


def _all_values(path: Path, model: Any, batch: int, time: int) -> Values:
    """Every value but the weights, those inside of a Scan too, as large as for one character.

    From Scan to Scan, each by its body: onnx's own inference of one sees none of the numbers that
    its body reads from outside.
    """
    from onnx import numpy_helper

    axes = _axes(path, model, (batch, time))
    weights = [*model.graph.initializer]
    weights += [numpy_helper.from_array(value, name) for name, value in axes.items()]
    of_weights = {tensor.name: _type_of(tensor) for tensor in weights}
    values: dict[str, tuple[int, Shape]] = {}
    for value in model.graph.input:
        if value.name not in of_weights:
            tensor = value.type.tensor_type
            rest = (dim.dim_value or time for dim in tensor.shape.dim[1:])
            values[value.name] = (tensor.elem_type, (batch, *rest))
    plain: list[Any] = []
    for node in [*model.graph.node, None]:
        if node is None or node.op_type == "Scan":
            values |= dict(infer(path, model, plain, weights, values, []))
            plain = []
        elif not axes.keys() & set(node.output):
            plain.append(node)
        if node is not None and node.op_type == "Scan":
            values |= _values_of_scan(path, model, node, weights, {**of_weights, **values}, time)
    return values


def _type_of(tensor: Any) -> tuple[int, Shape]:
    return tensor.data_type, tuple(tensor.dims)


def _values_of_scan(
    path: Path, model: Any, scan: Any, weights: list[Any], outside: Values, time: int
) -> Values:
    """What a Scan makes, and what its body makes of one character."""
    body, count = _body(path, scan), _scan_inputs(scan)
    if set(scan.input) - outside.keys():
        raise BundleError(f"{path}: a Scan reads what nothing before it makes")
    given = [outside[name] for name in scan.input]
    states, over = given[:-count], given[-count:]
    rows = over[0][1][:1]
    if any(shape[:1] != rows or not rows or rows[0] > time for _, shape in over):
        raise BundleError(f"{path}: a Scan over more than the prompt, or over nothing")
    begin = [*states, *((kind, shape[1:]) for kind, shape in over)]
    inside = {value.name: like for value, like in zip(body.input, begin, strict=True)}
    made = {name for node in body.node for name in node.output if name}
    if (made | inside.keys()) & outside.keys() or len(inside) != len(begin):
        raise BundleError(f"{path}: the body of a Scan gives one name to two values")
    read = {name for node in body.node for name in node.input}
    captured = {tensor.name for tensor in weights}
    around = {name: outside[name] for name in read & outside.keys() - captured}
    found = infer(path, model, body.node, weights, inside | around, [])
    if any(value.name not in found for value in body.output):
        raise BundleError(f"{path}: a Scan whose body ends in nothing")
    ended = [found[value.name] for value in body.output]
    if ended[: len(states)] != states:
        raise BundleError(f"{path}: a Scan that changes the shape of a state")
    said = [(kind, (*rows, *shape)) for kind, shape in ended[len(states) :]]
    results = dict(zip(scan.output, [*states, *said], strict=True))
    inner = {name: found[name] for name in (*made, *inside)}
    return {**results, **inner}


def _scan_inputs(scan: Any) -> int:
    return int(next(a.i for a in scan.attribute if a.name == "num_scan_inputs"))


def _axes(path: Path, model: Any, lengths: tuple[int, int]) -> dict[str, Any]:
    """What Shape nodes say of the tokens' axes, and Concats of that, int64 (count,), by name."""
    import numpy as np

    known: dict[str, Any] = {}
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Shape":
            if list(node.input) != ["tokens"]:
                raise BundleError(f"{path}: takes the Shape of {node.input[0][:60]!r}")
            cut = {attribute.name: attribute.i for attribute in node.attribute}
            axes = lengths[cut.get("start", 0) : cut.get("end", 2)]
            known[node.output[0]] = np.array(axes, dtype=np.int64)
        elif node.op_type == "Concat" and known.keys() & set(node.input):
            parts = [
                known[name] if name in known else numbers_of(path, weights[name])
                for name in node.input
                if name in known or name in weights
            ]
            if len(parts) < len(node.input) or any(
                part.shape != part.shape[:1] or part.size > 8 for part in parts
            ):
                raise BundleError(f"{path}: a Shape goes where none is needed")
            known[node.output[0]] = np.concatenate(parts)
            if known[node.output[0]].size > 8:
                raise BundleError(f"{path}: a Shape of more than 8 axes")
    return known


def _work(path: Path, node: Any, sizes: Mapping[str, tuple[int, ...]], time: int) -> int:
    """Multiplications for one text, and the shapes of a recurrent operator's weights."""
    if node.op_type not in GATES:
        return work_of(node, dict(sizes))
    gates = GATES[node.op_type]
    attributes = {attribute.name: attribute.i for attribute in node.attribute}
    states = 2 if node.op_type == "LSTM" else 1
    x, hidden = sizes[node.input[0]], attributes.pop("hidden_size", 0)
    batch = x[1] if len(x) == 3 else 0
    wanted = [x, (1, gates * hidden, x[-1]), (1, gates * hidden, hidden), (1, 2 * gates * hidden)]
    found = [sizes.get(name) for name in node.input]
    if (
        attributes.keys() - {"linear_before_reset"}
        or found != [*wanted, None, *[(1, batch, hidden)] * states]
        or node.input[4]
        or x[0] > time
    ):
        raise BundleError(
            f"{path}: {node.op_type} with {found} and {attributes}; not as weights go"
        )
    return int(math.prod(x[:2]) * gates * hidden * (x[2] + hidden))
