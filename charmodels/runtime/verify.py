"""The structural check of a bundle's graph: nothing a stranger wrote is run before it passes.

onnx's own checker accepts 75-byte files that allocate gigabytes, endless loops and doubling
chains. A step graph needs none of that, so only what it needs is allowed: a short list of
operators, a bounded number of nodes, no subgraphs, no functions, no external data; and the shape
of every value is worked out beforehand, so that a step's memory and work are known and bounded.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from charmodels.runtime.bundle import FP32, METADATA_KEY, Bundle
from charmodels.runtime.errors import BundleError
from charmodels.runtime.generation import ROWS_AT_ONCE
from charmodels.runtime.packed_products import DOMAIN, INT4, as_standard
from charmodels.runtime.wire import check_wire

STEP_OPERATORS = frozenset(
    """
    Abs Add And Cast Ceil Clip Concat Constant DequantizeLinear Div DynamicQuantizeLinear Equal
    Erf Exp Flatten Floor Gather GatherElements Gemm Greater GreaterOrEqual Identity
    LayerNormalization Less LessOrEqual Log LogSoftmax MatMul MatMulInteger Max Min Mod Mul Neg
    Not Or Pow QuantizeLinear Reciprocal ReduceMax ReduceMean ReduceSum Relu Reshape Sigmoid
    ScatterElements Sign Slice Softmax Softplus Split Sqrt Squeeze Sub Sum Tanh Transpose Unsqueeze
    Where
    """.split()
)
"""Standard operators a step may use: none of them loops."""

MAX_BYTES = 64 * 2**20
"""A stranger's graph is read whole before it can be checked: its bytes, and what they say."""

MAX_NODES = 2_000
OPSETS = range(18, 25)

BYTES_PER_TEXT = 4 * 2**20
"""All values that a step makes for one text, together: 65,535 logits sixteen times over."""

GROWTH = 8
"""Values made of the weights alone may be this many times the file: int4 weights as float32."""

MOST_GROWN = 128 * 2**20
"""And so many bytes at most: the largest file that is checked, its weights stored as float16."""

GOLDEN_WORK = 2**30
"""Multiplications, and numbers made besides, until the golden logits are known: a second's."""

_KEPT = 1024
"""Shape inference sees the numbers of weights up to this size: all axes and target shapes are."""

_FLOATS = (1, 10)  # float32 and float16, as onnx numbers them

_OWN_FIELD = {1: "float_data", 7: "int64_data"}
"""Where a tensor without raw_data keeps its float32 or int64 numbers; other types: int32_data."""

_LISTS = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data")

Shape = tuple[int, ...]

Values = Mapping[str, tuple[int, Shape]]
"""Element type, as onnx numbers them, and shape of values by their names."""


def verify_graph(path: Path, bundle: Bundle, variant: str = FP32) -> None:
    """Check one step graph of a bundle, by its variant, without running it.

    Raises:
        BundleError: naming the first thing that a step graph must not hold.
    """
    import onnx

    model = read_graph(path)
    check_opsets(path, model, {DOMAIN} if variant == INT4 else ())
    plain = as_standard(path, model) if variant == INT4 else model
    check_nodes(path, plain.graph.node)
    for tensor in model.graph.initializer:
        check_tensor(path, tensor)
        check_numbers(path, tensor)
    _check_signature(path, model.graph, bundle)
    try:
        onnx.checker.check_model(without_weights(model), full_check=True)
    except Exception as error:  # checker and shape inference raise several types
        raise BundleError(f"{path}: not a valid graph: {_reason(error)}") from error
    _check_sizes(path, plain, bundle)


def read_metadata(path: Path) -> str:
    """The bundle's facts that a lone graph carries, as JSON, read without opening a session.

    Raises:
        BundleError: the file is no graph, or was not made by `python -m export`.
    """
    for entry in read_graph(path).metadata_props:
        if entry.key == METADATA_KEY:
            return str(entry.value)
    raise BundleError(f"{path}: carries no charmodels metadata; load the bundle's folder")


def read_graph(path: Path) -> Any:
    """The file as onnx reads it, and nothing it names besides."""
    import onnx  # here, because a page that serves only its own bundles never needs it

    if path.stat().st_size > MAX_BYTES:
        raise BundleError(
            f"{path}: larger than {MAX_BYTES:,} bytes, the most that is checked; "
            "if it is your own, load_bundle(..., trusted=True)"
        )
    data = path.read_bytes()
    check_wire(path, data)
    try:
        return onnx.load_model_from_string(data)
    except Exception as error:  # protobuf raises its own DecodeError
        raise BundleError(f"{path}: not an ONNX file ({_reason(error)})") from error


