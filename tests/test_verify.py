"""A stranger's graph: what could run for ever, fill the memory or leave the file is refused.

Each hostile graph is the tiny step with something added, its hashes and metadata in order, so that
only the structural check stands between it and onnxruntime. None of them may be opened or run.
"""

import tracemalloc
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from charmodels.runtime import BundleError, load_bundle
from charmodels.runtime.bundle import STEP, StateSpec, write_bundle
from charmodels.runtime.verify import MAX_NODES
from tests.tiny import lstm_graph, tiny_bundle, write_golden

node = helper.make_node


@pytest.fixture
def graph():
    """The tiny step, to spoil: 31 characters, two states of 16."""
    return lstm_graph(tiny_bundle())


def load(graph, folder, bundle=None):
    bundle = bundle or tiny_bundle()
    data = graph if isinstance(graph, bytes) else graph.SerializeToString()
    write_bundle(folder, bundle, {STEP: data}, 18)
    return load_bundle(folder)


def load_proven(graph, folder, bundle=None):
    """The same with the golden logits that the graph gives."""
    write_bundle(folder, bundle or tiny_bundle(), {STEP: graph.SerializeToString()}, 18)
    return load_bundle(write_golden(folder))


def refusal(graph, folder, monkeypatch, bundle=None):
    """The message with which it is refused, without memory filled or a session opened."""

    def opened(*_):
        raise AssertionError("onnxruntime was given the graph")

    monkeypatch.setattr("charmodels.runtime.model.open_session", opened)
    tracemalloc.start()
    try:
        with pytest.raises(BundleError) as caught:
            load(graph, folder, bundle)
        assert tracemalloc.get_traced_memory()[1] < 50 * 2**20
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 1000 + len(str(folder))
    return message


def add(graph, *nodes, **weights):
    graph.graph.node.extend(nodes)
    for name, value in weights.items():
        graph.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))


# --- what passes ---


def test_a_step_passes_and_writes(graph, tmp_path):
    assert load_proven(graph, tmp_path).generate(2)


def test_a_state_may_be_a_matrix_and_weights_may_be_small_integers(graph, tmp_path):
    """What later steps need: a matrix memory, int8 weights, float16 weights cast to float32."""
    bundle = replace(
        tiny_bundle(), states=(*tiny_bundle().states, StateSpec("n_0", (16, 16), "float32"))
    )
    spec = helper.make_tensor_value_info("n_0", TensorProto.FLOAT, ["batch", 16, 16])
    after = helper.make_tensor_value_info("next_n_0", TensorProto.FLOAT, ["batch", 16, 16])
    graph.graph.input.append(spec)
    graph.graph.output.append(after)
    add(
        graph,
        node("Unsqueeze", ["h_0", "last"], ["column"]),
        node("Unsqueeze", ["h_0", "first"], ["row"]),
        node("MatMul", ["column", "row"], ["outer"]),
        node("DequantizeLinear", ["small", "scale"], ["large"]),
        node("Cast", ["half"], ["whole"], to=TensorProto.FLOAT),
        node("MatMul", ["outer", "large"], ["turned"]),
        node("Add", ["turned", "whole"], ["next_n_0"]),
        last=np.array([2]),
        first=np.array([1]),
        small=np.ones((16, 16), np.int8),
        scale=np.float32(0.1),
        half=np.ones((16, 16), np.float16),
    )
    assert load_proven(graph, tmp_path, bundle).generate(1)


def test_integers_may_be_divided_by_a_positive_constant(graph, tmp_path):
    add(graph, node("Mod", ["token", "seven"], ["rest"]), seven=np.array(7))
    assert load_proven(graph, tmp_path).generate(1)


# --- operators ---


def scalar(name, elem_type=TensorProto.FLOAT, shape=()):
    return helper.make_tensor_value_info(name, elem_type, shape)


