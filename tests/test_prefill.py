"""A prompt read at once ends where its steps do; a stranger's prompt graph is checked like a step.

Made from the tiny step and from an n-gram's, so that nothing here needs torch.
"""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from charmodels.ngram.automaton import build_automaton
from charmodels.runtime import BundleError, load_bundle
from charmodels.runtime.bundle import PREFILL, STEP, Bundle, StateSpec, write_bundle
from charmodels.runtime.onnx_step import OnnxStep
from charmodels.runtime.prefill import PREFILL_AT_ONCE, PREFILL_FROM, Prefill
from charmodels.runtime.sampling import Sampling
from export.ngram_graph import build_ngram_graph
from export.parity import prove_prefill
from export.prefill_graph import build_prefill_graph
from tests.test_ngram_graph import learn
from tests.tiny import lstm_graph, tiny_bundle, write_golden

node = helper.make_node


def write(
    folder: Path, step: onnx.ModelProto, prefill: onnx.ModelProto, bundle: Bundle | None = None
) -> Path:
    folder.mkdir(exist_ok=True)
    files = {STEP: step.SerializeToString(), PREFILL: prefill.SerializeToString()}
    write_bundle(folder, bundle or tiny_bundle(), files, 18)
    return write_golden(folder)


@pytest.fixture
def step() -> onnx.ModelProto:
    return lstm_graph(tiny_bundle())


