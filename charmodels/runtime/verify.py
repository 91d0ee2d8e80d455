"""The structural check of a bundle's graph: nothing a stranger wrote is run before it passes.

onnx's own checker accepts 75-byte files that allocate gigabytes, endless loops and doubling
chains. A step graph needs none of that, so only what it needs is allowed: a short list of
operators, a bounded number of nodes, no subgraphs, no functions, no external data.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from charmodels.runtime.bundle import MAX_GRAPH_BYTES, METADATA_KEY, Bundle
from charmodels.runtime.errors import BundleError

STEP_OPERATORS = frozenset(
    """
    Abs Add And Cast Ceil Clip Concat Constant DequantizeLinear Div DynamicQuantizeLinear Equal
    Erf Exp Flatten Floor Gather GatherElements Gemm Greater GreaterOrEqual Identity
    LayerNormalization Less LessOrEqual Log LogSoftmax MatMul MatMulInteger Max Min Mod Mul Neg
    Not Or Pow QuantizeLinear Reciprocal ReduceMax ReduceMean ReduceSum Relu Reshape Sigmoid
    Sign Slice Softmax Softplus Split Sqrt Squeeze Sub Sum Tanh Transpose Unsqueeze Where
    """.split()
)
"""Standard operators a step may use: none repeats, expands or allocates by a number in the file."""

MAX_NODES = 2_000
OPSETS = range(18, 25)


def verify_graph(path: Path, bundle: Bundle) -> None:
    """Check one step graph against its bundle, without running it.

    Raises:
        BundleError: naming the first thing that a step graph must not hold.
    """
    import onnx

    model = _read(path)
    _check_opsets(path, model)
    _check_nodes(path, model.graph.node)
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise BundleError(f"{path}: tensor {tensor.name} lies outside the file")
    _check_signature(path, model.graph, bundle)
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # checker and shape inference raise several types
        reason = str(error).splitlines()[0][:200]
        raise BundleError(f"{path}: not a valid graph: {reason}") from error


def read_metadata(path: Path) -> str:
    """The bundle's facts that a lone graph carries, as JSON, read without opening a session.

    Raises:
        BundleError: the file is no graph, or was not made by `python -m export`.
    """
    for entry in _read(path).metadata_props:
        if entry.key == METADATA_KEY:
            return str(entry.value)
    raise BundleError(f"{path}: carries no charmodels metadata; load the bundle's folder")


def _read(path: Path) -> Any:
    import onnx  # here, because a page that serves only its own bundles never needs it

    if path.stat().st_size > MAX_GRAPH_BYTES:
        raise BundleError(f"{path}: larger than {MAX_GRAPH_BYTES:,} bytes")
    try:
        return onnx.load(str(path), load_external_data=False)
    except Exception as error:  # protobuf raises its own DecodeError
        raise BundleError(f"{path}: not an ONNX file ({error})") from error


def _check_opsets(path: Path, model: Any) -> None:
    if model.functions or model.graph.sparse_initializer or model.training_info:
        raise BundleError(f"{path}: holds functions, sparse tensors or training code")
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    if set(opsets) - {""}:
        raise BundleError(f"{path}: uses operators of {sorted(set(opsets) - {''})}")
    if opsets.get("") not in OPSETS:
        raise BundleError(f"{path}: opset {opsets.get('')}; expected {OPSETS[0]} to {OPSETS[-1]}")


def _check_nodes(path: Path, nodes: Iterable[Any]) -> None:
    nodes = list(nodes)
    if len(nodes) > MAX_NODES:
        raise BundleError(f"{path}: {len(nodes)} nodes; expected at most {MAX_NODES}")
    for node in nodes:
        if node.domain not in ("", "ai.onnx") or node.op_type not in STEP_OPERATORS:
            raise BundleError(f"{path}: operator {node.domain}{node.op_type} is not allowed")
        for attribute in node.attribute:
            if attribute.HasField("g") or attribute.graphs:
                raise BundleError(f"{path}: {node.op_type} holds a subgraph")
            if attribute.t.external_data:
                raise BundleError(f"{path}: {node.op_type} reads a tensor outside the file")
    _check_concats(path, nodes)


def _check_concats(path: Path, nodes: list[Any]) -> None:
    """Refuse a tensor concatenated with itself: a chain of those doubles the memory each time."""
    for node in nodes:
        if node.op_type == "Concat" and len(set(node.input)) < len(node.input):
            raise BundleError(f"{path}: Concat repeats an input")


def _check_signature(path: Path, graph: Any, bundle: Bundle) -> None:
    """Names, element types and ranks of every input and output, in order."""
    states = [(state.name, state.dtype, len(state.shape) + 1) for state in bundle.states]
    initial = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in initial]
    _check_values(path, inputs, [("token", "int64", 1), *states])
    after = [(f"next_{name}", dtype, rank) for name, dtype, rank in states]
    _check_values(path, graph.output, [("logits", "float32", 2), *after])


def _check_values(path: Path, values: Iterable[Any], expected: list[tuple[str, str, int]]) -> None:
    dtypes = {1: "float32", 7: "int64"}
    found = [
        (v.name, dtypes.get(v.type.tensor_type.elem_type), len(v.type.tensor_type.shape.dim))
        for v in values
    ]
    if found != expected:
        raise BundleError(f"{path}: inputs or outputs are {found}; bundle.json says {expected}")
