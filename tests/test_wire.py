"""A graph's bytes are counted before they are parsed: what would swell is refused, and soon."""

import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from charmodels.runtime import BundleError
from charmodels.runtime.wire import MAX_FIELDS, MAX_LOOSE_BYTES, check_wire
from tests.tiny import lstm_graph, tiny_bundle

HERE = Path("here.onnx")
SHIPPED = sorted((Path(__file__).parent.parent / "demo" / "bundles").glob("*/*.onnx"))


@pytest.fixture
def graph() -> onnx.ModelProto:
    return lstm_graph(tiny_bundle())


def refusal(data: bytes) -> str:
    with pytest.raises(BundleError) as caught:
        check_wire(HERE, data)
    return str(caught.value)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parent.name)
def test_what_ships_passes(path: Path) -> None:
    check_wire(path, path.read_bytes())


def test_raw_data_of_any_size_takes_no_time(graph: onnx.ModelProto) -> None:
    values = np.zeros(2**22, np.float32)
    for number in range(4):
        graph.graph.initializer.append(numpy_helper.from_array(values, f"w{number}"))
    data = graph.SerializeToString()
    start = time.perf_counter()
    check_wire(HERE, data)
    assert time.perf_counter() - start < 0.5  # a walk over 64 MB takes ten seconds


def test_fields_are_counted_wherever_they_are(graph: onnx.ModelProto) -> None:
    helper.set_model_props(graph, {"a" * n: "" for n in range(10)})
    for _ in range(MAX_FIELDS // 2):
        graph.graph.node[0].attribute.add()
    check_wire(HERE, graph.SerializeToString())
    graph.graph.node[1].input.extend([""] * (MAX_FIELDS // 2))
    assert f"more than {MAX_FIELDS:,} fields" in refusal(graph.SerializeToString())


@pytest.mark.parametrize(
    "what", ["float_data", "int64_data", "int32_data", "dims", "ints", "floats"]
)
def test_loose_numbers_are_counted_wherever_they_are(graph: onnx.ModelProto, what: str) -> None:
    """Every list of numbers that protocol buffers pack, in a tensor or an attribute."""
    size = 4 if what in ("float_data", "floats") else 1  # bytes of a zero
    if what in ("ints", "floats"):
        holder = graph.graph.node[0].attribute.add()
    else:
        holder = graph.graph.initializer.add(data_type=TensorProto.FLOAT)
    numbers = getattr(holder, what)
    if what in ("dims", "ints", "floats"):  # one tag each in what onnx writes
        numbers.extend([0] * MAX_FIELDS)
        assert "fields" in refusal(graph.SerializeToString())
        return
    numbers.extend([0] * (MAX_LOOSE_BYTES // size))
    check_wire(HERE, graph.SerializeToString())
    numbers.append(0)
    assert "of numbers outside of raw_data" in refusal(graph.SerializeToString())


def packed(*fields: int) -> bytes:
    """2 MB of zeros as the innermost of messages, by the numbers of their fields."""
    data = bytes(2 * 2**20)
    for field in reversed(fields):
        size, length = len(data), b""
        while size > 127:
            length, size = length + bytes([size & 127 | 128]), size >> 7
        data = bytes([field << 3 | 2]) + length + bytes([size]) + data
    return data


def test_numbers_that_are_packed_where_onnx_does_not_are_counted() -> None:
    """Readers take either form: the dims of a weight, graph 7, initializer 5, dims 1."""
    assert "of numbers outside of raw_data" in refusal(packed(7, 5, 1))
    assert "of numbers outside of raw_data" in refusal(packed(7, 1, 5, 8))  # ints of an attribute
    check_wire(HERE, packed(7, 5, 9))  # raw_data


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0", b"\x0b\x0c", b"\x0f", b"\x0a", b"\x0a\x05abc", b"\x08\x80", b"\x08" + b"\xff" * 20,
        b"\x92\x80\x80\x80\x10\0", b"\x0d\0\0", b"\x09\0", b"\x3a\x02\x0a\x01",
    ],
    ids=[
        "field 0", "group", "wire type 7", "no length", "cut text", "cut number", "endless number",
        "tag of 33 bits", "cut fixed32", "cut fixed64", "longer than its message",
    ],
)  # fmt: skip
def test_what_is_no_message_is_refused(data: bytes) -> None:
    assert "not an ONNX file" in refusal(data)


@given(data=st.binary(max_size=80))
def test_any_bytes_pass_or_are_refused_in_one_line(data: bytes) -> None:
    try:
        check_wire(HERE, data)
    except BundleError as error:
        assert "\n" not in str(error)  # noqa: PT017
