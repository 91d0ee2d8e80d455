"""Bundles that mean harm, and a process that opens them and says what it cost.

    python -m tests.hostile PATH ...      a line of JSON each: what was said, seconds, megabytes

Each is opened in a child of its own, forked from a process that has imported the runtime and onnx
as a page has; the megabytes are that process's and what the child took beside.
"""

import json
import os
import resource
import stat
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import psutil
from onnx import TensorProto, helper, numpy_helper

from charmodels.runtime.bundle import (
    MAX_GOLDEN,
    MAX_JSON_BYTES,
    METADATA_KEY,
    STEP,
    read_bundle,
    write_bundle,
)
from tests.tiny import write_tiny

SECONDS, MEGABYTES = 1.0, 200.0
"""A hostile bundle must be refused within these."""

node = helper.make_node


def _graph(spoil: Callable[[onnx.ModelProto], None]) -> Callable[[Path], Path]:
    """The tiny bundle with its graph spoilt and every hash in order."""

    def make(folder: Path) -> Path:
        bundle = read_bundle(write_tiny(folder, "names"))
        graph = onnx.load(str(folder / STEP))
        spoil(graph)
        write_bundle(folder, bundle, {STEP: graph.SerializeToString()}, 18)
        return folder

    return make


def _bytes(change: Callable[[bytes], bytes]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        bundle = read_bundle(write_tiny(folder, "names"))
        data = change((folder / STEP).read_bytes())
        write_bundle(folder, bundle, {STEP: data}, 18)
        return folder

    return make


def _json(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], Path]:
    """The tiny bundle with its facts changed, or replaced by a text."""

    def make(folder: Path) -> Path:
        path = write_tiny(folder, "names") / "bundle.json"
        facts = json.loads(path.read_text(encoding="utf-8"))
        changed = change(facts)
        text = changed if isinstance(changed, str) else json.dumps(facts)
        path.write_text(text, encoding="utf-8")
        return folder

    return make


def _zip(pack: Callable[[zipfile.ZipFile, Path], None]) -> Callable[[Path], Path]:
    """An archive of the tiny bundle with something else in it."""

    def make(folder: Path) -> Path:
        plain = write_tiny(folder / "plain", "names")
        with zipfile.ZipFile(folder / "bundle.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(plain.iterdir()):
                archive.write(path, path.name)
            pack(archive, plain)
        return folder / "bundle.zip"

    return make


def _add(graph: onnx.ModelProto, *nodes: onnx.NodeProto, **weights: Any) -> None:
    graph.graph.node.extend(nodes)
    for name, value in weights.items():
        graph.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))


def _constant_of_shape(graph: onnx.ModelProto) -> None:
    _add(graph, node("ConstantOfShape", ["size"], ["huge"]), size=np.array([2**31]))


def _endless_loop(graph: onnx.ModelProto) -> None:
    flag = helper.make_tensor_value_info("go", TensorProto.BOOL, [])
    count = helper.make_tensor_value_info("i", TensorProto.INT64, [])
    on = helper.make_tensor_value_info("on", TensorProto.BOOL, [])
    body = helper.make_graph([node("Identity", ["go"], ["on"])], "body", [count, flag], [on])
    _add(graph, node("Loop", ["", ""], [], body=body))


def _doubling_concat(graph: onnx.ModelProto) -> None:
    names = ["h_0", *(f"twice_{i}" for i in range(30))]
    for before, after in pairwise(names):
        _add(graph, node("Concat", [before, before], [after], axis=1))


def _lying_shape(graph: onnx.ModelProto) -> None:
    next(t for t in graph.graph.initializer if t.name == "table").dims[0] = 2**40


def _lying_output(graph: onnx.ModelProto) -> None:
    graph.graph.output[1].type.tensor_type.shape.dim[1].dim_value = 8