def loop():
    body = helper.make_graph(
        [node("Identity", ["go"], ["go_on"]), node("Identity", ["x"], ["y"])],
        "body",
        [scalar("i", TensorProto.INT64), scalar("go", TensorProto.BOOL), scalar("x")],
        [scalar("go_on", TensorProto.BOOL), scalar("y")],
    )
    return node("Loop", ["", "", "seven"], ["z"], body=body)


def branch():
    inner = helper.make_graph([node("Identity", ["h_0"], ["x"])], "inner", [], [scalar("x")])
    return node("If", ["yes"], ["z"], then_branch=inner, else_branch=inner)


def scan():
    body = helper.make_graph([node("Identity", ["a"], ["b"])], "b", [scalar("a")], [scalar("b")])
    return node("Scan", ["h_0"], ["z"], body=body, num_scan_inputs=1)


def hidden_subgraph():
    inner = helper.make_graph([node("Identity", ["h_0"], ["x"])], "inner", [], [scalar("x")])
    return node("Identity", ["h_0"], ["z"], anything=inner)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (loop(), "operator 'Loop' is not allowed"),
        (branch(), "operator 'If' is not allowed"),
        (scan(), "operator 'Scan' is not allowed"),
        (hidden_subgraph(), "holds a subgraph"),
        (node("ConstantOfShape", ["shape"], ["z"]), "operator 'ConstantOfShape' is not allowed"),
        (node("Expand", ["h_0", "shape"], ["z"]), "operator 'Expand' is not allowed"),
        (node("Tile", ["h_0", "shape"], ["z"]), "operator 'Tile' is not allowed"),
        (node("Range", ["seven", "seven", "seven"], ["z"]), "operator 'Range' is not allowed"),
        (node("Pad", ["h_0", "shape"], ["z"]), "operator 'Pad' is not allowed"),
        (node("Resize", ["h_0", "", "shape"], ["z"]), "operator 'Resize' is not allowed"),
        (node("OneHot", ["token", "seven", "shape"], ["z"]), "operator 'OneHot' is not allowed"),
        (node("RandomNormal", [], ["z"], shape=[2**40]), "operator 'RandomNormal' is not allowed"),
        (node("Einsum", ["h_0"], ["z"], equation="ij->ijij"), "operator 'Einsum' is not allowed"),
        (node("Tanh", ["h_0"], ["z"], domain="com.microsoft"), "'com.microsoft.Tanh' is not"),
        (node("Constant", [], ["z"], value_strings=["a"] * 9), "attribute of a type not allowed"),
    ],
    ids=lambda value: value.op_type if isinstance(value, onnx.NodeProto) else "",
)
def test_an_operator_a_step_does_not_need_is_refused(graph, tmp_path, monkeypatch, bad, reason):
    add(graph, bad, shape=np.array([2**20, 2**20]), seven=np.float32(7), yes=np.array(True))
    assert reason in refusal(graph, tmp_path, monkeypatch)


def test_functions_are_refused(graph, tmp_path, monkeypatch):
    opsets = [helper.make_opsetid("", 18)]
    function = helper.make_function("mine", "F", ["x"], ["y"], [node("Tanh", ["x"], ["y"])], opsets)
    graph.functions.append(function)
    assert "functions" in refusal(graph, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("opsets", "reason"),
    [
        ([("", 18), ("com.microsoft", 1)], "expected the standard one alone"),
        ([("", 18), ("", 24)], "expected the standard one alone"),
        ([("ai.onnx", 18)], "expected the standard one alone"),
        ([], "expected the standard one alone"),
        ([("", 17)], "opset 17; expected 18 to"),
        ([("", 2**40)], "expected 18 to"),
    ],
    ids=str,
)
def test_other_operator_sets_are_refused(graph, tmp_path, monkeypatch, opsets, reason):
    del graph.opset_import[:]
    graph.opset_import.extend(helper.make_opsetid(*each) for each in opsets)
    assert reason in refusal(graph, tmp_path, monkeypatch)