def check_opsets(path: Path, model: Any, more: Collection[str] = ()) -> None:
    """The standard operators, of an opset we know; nothing else in the model.

    Operators of the domains in `more` may be there, for another check to look at.
    """
    if model.functions or model.graph.sparse_initializer or model.training_info:
        raise BundleError(f"{path}: holds functions, sparse tensors or training code")
    found = [(entry.domain, entry.version) for entry in model.opset_import]
    opsets = [(domain, version) for domain, version in found if domain not in more]
    if [domain for domain, _ in opsets] != [""]:
        raise BundleError(f"{path}: uses operator sets {found}; expected the standard one alone")
    if opsets[0][1] not in OPSETS:
        raise BundleError(f"{path}: opset {opsets[0][1]}; expected {OPSETS[0]} to {OPSETS[-1]}")


def check_nodes(path: Path, nodes: Sequence[Any], allowed: frozenset[str] = STEP_OPERATORS) -> None:
    """A bounded number of allowed operators, with plain attributes."""
    from onnx import AttributeProto

    plain = (AttributeProto.INT, AttributeProto.INTS, AttributeProto.FLOAT, AttributeProto.FLOATS)
    if len(nodes) > MAX_NODES:
        raise BundleError(f"{path}: {len(nodes)} nodes; expected at most {MAX_NODES}")
    for node in nodes:
        if node.domain not in ("", "ai.onnx") or node.op_type not in allowed:
            operator = f"{node.domain}.{node.op_type}".lstrip(".")[:60]
            raise BundleError(f"{path}: operator {operator!r} is not allowed in a step")
        for attribute in node.attribute:
            if attribute.name == "num_outputs" and attribute.i != len(node.output):
                # onnx's shape inference believes it, and ends the process.
                raise BundleError(
                    f"{path}: {node.op_type} into {attribute.i}; it has other outputs"
                )
            if attribute.HasField("g") or attribute.graphs:
                raise BundleError(f"{path}: {node.op_type} holds a subgraph")
            if attribute.type == AttributeProto.TENSOR:
                check_tensor(path, attribute.t)
                check_numbers(path, attribute.t)
            elif attribute.type not in (*plain, AttributeProto.STRING):
                raise BundleError(f"{path}: {node.op_type} has an attribute of a type not allowed")


def check_tensor(path: Path, tensor: Any) -> None:
    """Its numbers must be in the file, all of them, in one place, and of a type a step needs."""
    import onnx

    if tensor.HasField("segment"):
        raise BundleError(f"{path}: tensor {tensor.name[:60]!r} is a part of another")
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise BundleError(f"{path}: tensor {tensor.name[:60]!r} lies outside the file")
    size = element_bytes(path, tensor.data_type)
    count = math.prod(tensor.dims)
    own = _OWN_FIELD.get(tensor.data_type, "int32_data")
    lists = {name: len(getattr(tensor, name)) for name in _LISTS}
    if tensor.HasField("raw_data"):
        is_whole = len(tensor.raw_data) == count * size and not any(lists.values())
    else:
        is_whole = lists[own] == count == sum(lists.values())
    if not is_whole or any(n < 0 for n in tensor.dims):
        shape = list(tensor.dims)[:8]
        raise BundleError(f"{path}: tensor {tensor.name[:60]!r} does not fill its shape {shape}")


def element_bytes(path: Path, data_type: int) -> int:
    """Bytes of one number of a type that a graph may hold."""
    import onnx

    types = onnx.TensorProto
    sizes: dict[int, int] = {types.FLOAT: 4, types.FLOAT16: 2, types.INT64: 8, types.INT32: 4}
    sizes |= {types.INT8: 1, types.UINT8: 1, types.UINT16: 2, types.BOOL: 1}
    if data_type not in sizes:
        raise BundleError(f"{path}: element type {data_type} is not allowed in a step")
    return sizes[data_type]


def check_numbers(path: Path, tensor: Any) -> None:
    """Its floats must be numbers: one nan makes every character after it nan."""
    if tensor.data_type in _FLOATS and math.prod(tensor.dims):
        values = numbers_of(path, tensor)
        if not (math.isfinite(values.min()) and math.isfinite(values.max())):  # nan wins both
            raise BundleError(f"{path}: tensor {tensor.name[:60]!r} holds nan or infinity")


def numbers_of(path: Path, tensor: Any) -> Any:
    """A checked tensor as an array.

    Raises:
        BundleError: a number is not of the tensor's type.
    """
    from onnx import numpy_helper

    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, OverflowError, TypeError) as error:
        said = f"{path}: tensor {tensor.name[:60]!r} cannot be read: {_reason(error)}"
        raise BundleError(said) from error