def _nan_weights(graph: onnx.ModelProto) -> None:
    tensor = next(t for t in graph.graph.initializer if t.name == "recurrent")
    values = numpy_helper.to_array(tensor).copy()
    values[3, 5] = np.nan
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def _swapped_states(graph: onnx.ModelProto) -> None:
    """Every name and shape is right, but h comes out where c should."""
    swap = {"next_h_0": "next_c_0", "next_c_0": "next_h_0"}
    for each in graph.graph.node:
        each.input[:] = [swap.get(name, name) for name in each.input]
        each.output[:] = [swap.get(name, name) for name in each.output]


def _past_the_table(graph: onnx.ModelProto) -> None:
    """Every check passes, and onnxruntime stops at the first character."""
    read = node("Gather", ["table", "wanted"], ["row"])
    _add(graph, node("Add", ["token", "far"], ["wanted"]), read, far=np.array(2**40))


def _external_data(graph: onnx.ModelProto) -> None:
    tensor = graph.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../../etc/passwd")


def _facts_of_fifty_megabytes(graph: onnx.ModelProto) -> None:
    entry = next(each for each in graph.metadata_props if each.key == METADATA_KEY)
    entry.value = "[" + "{}," * (17 * 2**20) + "{}]"


def _divides_by_minus_one(graph: onnx.ModelProto) -> None:
    _add(graph, node("Div", ["token", "by"], ["negated"]), by=np.array(-1))


def _half_nan(graph: onnx.ModelProto) -> None:
    """A half-precision nan, as protobuf keeps it where it is not raw: in a whole number."""
    graph.graph.initializer.append(
        TensorProto(name="half", data_type=TensorProto.FLOAT16, dims=[1], int32_data=[0x7E00])
    )


def _endless_products(graph: onnx.ModelProto) -> None:
    """Few bytes, no loop, allowed operators, and minutes of work for one character."""
    last = next(each for each in graph.graph.node if "logits" in each.output)
    last.output[:] = ["before" if name == "logits" else name for name in last.output]
    names = ["square", *(f"product_{i}" for i in range(1000))]
    _add(
        graph,
        node("Cast", ["token"], ["number"], to=TensorProto.FLOAT),
        node("Mul", ["column", "row"], ["plane"]),
        node("Add", ["plane", "number"], ["square"]),
        *(node("MatMul", [before, "plane"], [after]) for before, after in pairwise(names)),
        node("ReduceMax", [names[-1], "axes"], ["most"]),
        node("Add", ["before", "most"], ["logits"]),
        column=np.zeros((1024, 1), np.float32),
        row=np.zeros((1, 1024), np.float32),
        axes=np.array([0, 1]),
    )


def _field(number: int, data: bytes) -> bytes:
    """A protobuf field of bytes or of a message."""
    size, left = b"", len(data)
    while left > 127:
        size, left = size + bytes([left & 127 | 128]), left >> 7
    return bytes([number << 3 | 2]) + size + bytes([left]) + data


def _two_graphs(data: bytes) -> bytes:
    """protobuf makes one of them; who takes the last for all of it sees no Loop."""
    model = onnx.ModelProto()
    _endless_loop(model)
    return model.SerializeToString() + data


def _with_node(data: bytes, raw: bytes) -> bytes:
    """The graph with a node that onnx itself would not write."""
    model = onnx.load_model_from_string(data)
    graph = model.graph.SerializeToString()
    model.ClearField("graph")
    return model.SerializeToString() + _field(7, graph + _field(1, raw))


def _two_tensors(data: bytes) -> bytes:
    """protobuf makes one of the attribute's two: the numbers of the last, the axes of both."""
    tensor = numpy_helper.from_array(np.zeros(2, np.float32))
    twice = 2 * helper.make_attribute("value", tensor).SerializeToString()
    return _with_node(data, node("Constant", [], ["twice"]).SerializeToString() + _field(5, twice))


def _number_for_a_text(data: bytes) -> bytes:
    """protobuf skips the number; who reads it as a text's length sees an Identity, and no Loop."""
    hidden = _field(4, b"Loop")
    shown = b"\0" + _field(4, b"Identity") + bytes([6 << 3 | 2, len(hidden)])
    return _with_node(data, b"\x08\x03" + _field(6, shown) + hidden)


def _empty_nodes(_: bytes) -> bytes:
    """Two bytes each, and a message of hundreds once it is parsed."""
    return _field(7, _field(1, b"") * (31 * 2**20))