def test_too_many_nodes_are_refused(graph, tmp_path, monkeypatch):
    add(graph, *(node("Tanh", ["h_0"], [f"t{n}"]) for n in range(MAX_NODES)))
    assert f"expected at most {MAX_NODES}" in refusal(graph, tmp_path, monkeypatch)


# --- tensors ---


def outside(name="x"):
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[2])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return tensor


def empty(*dims, data_type=TensorProto.FLOAT):
    return TensorProto(name="x", data_type=data_type, dims=dims)


@pytest.mark.parametrize("where", ["initializer", "attribute"])
@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        (outside(), "lies outside the file"),
        (empty(2**20, 2**20), "does not fill its shape"),
        (empty(2**40, 2**40), "does not fill its shape"),
        (empty(-1, -1), "does not fill its shape"),
        (empty(3, data_type=TensorProto.STRING), "element type 8 is not allowed"),
        (empty(3, data_type=99), "element type 99 is not allowed"),
    ],
    ids=["external", "huge", "overflowing", "negative", "strings", "unknown type"],
)
def test_a_tensor_that_is_not_all_there_is_refused(
    graph, tmp_path, monkeypatch, where, tensor, reason
):
    if where == "initializer":
        graph.graph.initializer.append(tensor)
    else:
        add(graph, node("Constant", [], ["z"], value=tensor))
    assert reason in refusal(graph, tmp_path, monkeypatch)


def in_segments():
    tensor = numpy_helper.from_array(np.ones(3, np.float32), "x")
    tensor.segment.end = 3
    return tensor


def in_lists(data_type, **lists):
    return TensorProto(name="x", data_type=data_type, dims=[2], **lists)


@pytest.mark.parametrize("where", ["initializer", "attribute"])
@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        (in_segments(), "is a part of another"),
        (in_lists(TensorProto.FLOAT, int64_data=[1, 2]), "does not fill its shape"),
        (in_lists(TensorProto.INT64, int32_data=[1, 2]), "does not fill its shape"),
        (in_lists(TensorProto.FLOAT, float_data=[1], int32_data=[2]), "does not fill its shape"),
        (in_lists(TensorProto.FLOAT, raw_data=bytes(8), float_data=[1]), "does not fill its shape"),
    ],
    ids=["segments", "int64 for float", "int32 for int64", "two lists", "twice"],
)
def test_numbers_in_another_place_than_their_own_are_refused(
    graph, tmp_path, monkeypatch, where, tensor, reason
):
    """onnx raises plain errors over them, of several types."""
    if where == "initializer":
        graph.graph.initializer.append(tensor)
    else:
        add(graph, node("Constant", [], ["z"], value=tensor))
    assert reason in refusal(graph, tmp_path, monkeypatch)


def test_numbers_in_the_list_of_their_type_pass(graph, tmp_path):
    four = helper.make_tensor("four", TensorProto.FLOAT, [4], [1.0, 2.0, 3.0, 4.0])
    half = helper.make_tensor("half", TensorProto.FLOAT16, [2], [1.0, 2.0])
    two = helper.make_tensor("two", TensorProto.INT64, [2], [1, 2])
    graph.graph.initializer.extend([four, half, two])
    assert load_proven(graph, tmp_path).generate(1)


def test_a_sparse_tensor_is_refused(graph, tmp_path, monkeypatch):
    sparse = graph.graph.sparse_initializer.add(dims=[2**40])
    sparse.values.CopyFrom(numpy_helper.from_array(np.ones(1, np.float32), "s"))
    assert "sparse" in refusal(graph, tmp_path, monkeypatch)


# --- inputs and outputs ---


def rename_state(graph):
    graph.graph.input[1].name = "hidden"


def swap_outputs(graph):
    first, second = graph.graph.output[1].name, graph.graph.output[2].name
    graph.graph.output[1].name, graph.graph.output[2].name = second, first