def _check_signature(path: Path, graph: Any, bundle: Bundle) -> None:
    """Names, element types and shapes of every input and output, in order; batch is symbolic."""
    states = [(state.name, state.dtype, ("batch", *state.shape)) for state in bundle.states]
    initial = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in initial]
    check_values(path, inputs, [("token", "int64", ("batch",)), *states])
    after = [(f"next_{name}", dtype, shape) for name, dtype, shape in states]
    logits = ("logits", "float32", ("batch", len(bundle.vocabulary)))
    check_values(path, graph.output, [logits, *after])


def check_values(
    path: Path, values: Iterable[Any], expected: list[tuple[str, str, tuple[Any, ...]]]
) -> None:
    """Names, element types and shapes in order; any symbolic axis is "batch"."""
    dtypes = {1: "float32", 7: "int64"}
    found = []
    for value in values:
        tensor = value.type.tensor_type
        # A name that is no text comes as bytes, and onnxruntime would stumble over it.
        named = [isinstance(dim.dim_param, str) and dim.dim_param for dim in tensor.shape.dim]
        axes = zip(tensor.shape.dim, named, strict=True)
        sizes = [dim.dim_value or ("batch" if name else 0) for dim, name in axes]
        found.append((value.name, dtypes.get(tensor.elem_type), tuple(sizes)))
    if found != expected:
        said = f"inputs or outputs are {str(found)[:400]}; bundle.json says {str(expected)[:400]}"
        raise BundleError(f"{path}: {said}")