def _small_integers(_: bytes) -> bytes:
    """A tensor's list of them: a byte each, and eight once it is parsed."""
    return _field(7, _field(5, _field(7, bytes(62 * 2**20))))


def _nan_at_the_end(graph: onnx.ModelProto) -> None:
    """As many weights as a file may have, all of which must be read."""
    values = np.zeros(15 * 2**20, np.float32)
    values[-1] = np.nan
    _add(graph, more=values)


def _segment(graph: onnx.ModelProto) -> None:
    graph.graph.initializer[0].segment.end = 1


def _other_list(graph: onnx.ModelProto) -> None:
    graph.graph.initializer.append(
        TensorProto(name="four", data_type=TensorProto.FLOAT, dims=[4], int64_data=[1, 2, 3, 4])
    )


def _much_work(graph: onnx.ModelProto) -> None:
    """Thirty products of a matrix that no cache holds, at every character."""
    _add(graph, node("MatMul", ["h_0", "wide"], ["x_0"]), wide=np.ones((16, 2048), np.float32))
    names = [f"x_{number}" for number in range(31)]
    for before, after in pairwise(names):
        _add(graph, node("MatMul", [before, "large"], [after]))
    _add(graph, node("MatMul", [names[-1], "narrow"], ["more"]))
    graph.graph.node[-33].output[0] = "less"
    _add(graph, node("Add", ["less", "more"], ["logits"]))
    _add(graph, large=np.ones((2048, 2048), np.float32), narrow=np.ones((2048, 31), np.float32))


def _many_tokens(make: Callable[[Path], Path]) -> Callable[[Path], Path]:
    """The same with as many golden tokens as a bundle may have."""

    def made(folder: Path) -> Path:
        bundle = read_bundle(make(folder))
        assert bundle.golden is not None
        golden = replace(bundle.golden, tokens=(1,) * MAX_GOLDEN)
        graph = (folder / STEP).read_bytes()
        write_bundle(folder, replace(bundle, golden=golden), {STEP: graph}, 18)
        return folder

    return made


def _unproven(make: Callable[[Path], Path]) -> Callable[[Path], Path]:
    """The same without golden vectors, which would have given it away."""

    def made(folder: Path) -> Path:
        bundle = read_bundle(make(folder))
        graph = (folder / STEP).read_bytes()
        write_bundle(folder, replace(bundle, golden=None), {STEP: graph}, 18)
        return folder

    return made


def _nested(facts: dict[str, Any]) -> None:
    inner: dict[str, Any] = {}
    for _ in range(500):
        inner = {"a": inner}
    facts["metrics"]["deep"] = inner


def _lone(spoil: Callable[[onnx.ModelProto], None]) -> Callable[[Path], Path]:
    return lambda folder: _graph(spoil)(folder) / STEP


def _traversal(archive: zipfile.ZipFile, _: Path) -> None:
    archive.writestr("../../outside.onnx", b"")


def _link(archive: zipfile.ZipFile, _: Path) -> None:
    entry = zipfile.ZipInfo("extra.onnx")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(entry, "/etc/passwd")


def _bomb(archive: zipfile.ZipFile, _: Path) -> None:
    archive.writestr("extra.onnx", bytes(256 * 2**20))


def _many_graphs(archive: zipfile.ZipFile, _: Path) -> None:
    """Nothing swells, and yet it would take seconds to unpack and to hash them."""
    archive.compresslevel = 1
    noise = np.random.default_rng(0).integers(0, 2, 2**20, np.uint8).tobytes()
    for number in range(5):
        archive.writestr(f"more{number}.onnx", noise * 60)


def _crowd(archive: zipfile.ZipFile, _: Path) -> None:
    for number in range(20_000):
        archive.writestr(f"{number}.txt", b"")


def _two_bundles(archive: zipfile.ZipFile, plain: Path) -> None:
    archive.write(plain / "bundle.json", "other/bundle.json")