def change_type(graph):
    graph.graph.input[0].type.tensor_type.elem_type = TensorProto.INT32


def add_axis(graph):
    graph.graph.input[1].type.tensor_type.shape.dim.add(dim_value=1)


def freeze_batch(graph):
    graph.graph.input[1].type.tensor_type.shape.dim[0].dim_value = 1


def free_width(graph):
    graph.graph.input[1].type.tensor_type.shape.dim[1].dim_param = "width"


def other_width(graph):
    graph.graph.input[1].type.tensor_type.shape.dim[1].dim_value = 17


def drop_output(graph):
    del graph.graph.output[2]


def add_input(graph):
    graph.graph.input.append(scalar("more"))


def make_weight_of_token(graph):
    add(graph, token=np.zeros(1, np.int64))


def no_type(graph):
    graph.graph.input[1].ClearField("type")


@pytest.mark.parametrize(
    "spoil",
    [
        rename_state, swap_outputs, change_type, add_axis, freeze_batch, free_width, other_width,
        drop_output, add_input, make_weight_of_token, no_type,
    ],
)  # fmt: skip
def test_inputs_and_outputs_must_be_as_promised(graph, tmp_path, monkeypatch, spoil):
    spoil(graph)
    message = refusal(graph, tmp_path, monkeypatch)
    assert "inputs or outputs are" in message
    assert "bundle.json says" in message


def test_a_batch_frozen_inside_is_refused(graph, tmp_path, monkeypatch):
    """Inputs and outputs say batch, but a node in between only works for one text."""
    graph.graph.node[-1].input[0] = "flat"
    graph.graph.node.insert(
        len(graph.graph.node) - 1, node("Reshape", ["next_h_0", "one"], ["flat"])
    )
    add(graph, one=np.array([1, 16]))
    assert "logits comes out as (1, 31); expected (256, 31)" in refusal(
        graph, tmp_path, monkeypatch
    )


def test_an_output_of_another_shape_than_declared_is_refused(graph, tmp_path, monkeypatch):
    graph.graph.node[-1].output[0] = "narrow"
    add(graph, node("Slice", ["narrow", "zero", "five", "one"], ["logits"]))
    add(graph, zero=np.array([0]), five=np.array([5]), one=np.array([1]))
    message = refusal(graph, tmp_path, monkeypatch)
    assert "not a valid graph" in message or "comes out as" in message


# --- memory and work ---


def doubling(join):
    """A chain of nodes, each of which makes its value twice as large."""

    def chain():
        nodes, last = [], "h_0"
        for n in range(25):
            nodes.extend(join(last, n))
            last = nodes[-1].output[0]
        return nodes, {}

    return chain


def concat_with_copies(last, n):
    yield node("Identity", [last], [f"copy{n}"])
    yield node("Concat", [last, f"copy{n}"], [f"x{n}"], axis=1)


def concat_of_splits(last, n):
    yield node("Split", [last], [f"a{n}", f"b{n}"], axis=1, num_outputs=2)
    yield node("Concat", [f"a{n}", f"b{n}", last], [f"x{n}"], axis=1)


def broadcast(op_type, *inputs):
    """A column against a row: 17 million numbers from two small weights; and then a cube."""

    def make():
        weights = {
            "tall": np.ones((2**12, 1), np.float32),
            "wide": np.ones((1, 2**12), np.float32),
            "cube": np.ones((2**12, 1, 1), np.float32),
            "yes": np.ones((2**12, 1, 1), bool),
        }
        nodes = [node(op_type, inputs, ["square"]), node("Add", ["square", "cube"], ["all"])]
        return nodes, weights

    return make


