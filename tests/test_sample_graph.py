"""The graphs that choose the next id themselves choose as the runtime does."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from charmodels.runtime import BundleError, Model, load_bundle
from charmodels.runtime.bundle import GENERATE, SAMPLE, STEP, Kind, write_bundle
from charmodels.runtime.onnx_step import open_session
from charmodels.runtime.sampling import Sampling, pick
from export.generate_graph import build_generate_graph
from export.ngram_graph import FLOAT, INT64, Nodes, batch_of, finish_graph
from export.sample_graph import DOUBLE, SETTINGS, build_sample_graph, write_choice
from export.written import prove_written, write_by_generate, write_by_sample
from tests.tiny import lstm_graph, tiny_bundle, write_golden

VOCAB, ROWS = 31, 2_000


def write(folder: Path, kind: Kind) -> Model:
    bundle = tiny_bundle(kind)
    step = lstm_graph(bundle)
    graphs = {
        STEP: step,
        SAMPLE: build_sample_graph(step, bundle),
        GENERATE: build_generate_graph(step, bundle),
    }
    files = {name: graph.SerializeToString() for name, graph in graphs.items()}
    write_bundle(folder, bundle, files, 18)
    return load_bundle(write_golden(folder))


@pytest.mark.parametrize("kind", ["names", "text"])
def test_both_write_what_the_runtime_writes(tmp_path: Path, kind: Kind) -> None:
    model = write(tmp_path, kind)
    assert "id for id" in prove_written(tmp_path / SAMPLE, model, write_by_sample)
    assert "id for id" in prove_written(tmp_path / GENERATE, model, write_by_generate)


@pytest.mark.parametrize("kind", ["names", "text"])
@pytest.mark.parametrize("has_ties", [False, True])
@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(),
        Sampling(temperature=0.0),
        Sampling(temperature=0.3),
        Sampling(top_k=1),
        Sampling(top_k=7),
        Sampling(top_p=0.0),
        Sampling(top_p=0.5),
        Sampling(temperature=2.0, top_k=9, top_p=0.7),
    ],
    ids=lambda s: f"{s.temperature}-{s.top_k}-{s.top_p}",
)
def test_the_choice_alone(tmp_path: Path, kind: Kind, has_ties: bool, sampling: Sampling) -> None:
    """Two thousand rows of logits, with ties or without, each with a uniform number."""
    graph = Nodes(prefix="choice.")
    write_choice(graph, tiny_bundle(kind), "next_token")
    inputs = [batch_of("token", INT64), batch_of("logits", FLOAT, VOCAB)]
    inputs += [batch_of(name, k) for name, k in {**SETTINGS, "uniform": DOUBLE}.items()]
    outputs = [batch_of("next_token", INT64)]
    model = finish_graph(graph.nodes, inputs, outputs, graph.weights, tiny_bundle(kind))
    path = tmp_path / "choice.onnx"
    onnx.save(model, path)
    rng = np.random.default_rng(7)
    logits = (rng.standard_normal((ROWS, VOCAB)) * 3).astype(np.float32)
    if has_ties:
        logits = np.round(logits)
    uniform = rng.random(ROWS)
    given = {
        "logits": logits,
        "temperature": np.full(ROWS, sampling.temperature),
        "top_k": np.full(ROWS, sampling.top_k),
        "top_p": np.full(ROWS, sampling.top_p),
        "uniform": uniform,
    }
    session = open_session(path)
    for token in (0, 5):
        (ids,) = session.run(None, {**given, "token": np.full(ROWS, token)})
        may_end = kind == "names" and token != 0
        wanted = pick(logits, uniform, sampling, may_end)
        assert (ids == wanted).all(), f"{(ids != wanted).sum()} of {ROWS} differ"
        assert ids.dtype == np.int64
        assert may_end or ids.min() > 0


def test_settings_belong_to_each_row(tmp_path: Path) -> None:
    """A greedy row beside a wild one, each as it would be alone."""
    model = write(tmp_path, "text")
    session = open_session(tmp_path / SAMPLE)
    state = model.step.initial_state(2)
    given = {"token": np.array([3, 4]), **state, "uniform": np.array([0.99, 0.99])}
    settings = {"temperature": [0.0, 5.0], "top_k": [0, 3], "top_p": [1.0, 0.9]}
    both = session.run(None, {**given, **{n: np.array(v) for n, v in settings.items()}})[0]
    for row in range(2):
        alone = {name: value[row : row + 1] for name, value in given.items()}
        chosen = {n: np.array(v[row : row + 1]) for n, v in settings.items()}
        assert session.run(None, {**alone, **chosen})[0] == both[row : row + 1]


def test_generate_stops_when_all_rows_have_ended(tmp_path: Path) -> None:
    model = write(tmp_path, "names")
    session = open_session(tmp_path / GENERATE)
    rng = np.random.default_rng(0)
    drawn = rng.random((4, 500))
    settings = {"temperature": np.ones(4), "top_k": np.zeros(4, np.int64), "top_p": np.ones(4)}
    given = {"token": np.zeros(4, np.int64), **model.step.initial_state(4), "uniforms": drawn}
    ids = session.run(["ids"], {**given, **settings})[0]
    ends = (ids == 0).argmax(axis=1)
    assert (ids == 0).any(axis=1).all()
    assert ids.shape[1] == ends.max() + 1 < 500
    for row, end in zip(ids, ends, strict=True):
        assert (row[end:] == 0).all(), "boundaries from its end on"


def test_a_wrong_graph_is_noticed(tmp_path: Path) -> None:
    model = write(tmp_path, "names")
    for name, write_by in ((SAMPLE, write_by_sample), (GENERATE, write_by_generate)):
        graph = onnx.load(tmp_path / name)
        for tensor in graph.graph.initializer:
            if tensor.name == "head":
                values = numpy_helper.to_array(tensor) * np.float32(1.05)
                tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
        onnx.save(graph, tmp_path / "wrong.onnx")
        with pytest.raises(BundleError, match="other text than the runtime"):
            prove_written(tmp_path / "wrong.onnx", model, write_by)


def test_the_runtime_never_opens_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stands in them: here an endless Loop, in a bundle that is even trusted."""
    write(tmp_path, "names")
    value = helper.make_tensor_value_info
    going = value("on", TensorProto.BOOL, [])
    count, end = value("count", TensorProto.INT64, []), value("go", TensorProto.BOOL, [])
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["go"])], "body", [count, going], [end]
    )
    graph = onnx.load(tmp_path / GENERATE)
    graph.graph.node.append(helper.make_node("Loop", ["", "yes"], [], body=body))
    graph.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    files = {STEP: (tmp_path / STEP).read_bytes(), GENERATE: graph.SerializeToString()}
    write_bundle(tmp_path, tiny_bundle(), files, 18)
    write_golden(tmp_path)
    opened: list[str] = []

    def noted(path: Path) -> object:
        opened.append(path.name)
        return open_session(path)

    monkeypatch.setattr("charmodels.runtime.model.open_session", noted)
    for trusted in (False, True):
        assert load_bundle(tmp_path, trusted=trusted).generate(2)
    assert opened == [STEP, STEP]