HOSTILE: dict[str, Callable[[Path], Path]] = {
    "8 GB ConstantOfShape": _graph(_constant_of_shape),
    "endless Loop": _graph(_endless_loop),
    "doubling Concat": _graph(_doubling_concat),
    "weights that claim 2^40 rows": _graph(_lying_shape),
    "an output of another width": _graph(_lying_output),
    "nan weights": _graph(_nan_weights),
    "swapped states": _graph(_swapped_states),
    "a look-up past its table": _graph(_past_the_table),
    "external data": _graph(_external_data),
    "integers by -1": _graph(_divides_by_minus_one),
    "a half-precision nan": _graph(_half_nan),
    "endless products": _graph(_endless_products),
    "two graphs, a Loop in the first": _bytes(_two_graphs),
    "two tensors in one attribute": _bytes(_two_tensors),
    "a number for a text": _bytes(_number_for_a_text),
    "truncated protobuf": _bytes(lambda data: data[: len(data) // 2]),
    "64 MB of zeros": _bytes(lambda data: bytes(64 * 2**20)),
    "facts of 50 MB in a graph": _lone(_facts_of_fifty_megabytes),
    "64 MB of empty nodes": _bytes(_empty_nodes),
    "64 MB of one-byte integers": _bytes(_small_integers),
    "60 MB of weights, the last nan": _graph(_nan_at_the_end),
    "a tensor in segments": _graph(_segment),
    "numbers in another type's list": _graph(_other_list),
    "256 golden tokens of much work": _many_tokens(_graph(_much_work)),
    "swapped states, nothing golden": _unproven(_graph(_swapped_states)),
    "figures nested 500 deep": _json(_nested),
    "vocabulary too short": _json(lambda facts: facts["vocabulary"].remove("z")),
    "vocabulary too long": _json(lambda facts: facts["vocabulary"].append("Ω")),
    "huge JSON": _json(lambda facts: json.dumps(facts) + " " * MAX_JSON_BYTES),
    "JSON of a million objects": _json(lambda _: "[" + "{}," * (MAX_JSON_BYTES // 3 - 2) + "0]"),
    "deep JSON": _json(lambda _: "[" * 10**6),
    "zip: a path out of it": _zip(_traversal),
    "zip: a link": _zip(_link),
    "zip: a bomb": _zip(_bomb),
    "zip: 300 MB of graphs": _zip(_many_graphs),
    "zip: 20,000 files": _zip(_crowd),
    "zip: two bundles": _zip(_two_bundles),
}

PYTHONS = frozenset(
    [
        "64 MB of empty nodes",
        "64 MB of one-byte integers",
        "60 MB of weights, the last nan",
        "a tensor in segments",
        "numbers in another type's list",
        "256 golden tokens of much work",
        "swapped states, nothing golden",
        "figures nested 500 deep",
        "zip: 300 MB of graphs",
    ]
)
"""What is about Python's own readers and limits; a browser's are others."""


def opened(paths: list[Path]) -> list[dict[str, Any]]:
    """What `load_bundle` said of each, and what it cost, from a process of its own."""
    command = [sys.executable, "-m", "tests.hostile", *map(str, paths)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert answer.returncode == 0, answer.stderr
    return [json.loads(line) for line in answer.stdout.splitlines()]


def main(paths: list[str]) -> None:
    """Open each path in a child, print what it says of it."""
    from charmodels.runtime import CharModelError, load_bundle

    imported = psutil.Process().memory_info().rss / 1e6  # its peak would be that of who started it
    for path in paths:
        sys.stdout.flush()
        if (child := os.fork()) != 0:
            os.waitpid(child, 0)
            continue
        start, before = time.perf_counter(), _peak()
        said, refused = "opened", False
        try:
            load_bundle(path)
        except CharModelError as error:
            said, refused = str(error), True
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        seconds = time.perf_counter() - start
        megabytes = imported + _peak() - before
        cost = {"seconds": seconds, "megabytes": megabytes}
        print(json.dumps({"path": path, "said": said, "refused": refused, **cost}), flush=True)
        os._exit(0)


def _peak() -> float:
    """The most memory this process has had, in megabytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


if __name__ == "__main__":
    main(sys.argv[1:])