def gather_of_gathers():
    """A thousand indices into a thousand indices, and again: 10^3, 10^6, 10^9 numbers."""
    nodes = [
        node("Gather", ["table", "indices"], ["twice"]),
        node("Gather", ["indices", "indices"], ["same"]),
        node("Unsqueeze", ["indices", "zero"], ["row"]),
        node("Add", ["row", "column"], ["square"]),
        node("Clip", ["square", "least", "most"], ["safe"]),
        node("Gather", ["table", "safe"], ["large"]),
    ]
    weights = {
        "indices": np.arange(1000) % 31,
        "column": np.arange(1000)[:, None] % 31,
        "zero": np.array([0]),
        "least": np.array(0),
        "most": np.array(30),
    }
    return nodes, weights


def texts_times_texts():
    """Every text against every other: the memory grows with the square of the batch."""
    nodes = [
        node("Unsqueeze", ["h_0", "zero"], ["row"]),
        node("Unsqueeze", ["h_0", "one"], ["column"]),
        node("Add", ["row", "column"], ["pairs"]),
        node("Unsqueeze", ["pairs", "zero"], ["x"]),
        node("Unsqueeze", ["pairs", "two"], ["y"]),
        node("Add", ["x", "y"], ["triples"]),
    ]
    return nodes, {"zero": np.array([0]), "one": np.array([1]), "two": np.array([2])}


def flattened_texts():
    """The batch hidden in another axis, then squared."""
    nodes = [
        node("Reshape", ["h_0", "row"], ["r"]),
        node("Reshape", ["h_0", "column"], ["c"]),
        node("MatMul", ["c", "r"], ["square"]),
        node("Unsqueeze", ["square", "zero"], ["x"]),
        node("Unsqueeze", ["r", "zero"], ["y"]),
        node("Concat", ["x", "y"], ["more"], axis=1),
    ]
    return nodes, {"row": np.array([1, -1]), "column": np.array([-1, 1]), "zero": np.array([0])}


def products():
    """Little memory, much work: a large matrix times itself, again and again."""
    nodes = [node("MatMul", [f"p{n}", f"p{n}"], [f"p{n + 1}"]) for n in range(3)]
    return nodes, {"p0": np.ones((512, 512), np.float32)}


def shape_from_data():
    """A shape that is known only once the graph runs."""
    nodes = [
        node("Unsqueeze", ["token", "zero"], ["t"]),
        node("Squeeze", ["t", "zero"], ["target"]),
        node("Reshape", ["table", "target"], ["x"]),
    ]
    return nodes, {"zero": np.array([0])}


def nothing_left():
    """A value of no numbers, which may become many once there are more texts."""
    nodes = [node("Slice", ["h_0", "many", "most", "zero"], ["x"])]
    return nodes, {"many": np.array([500]), "most": np.array([2**40]), "zero": np.array([0])}


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (doubling(lambda x, n: [node("Concat", [x, x], [f"x{n}"], axis=1)]), "would fill"),
        (doubling(concat_with_copies), "would fill"),
        (doubling(concat_of_splits), "would fill"),
        (broadcast("Add", "tall", "wide"), "would fill"),
        (broadcast("MatMul", "tall", "wide"), "would fill"),
        (broadcast("Where", "yes", "tall", "wide"), "would fill"),
        (gather_of_gathers, "would fill"),
        (texts_times_texts, "does not grow with the texts"),
        (flattened_texts, "does not grow with the texts"),
        (products, "would multiply"),
        (shape_from_data, "depends on its data"),
        (nothing_left, "depends on its data"),
    ],
    ids=[
        "Concat", "Concat of copies", "Concat of splits", "Add", "MatMul", "Where", "Gather",
        "texts by texts", "flattened texts", "work", "shape from data", "empty",
    ],
)  # fmt: skip
def test_a_graph_that_grows_is_refused(graph, tmp_path, monkeypatch, make, reason):
    nodes, weights = make()
    add(graph, *nodes, **weights)
    assert reason in refusal(graph, tmp_path, monkeypatch)


