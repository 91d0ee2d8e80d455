"""A small plain RNN walks in numpy as it steps in onnxruntime; whatever else it is, it does not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from charmodels.runtime import BundleError, load_bundle
from charmodels.runtime import model as model_module
from charmodels.runtime.bundle import STEP, StateSpec, write_bundle
from charmodels.runtime.generation import Walker
from charmodels.runtime.golden import scaled_difference
from charmodels.runtime.onnx_step import OnnxStep, OnnxWalker, open_session
from charmodels.runtime.plain_rnn import MAX_PRODUCTS, PlainRNN, PlainRNNWalker, read_plain_rnn
from tests.tiny import tiny_bundle, write_golden

VOCAB, HIDDEN = 31, 25


def rnn_graph(hidden: int = HIDDEN, *, turned: bool = True, biased: bool = True) -> ModelProto:
    """The graph as `export` writes it, or with its matrices the other way round."""
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) * 0.2).astype(np.float32)

    weights = {"table": draw(VOCAB, hidden), "w": draw(hidden, hidden), "head": draw(hidden, VOCAB)}
    if biased:
        weights["bias"] = draw(VOCAB)
    if turned:
        weights["head"] = np.ascontiguousarray(weights["head"].T)
    nodes = [
        helper.make_node("Gather", ["table", "token"], ["row"], axis=0),
        helper.make_node("Gemm", ["h_0", "w", "row"], ["sum"], alpha=1.0, beta=1.0, transA=0),
        helper.make_node("Tanh", ["sum"], ["next_h_0"]),
        helper.make_node(
            "Gemm",
            ["next_h_0", "head", *(["bias"] if biased else [])],
            ["logits"],
            transB=int(turned),
        ),
    ]
    token = helper.make_tensor_value_info("token", TensorProto.INT64, ["batch"])
    h, after, logits = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width])
        for name, width in (("h_0", hidden), ("next_h_0", hidden), ("logits", VOCAB))
    )
    initializers = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "step", [token, h], [logits, after], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def saved(folder: Path, graph: ModelProto) -> Path:
    path = folder / STEP
    onnx.save(graph, path)
    return path


def both(path: Path) -> tuple[Walker, Walker]:
    """From the same state that is not zero: in numpy, in onnxruntime."""
    rnn = read_plain_rnn(path)
    assert rnn, "not taken for a plain RNN"
    session = open_session(path)
    start = OnnxStep(session).initial_state()
    start["h_0"][:] = np.random.default_rng(1).uniform(-1, 1, start["h_0"].shape)
    found = OnnxStep(session, rnn=rnn).walk(start), OnnxStep(session).walk(start)
    assert [type(walker) for walker in found] == [PlainRNNWalker, OnnxWalker]
    return found


@pytest.mark.parametrize("turned", [True, False])
@pytest.mark.parametrize("biased", [True, False])
def test_it_gives_what_onnxruntime_gives(tmp_path: Path, turned: bool, biased: bool) -> None:
    numpy_walker, onnx_walker = both(saved(tmp_path, rnn_graph(turned=turned, biased=biased)))
    for token in np.random.default_rng(2).integers(0, VOCAB, (1_000, 1)):
        logits, expected = numpy_walker.advance(token), onnx_walker.advance(token)
        assert scaled_difference(expected, logits) < 1e-5
    h, expected_h = (walker.state()["h_0"] for walker in (numpy_walker, onnx_walker))
    assert scaled_difference(expected_h, h) < 1e-5


def test_states_are_copies_and_a_walker_goes_on_from_any(tmp_path: Path) -> None:
    walker, _ = both(saved(tmp_path, rnn_graph()))
    walker.read(np.array([3, 4]))
    kept = walker.state()
    after = walker.advance(np.array([5])).copy()
    assert not np.array_equal(kept["h_0"], walker.state()["h_0"])
    walker.restart(np.array([], dtype=np.int64), kept)
    assert not np.array_equal(kept["h_0"], walker.state()["h_0"]), "no place was to go on"
    walker.restart(np.array([0]), kept)
    assert np.array_equal(walker.advance(np.array([5])), after)


def test_many_texts_walk_in_onnxruntime(tmp_path: Path) -> None:
    path = saved(tmp_path, rnn_graph())
    step = OnnxStep(open_session(path), rnn=read_plain_rnn(path))
    assert isinstance(step.walk(step.initial_state(2)), OnnxWalker)


def _set(node: int, **attributes: float) -> Callable[[ModelProto], None]:
    def change(graph: ModelProto) -> None:
        for name in attributes:
            kept = [each for each in graph.graph.node[node].attribute if each.name != name]
            del graph.graph.node[node].attribute[:]
            graph.graph.node[node].attribute.extend(kept)
        graph.graph.node[node].attribute.extend(
            helper.make_attribute(name, value) for name, value in attributes.items()
        )

    return change


def _feed(node: int, place: int, name: str) -> Callable[[ModelProto], None]:
    def change(graph: ModelProto) -> None:
        graph.graph.node[node].input[place] = name

    return change


def _call(node: int, operator: str, domain: str = "") -> Callable[[ModelProto], None]:
    def change(graph: ModelProto) -> None:
        graph.graph.node[node].op_type, graph.graph.node[node].domain = operator, domain

    return change


def _shape(name: str, *shape: int) -> Callable[[ModelProto], None]:
    def change(graph: ModelProto) -> None:
        (found,) = (each for each in graph.graph.initializer if each.name == name)
        found.CopyFrom(numpy_helper.from_array(np.zeros(shape, np.float32), name))

    return change


OTHERS: dict[str, Callable[[ModelProto], None]] = {
    "another activation": _call(2, "Relu"),
    "another domain's Tanh": _call(2, "Tanh", "com.microsoft"),
    "columns gathered": _set(0, axis=1),
    "a product scaled": _set(1, alpha=0.5),
    "a sum scaled": _set(1, beta=0.5),
    "logits scaled": _set(3, alpha=2.0),
    "a state turned": _set(1, transA=1),
    "an attribute unknown": _set(3, gamma=1.0),
    "logits of the old state": _feed(3, 0, "h_0"),
    "the state itself squashed": _feed(2, 0, "h_0"),
    "the state added": _feed(1, 2, "h_0"),
    "the new state multiplied": _feed(1, 0, "next_h_0"),
    "weights computed": _feed(1, 1, "sum"),
    "one node more": lambda graph: graph.graph.node.append(
        helper.make_node("Tanh", ["logits"], ["more"])
    ),
    "one node less": lambda graph: graph.graph.node.pop(),
    "a bias of one number": _shape("bias", 1),
    "a head too narrow": _shape("head", VOCAB - 1, HIDDEN),
    "a matrix not square": _shape("w", HIDDEN, HIDDEN + 1),
    "doubles": lambda graph: graph.graph.initializer[1].CopyFrom(
        numpy_helper.from_array(np.zeros((HIDDEN, HIDDEN)), "w")
    ),
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_another_graph_is_not_taken(tmp_path: Path, change: Callable[[ModelProto], None]) -> None:
    graph = rnn_graph()
    change(graph)
    assert read_plain_rnn(saved(tmp_path, graph)) is None


def test_only_what_one_thread_does_best_is_taken(tmp_path: Path) -> None:
    most = max(n for n in range(200) if (n + 1) * (n + VOCAB) <= MAX_PRODUCTS)
    assert read_plain_rnn(saved(tmp_path, rnn_graph(most)))
    assert read_plain_rnn(saved(tmp_path, rnn_graph(most + 1))) is None


def test_a_strangers_bundle_is_proven_in_the_engine_that_will_walk_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = replace(tiny_bundle(), states=(StateSpec("h_0", (HIDDEN,), "float32"),))
    write_bundle(tmp_path, bundle, {STEP: rnn_graph().SerializeToString()}, 18)
    write_golden(tmp_path, (0, 3, 4, 5))
    model = load_bundle(tmp_path)
    assert isinstance(model.step.walk(model.step.initial_state()), PlainRNNWalker)  # type: ignore[attr-defined]

    def wrong(path: Path) -> PlainRNN | None:
        rnn = read_plain_rnn(path)
        return replace(rnn, products=rnn.products * np.float32(1.001)) if rnn else None

    monkeypatch.setattr(model_module, "read_plain_rnn", wrong)
    with pytest.raises(BundleError, match="differ from the golden ones"):
        load_bundle(tmp_path)