def _check_sizes(path: Path, model: Any, bundle: Bundle) -> None:
    """Work out every shape for one text and for many, and bound a step's memory and work."""
    one, many = (_infer(path, model, batch) for batch in (1, ROWS_AT_ONCE))
    of_weights, of_text = count_bytes(path, one, many)
    file_bytes = path.stat().st_size
    check_growth(path, of_weights)
    if of_text > BYTES_PER_TEXT:
        raise BundleError(f"{path}: a step would fill {of_text:,} bytes for one text")
    sizes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    sizes |= {name: shape for name, (_, shape) in one.items()}
    work = sum(work_of(node, sizes) for node in model.graph.node)
    if work > GROWTH * file_bytes + BYTES_PER_TEXT:
        raise BundleError(f"{path}: a step would multiply {work:,} numbers for one text")
    check_golden_work(path, bundle, golden_steps(bundle) * (work + (of_weights + of_text) // 4))
    check_promises(path, bundle, many)
    check_divisors(path, model.graph.node, model.graph.initializer, one)


def check_growth(path: Path, of_weights: int) -> None:
    """Bound the bytes that are made of the weights alone."""
    size = path.stat().st_size
    if of_weights > min(GROWTH * size, MOST_GROWN):
        raise BundleError(f"{path}: {size:,} bytes that would fill {of_weights:,}")


def golden_steps(bundle: Bundle) -> int:
    """Characters that are fed before a bundle is believed."""
    return len(bundle.golden.tokens) if bundle.golden else 0


def check_golden_work(path: Path, bundle: Bundle, work: int) -> None:
    """All that is run before a bundle is refused for other logits than its golden ones."""
    if work > GOLDEN_WORK:
        raise BundleError(
            f"{path}: its {golden_steps(bundle)} golden tokens would take {work:,} operations; "
            f"expected at most {GOLDEN_WORK:,}"
        )


def count_bytes(path: Path, one: Values, many: Values) -> tuple[int, int]:
    """Bytes of the values that weights alone make, and of those that grow with the texts, for one.

    A value either belongs to the weights and keeps its size, or to the texts and grows with them.

    Args:
        path: of the graph, for the error.
        one: element type and shape of every value for one text.
        many: the same for ROWS_AT_ONCE.

    Raises:
        BundleError: a value does neither.
    """
    of_weights = of_text = 0  # bytes
    for name, (elem_type, shape) in one.items():
        size, grown = math.prod(shape), math.prod(many[name][1])
        if grown == size:
            of_weights += size * element_bytes(path, elem_type)
        elif grown == size * ROWS_AT_ONCE:
            of_text += size * element_bytes(path, elem_type)
        else:
            shapes = f"{shape} for one text, {many[name][1]} for {ROWS_AT_ONCE}"
            raise BundleError(f"{path}: {name[:60]!r} does not grow with the texts: {shapes}")
    return of_weights, of_text


def check_promises(path: Path, bundle: Bundle, many: Values) -> None:
    """The logits and next states come out, for ROWS_AT_ONCE texts, as bundle.json says.

    Raises:
        BundleError: naming the first that does not.
    """
    promised: dict[str, Shape] = {"logits": (ROWS_AT_ONCE, len(bundle.vocabulary))}
    promised |= {f"next_{state.name}": (ROWS_AT_ONCE, *state.shape) for state in bundle.states}
    for name, shape in promised.items():
        if many[name][1] != shape:
            raise BundleError(f"{path}: {name} comes out as {many[name][1]}; expected {shape}")


def without_weights(model: Any) -> Any:
    """A copy whose large weights are inputs: the checker copies a model twice."""
    import onnx

    bare = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    bare.graph.name = model.graph.name
    bare.graph.node.extend(model.graph.node)
    bare.graph.input.extend(model.graph.input)
    bare.graph.output.extend(model.graph.output)
    bare.graph.value_info.extend(model.graph.value_info)
    for tensor in model.graph.initializer:
        if math.prod(tensor.dims) <= _KEPT:
            bare.graph.initializer.append(tensor)
        elif all(value.name != tensor.name for value in model.graph.input):
            info = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            bare.graph.input.append(info)
    return bare


def _infer(path: Path, model: Any, batch: int) -> Values:
    """Element type and shape of every value but the weights, for so many texts."""
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = {}
    for value in model.graph.input:
        if value.name not in weights:
            tensor = value.type.tensor_type
            rest = tuple(dim.dim_value for dim in tensor.shape.dim)[1:]
            inputs[value.name] = (tensor.elem_type, (batch, *rest))
    outputs = [value.name for value in model.graph.output]
    return infer(path, model, model.graph.node, model.graph.initializer, inputs, outputs)


def infer(
    path: Path,
    model: Any,
    nodes: Sequence[Any],
    initializer: Sequence[Any],
    given: Values,
    outputs: Sequence[str],
) -> Values:
    """Element type and shape of what nodes make and are given; the file's own notes are not used.

    Raises:
        BundleError: the nodes do not fit together, or a shape depends on data.
    """
    import onnx

    small = [tensor for tensor in initializer if math.prod(tensor.dims) <= _KEPT]
    large = [tensor for tensor in initializer if math.prod(tensor.dims) > _KEPT]
    make = onnx.helper.make_tensor_value_info
    inputs = [make(name, kind, shape) for name, (kind, shape) in given.items()]
    stand_ins = [make(tensor.name, tensor.data_type, tensor.dims) for tensor in large]
    graph = onnx.helper.make_graph(
        nodes,
        "graph",
        [*inputs, *stand_ins],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        initializer=small,
    )
    bare = onnx.helper.make_model(
        graph, opset_imports=model.opset_import, ir_version=model.ir_version
    )
    try:
        # Without data_prop: it would follow a doubling chain of shapes itself.
        inferred = onnx.shape_inference.infer_shapes(bare, check_type=True, strict_mode=True)
    except Exception as error:
        sizes = {name: shape for name, (_, shape) in list(given.items())[:1]}
        raise BundleError(f"{path}: does not work for {sizes}: {_reason(error)}") from error
    found = [*inputs, *inferred.graph.value_info, *inferred.graph.output]
    tensors = {value.name: value.type.tensor_type for value in found}
    for name in {name for node in nodes for name in node.output if name}:
        if name not in tensors or not _is_known(tensors[name]):
            raise BundleError(f"{path}: the shape of {name[:60]!r} depends on its data")
    return {
        name: (tensor.elem_type, tuple(dim.dim_value for dim in tensor.shape.dim))
        for name, tensor in tensors.items()
    }


def _is_known(tensor: Any) -> bool:
    dims = tensor.shape.dim
    return tensor.HasField("shape") and all(
        d.HasField("dim_value") and d.dim_value > 0 for d in dims
    )


def work_of(node: Any, sizes: dict[str, Shape]) -> int:
    """Multiplications of a matrix product; other operators touch each number once or twice."""
    if node.op_type not in ("MatMul", "MatMulInteger", "Gemm"):
        return 0
    left = sizes[node.input[0]]
    is_transposed = any(a.name == "transA" and a.i for a in node.attribute)
    return math.prod(sizes[node.output[0]]) * left[0 if is_transposed else -1]


def check_divisors(
    path: Path, nodes: Sequence[Any], weights: Iterable[Any], values: Values
) -> None:
    """Integers are divided by positive constants only: the least int64 by -1 kills the process."""
    constants = {tensor.name: tensor for tensor in weights}
    for node in nodes:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
    for node in nodes:
        if node.op_type not in ("Div", "Mod") or values[node.output[0]][0] in _FLOATS:
            continue
        by = node.input[1]
        if by not in constants or not (numbers_of(path, constants[by]) > 0).all():
            raise BundleError(f"{path}: divides integers by {by[:60]!r}, no positive constant")


def _reason(error: Exception) -> str:
    """The first line of what a library says, for a message of one line."""
    return (str(error).split("\n")[0] or type(error).__name__)[:200]