def test_weights_may_grow_only_so_far(graph, tmp_path, monkeypatch):
    half = numpy_helper.to_array(graph.graph.initializer[0]).astype(np.float16)
    add(graph, node("Cast", ["half"], ["x"], to=TensorProto.FLOAT), half=half)
    monkeypatch.setattr("charmodels.runtime.verify.MOST_GROWN", 2 * half.nbytes)
    load_proven(graph, tmp_path)
    monkeypatch.setattr("charmodels.runtime.verify.MOST_GROWN", 2 * half.nbytes - 1)
    assert "would fill" in refusal(graph, tmp_path, monkeypatch)


def test_shapes_the_file_claims_are_not_believed(graph, tmp_path, monkeypatch):
    """A value whose shape nothing gives is not taken from the file's own notes."""
    nodes, weights = shape_from_data()
    add(graph, *nodes, **weights)
    graph.graph.value_info.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 4]))
    assert "depends on its data" in refusal(graph, tmp_path, monkeypatch)


@pytest.mark.parametrize("op_type", ["Div", "Mod"])
@pytest.mark.parametrize("divisor", [0, -1, "token"])
def test_a_division_that_could_kill_the_process_is_refused(
    graph, tmp_path, monkeypatch, op_type, divisor
):
    """In onnxruntime the least int64 divided by -1 ends the whole page, not only the step."""
    if divisor == "token":
        add(graph, node(op_type, ["token", "token"], ["z"]))
    else:
        add(graph, node(op_type, ["token", "by"], ["z"]), by=np.array([divisor]))
    assert "divides integers by" in refusal(graph, tmp_path, monkeypatch)


@pytest.mark.parametrize("count", [0, 1, 3, 5, -1, 2**62])
def test_a_split_into_other_outputs_than_it_has_is_refused(graph, tmp_path, monkeypatch, count):
    """onnx's shape inference would write past its own list, and end the whole page."""
    split = next(each for each in graph.graph.node if each.op_type == "Split")
    split.attribute[-1].i = count
    assert split.attribute[-1].name == "num_outputs"
    assert "it has other outputs" in refusal(graph, tmp_path, monkeypatch)


# --- files ---


def test_a_message_does_not_repeat_megabytes(graph, tmp_path, monkeypatch):
    graph.graph.input[1].name = "h" * 10**6
    refusal(graph, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    "data",
    [b"\0", b"not a graph", b"\xff" * 1000, b"\x08\x09", b"PK\x03\x04" + b"\0" * 100],
    ids=["zero", "words", "ones", "nearly empty", "zip"],
)
def test_garbage_is_refused(tmp_path, monkeypatch, data):
    refusal(data, tmp_path, monkeypatch)


def test_an_axis_whose_name_is_no_text_is_refused(graph, tmp_path, monkeypatch):
    """Protocol buffers let it pass, onnxruntime's Python raises UnicodeDecodeError over it."""
    data = graph.SerializeToString()
    at = data.rindex(b"batch")
    assert "bundle.json says" in refusal(
        data[:at] + b"batc\xe1" + data[at + 5 :], tmp_path, monkeypatch
    )


def test_a_graph_cut_anywhere_is_refused(graph, tmp_path, monkeypatch):
    data = graph.SerializeToString()
    for end in range(1, len(data), len(data) // 40):
        refusal(data[:end], tmp_path, monkeypatch)


def test_deeply_nested_subgraphs_are_refused(tmp_path, monkeypatch):
    """Bytes by hand: a graph in an attribute in a node in a graph, and so on."""
    data = b""
    for field in [*[0x32, 0x2A, 0x0A] * 200, 0x3A]:
        size, length = len(data), b""
        while size > 127:
            length, size = length + bytes([size & 127 | 128]), size >> 7
        data = bytes([field]) + length + bytes([size]) + data
    assert "not an ONNX file" in refusal(data, tmp_path, monkeypatch)