@pytest.fixture
def prefill(step: onnx.ModelProto) -> onnx.ModelProto:
    """A Scan of the whole cell, to spoil."""
    return build_prefill_graph(step, tiny_bundle())


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of the prompts that were read at once."""
    lengths: list[int] = []
    read = Prefill.read

    def noted(self: Prefill, tokens: np.ndarray, state: object) -> object:
        lengths.append(tokens.shape[1])
        return read(self, tokens, state)  # type: ignore[arg-type]

    monkeypatch.setattr(Prefill, "read", noted)
    return lengths


def test_only_the_cell_runs_one_character_after_the_other(prefill: onnx.ModelProto) -> None:
    (scan,) = (n for n in prefill.graph.node if n.op_type == "Scan")
    inside = [n.op_type for n in scan.attribute[0].g.node]
    assert "Gather" not in inside
    assert "Gemm" not in inside
    assert inside.count("MatMul") == 1
    assert [v.name for v in prefill.graph.input] == ["tokens", "h_0", "c_0"]
    assert [v.name for v in prefill.graph.output] == ["logits", "next_h_0", "next_c_0"]


@pytest.mark.parametrize("length", [1, 2, PREFILL_AT_ONCE, PREFILL_AT_ONCE + 1, 600])
def test_every_length_agrees_with_steps(
    step: onnx.ModelProto, prefill: onnx.ModelProto, tmp_path: Path, length: int
) -> None:
    engine = load_bundle(write(tmp_path, step, prefill)).step
    assert isinstance(engine, OnnxStep)
    assert engine.prefill
    tokens = np.random.default_rng(length).integers(0, 31, (3, length))
    logits, state = engine.prefill.read(tokens, engine.initial_state(3))
    by_steps = engine.initial_state(3)
    for token in tokens.T:
        wanted, by_steps = engine.step(np.ascontiguousarray(token), by_steps)
    np.testing.assert_allclose(logits, wanted, atol=1e-5)
    assert list(state) == list(by_steps)
    for name, value in by_steps.items():
        np.testing.assert_allclose(state[name], value, atol=1e-5, err_msg=name)


def test_the_runtime_uses_it_for_long_prompts_and_nothing_changes(
    step: onnx.ModelProto, prefill: onnx.ModelProto, tmp_path: Path, calls: list[int]
) -> None:
    quick = load_bundle(write(tmp_path / "with", step, prefill), trusted=True)
    (tmp_path / "without").mkdir()
    write_bundle(tmp_path / "without", tiny_bundle(), {STEP: step.SerializeToString()}, 18)
    plain = load_bundle(write_golden(tmp_path / "without"))
    prompt = "the quick brown fox jumps over the lazy dog" * 20
    short = prompt[: PREFILL_FROM - 2]  # and the boundary before it
    assert list(quick.stream(short, seed=1)) == list(plain.stream(short, seed=1))
    assert calls == []
    ours, theirs = quick.stream(prompt, seed=1), plain.stream(prompt, seed=1)
    assert list(ours) == list(theirs)
    assert calls == [len(prompt) + 1]
    for name, value in theirs.memory.state.items():
        np.testing.assert_allclose(ours.memory.state[name], value, atol=1e-5, err_msg=name)
    assert quick.generate(3, prefix=prompt, seed=2) == plain.generate(3, prefix=prompt, seed=2)
    np.testing.assert_allclose(
        [p.probability for p in quick.predict(prompt)],
        [p.probability for p in plain.predict(prompt)],
        atol=1e-5,
    )
    assert len(calls) == 3
    more = [quick.stream(prompt, memory=ours.memory), plain.stream(prompt, memory=theirs.memory)]
    assert list(more[0]) == list(more[1])


@pytest.mark.parametrize("order", [2, 5])
@pytest.mark.parametrize("forgets", [False, True])
def test_an_ngram_needs_the_last_characters_alone(
    tmp_path: Path, order: int, forgets: bool
) -> None:
    ngram, vocabulary = learn(tmp_path, "text", order)
    states = (StateSpec("n_0", (order - 1,), "int64"),)
    bundle = Bundle(
        kind="text", vocabulary=vocabulary, states=states, sampling=Sampling(), max_chars=40
    )
    graph = build_ngram_graph(build_automaton(ngram), bundle)
    prefill = build_prefill_graph(graph, bundle, forgets={"n_0": order - 1} if forgets else {})
    engine = load_bundle(write(tmp_path / "bundle", graph, prefill, bundle)).step
    assert isinstance(engine, OnnxStep)
    assert engine.prefill
    for proof in prove_prefill(engine, engine.prefill):
        assert proof.difference.agrees, str(proof)
    slices = [n for n in prefill.graph.node if n.op_type == "Slice"]
    assert bool(slices) == (forgets and order > 2), "order 2 remembers nothing that goes round"


def test_a_wrong_weight_is_noticed(
    step: onnx.ModelProto, prefill: onnx.ModelProto, tmp_path: Path
) -> None:
    for tensor in list(prefill.graph.initializer):
        if not tensor.name.startswith("prefill."):
            kept = numpy_helper.to_array(tensor).copy()
            values = kept.copy()
            values.flat[5::7] += np.float32(1e-2)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
            engine = load_bundle(write(tmp_path / tensor.name, step, prefill), trusted=True).step
            tensor.CopyFrom(numpy_helper.from_array(kept, tensor.name))
            assert isinstance(engine, OnnxStep)
            assert engine.prefill
            proofs = prove_prefill(engine, engine.prefill)
            assert not all(proof.difference.agrees for proof in proofs), tensor.name


# --- a stranger's ---


def body_of(graph: onnx.ModelProto) -> onnx.GraphProto:
    (scan,) = (n for n in graph.graph.node if n.op_type == "Scan")
    return scan.attribute[0].g


def add(graph: onnx.ModelProto, *nodes: onnx.NodeProto, **weights: np.ndarray) -> None:
    graph.graph.node.extend(nodes)
    for name, value in weights.items():
        graph.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))


def endless(graph: onnx.ModelProto) -> None:
    value = helper.make_tensor_value_info
    going = value("on", TensorProto.BOOL, [])
    count, end = value("count", TensorProto.INT64, []), value("go", TensorProto.BOOL, [])
    body = helper.make_graph([node("Identity", ["on"], ["go"])], "body", [count, going], [end])
    add(graph, node("Loop", ["", "yes"], [], body=body), yes=np.array(True))


def scan_in_a_scan(graph: onnx.ModelProto) -> None:
    scan = next(n for n in graph.graph.node if n.op_type == "Scan")
    body_of(graph).node.append(scan)


def doubling_in_the_body(graph: onnx.ModelProto) -> None:
    body = body_of(graph)
    last = body.input[0].name
    for i in range(24):
        body.node.append(node("Concat", [last, last], [f"double_{i}"], axis=1))
        last = f"double_{i}"


def shape_of_a_state(graph: onnx.ModelProto) -> None:
    add(graph, node("Shape", ["h_0"], ["long"]))


def shape_as_data(graph: onnx.ModelProto) -> None:
    add(
        graph,
        node("Shape", ["tokens"], ["long"]),
        node("Mul", ["long", "long"], ["longer"]),
        node("Reshape", ["h_0", "longer"], ["wrong"]),
    )


def growing_state(graph: onnx.ModelProto) -> None:
    """The body gives back a state twice as wide."""
    body, scan = body_of(graph), next(n for n in graph.graph.node if n.op_type == "Scan")
    del scan
    name = body.output[0].name
    body.node.append(node("Concat", [name, name], ["wide"], axis=1))
    body.output[0].name = "wide"
    body.output[0].type.tensor_type.shape.dim[1].dim_value = 32


def backwards(graph: onnx.ModelProto) -> None:
    scan = next(n for n in graph.graph.node if n.op_type == "Scan")
    scan.attribute.append(helper.make_attribute("scan_input_directions", [1]))


def table_over_time(graph: onnx.ModelProto) -> None:
    """Runs as often as a weight has rows."""
    scan = next(n for n in graph.graph.node if n.op_type == "Scan")
    add(graph, rows=np.zeros((5000, 1, 64), np.float32))
    scan.input[2] = "rows"


def stacked_too_high(graph: onnx.ModelProto) -> None:
    """All products of three characters, four times: a quarter of a gigabyte for one text."""
    add(
        graph,
        node("Cast", ["tokens"], ["t"], to=1),
        node("Unsqueeze", ["t", "two"], ["column"]),
        node("Unsqueeze", ["t", "one"], ["row"]),
        node("Mul", ["column", "row"], ["pairs"]),
        node("Unsqueeze", ["pairs", "three"], ["cube"]),
        node("Unsqueeze", ["row", "one"], ["line"]),
        *(node("Mul", ["cube", "line"], [f"cubes_{i}"]) for i in range(4)),
        one=np.array([1]),
        two=np.array([2]),
        three=np.array([3]),
    )


def working_hard(graph: onnx.ModelProto) -> None:
    """Two thousand million multiplications, however short the prompt."""
    products = [node("MatMul", [f"p{i}", f"p{i}"], [f"p{i + 1}"]) for i in range(2)]
    add(graph, *products, p0=np.ones((1024, 1024), np.float32))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (working_hard, "golden tokens would take"),
        (endless, "operator 'Loop' is not allowed"),
        (scan_in_a_scan, "operator 'Scan' is not allowed"),
        (doubling_in_the_body, "would fill"),
        (shape_of_a_state, "takes the Shape of 'h_0'"),
        (shape_as_data, "depends on its data"),
        (growing_state, "not a valid graph|shape of a state"),
        (backwards, "a Scan with"),
        (table_over_time, "over more than the prompt|not a valid graph"),
        (stacked_too_high, "would fill"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_strangers_prompt_graph_is_refused(
    step: onnx.ModelProto,
    prefill: onnx.ModelProto,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: object,
    reason: str,
) -> None:
    spoil(prefill)  # type: ignore[operator]
    write(tmp_path, step, prefill)

    def opened(*_: object) -> None:
        raise AssertionError("onnxruntime was given the graph")

    monkeypatch.setattr("charmodels.runtime.model.open_session", opened)
    with pytest.raises(BundleError, match=reason) as caught:
        load_bundle(tmp_path)
    assert "\n" not in str(caught.value)


def with_lstm(hidden: int = 16, gates: int = 64, **attributes: object) -> onnx.ModelProto:
    """The tiny LSTM's prompt graph around ONNX's own operator, with whatever sizes."""
    graph = build_prefill_graph(lstm_graph(tiny_bundle()), tiny_bundle())
    add(
        graph,
        node("Unsqueeze", ["h_0", "zero"], ["h"]),
        node("Unsqueeze", ["c_0", "zero"], ["c"]),
        node("Gather", ["table", "tokens"], ["rows"]),
        node("Transpose", ["rows"], ["x"], perm=[1, 0, 2]),
        node("LSTM", ["x", "W", "R", "B", "", "h", "c"], ["y"], hidden_size=hidden, **attributes),
        zero=np.array([0]),
        W=np.zeros((1, gates, 64), np.float32),
        R=np.zeros((1, gates, 16), np.float32),
        B=np.zeros((1, 2 * gates), np.float32),
    )
    return graph


@pytest.mark.parametrize(
    "change",
    [
        {"gates": 60},
        {"hidden": 17},
        {"hidden": 1},
        {"activations": ["Sigmoid", "Tanh", "Tanh"]},
        {"direction": "bidirectional"},
        {"layout": 1},
        {"clip": 1.0},
    ],
    ids=str,
)
def test_a_recurrent_operator_whose_sizes_lie_is_refused(
    step: onnx.ModelProto, tmp_path: Path, change: dict[str, object]
) -> None:
    assert load_bundle(write(tmp_path / "right", step, with_lstm()))
    graph = with_lstm(**change)  # type: ignore[arg-type]
    with pytest.raises(
        BundleError, match=r"not as weights go|does not work|not a valid graph|not allowed"
    ):
        load_bundle(write(tmp_path / "wrong", step, graph))


def test_a_prompt_graph_of_another_model_is_refused(
    step: onnx.ModelProto, prefill: onnx.ModelProto, tmp_path: Path
) -> None:
    for values in (prefill.graph.input, prefill.graph.output):
        values[-1].type.tensor_type.shape.dim[1].dim_value = 8
    folder = write(tmp_path, step, prefill)
    with pytest.raises(BundleError):
        load_bundle(folder)
    names = [value.name for value in prefill.graph.output]
    swapped = build_prefill_graph(step, tiny_bundle())
    swapped.graph.output[1].name, swapped.graph.output[2].name = names[2], names[1]
    with pytest.raises(BundleError, match=r"bundle\.json says"):
        load_bundle(write(tmp_path, step, swapped))
    with pytest.raises(BundleError, match="the step's ask for"):
        load_bundle(write(tmp_path, step, swapped), trusted=True)
