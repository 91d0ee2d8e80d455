"""onnxruntime behind the step: what it would silently accept is refused, and memory is a value."""

import json

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from charmodels.runtime import BundleError, SettingError, VocabularyError, load_bundle
from charmodels.runtime.bundle import METADATA_KEY, STEP, Bundle, StateSpec, write_bundle
from charmodels.runtime.generation import PureWalker, walk
from charmodels.runtime.onnx_step import OnnxStep, OnnxWalker, open_session
from charmodels.runtime.sampling import Sampling
from charmodels.runtime.vocabulary import Vocabulary
from tests.tiny import write_golden


@pytest.fixture(scope="module")
def step(names_model):
    return names_model.step


def ids(*values):
    return np.array(values, dtype=np.int64)


def copied(state):
    return {name: value.copy() for name, value in state.items()}


# --- refusals ---


@pytest.mark.parametrize("token", [-1, -31, 31, 2**62])
def test_an_id_outside_the_vocabulary_is_refused(step, token):
    with pytest.raises(VocabularyError, match="expected 0 to 30"):
        step.step(ids(token), step.initial_state())
    with pytest.raises(VocabularyError):
        step.step(ids(1, token), step.initial_state(2))


@pytest.mark.parametrize(("tokens", "rows"), [(1, 3), (3, 1), (2, 3)])
def test_a_batch_that_differs_from_the_states_is_refused(step, tokens, rows):
    """onnxruntime would broadcast one token over three states, or one state over three tokens."""
    with pytest.raises(SettingError, match="has shape"):
        step.step(ids(*range(tokens)), step.initial_state(rows))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: {"h_0": s["h_0"]}, "states are"),
        (lambda s: {**s, "h_1": s["h_0"]}, "states are"),
        (lambda s: {"h_0": s["h_0"], "h": s["c_0"]}, "states are"),
        (lambda s: {**s, "h_0": s["h_0"][:, :5]}, "shape"),
        (lambda s: {**s, "h_0": s["h_0"][0]}, "shape"),
        (lambda s: {**s, "h_0": s["h_0"].astype(np.float64)}, "is float64; expected float32"),
        (lambda s: {**s, "h_0": s["h_0"].astype(np.int64)}, "is int64; expected float32"),
    ],
    ids=["missing", "one more", "renamed", "narrow", "no batch", "float64", "int64"],
)
def test_states_of_another_form_are_refused(step, change, reason):
    state = change(step.initial_state())
    with pytest.raises(SettingError, match=reason):
        step.step(ids(1), state)
    with pytest.raises(SettingError, match=reason):
        step.walk(state)


@pytest.mark.parametrize(
    "tokens", [np.array([1], np.int32), np.array([1.0]), np.array(1), np.array([[1]])], ids=repr
)
def test_tokens_of_another_form_are_refused(step, tokens):
    with pytest.raises(SettingError, match=r"expected int64 \(batch,\)"):
        step.step(tokens, step.initial_state())


def test_no_text_at_all_is_refused(step):
    with pytest.raises(SettingError, match="tokens of 0 texts"):
        step.step(ids(), step.initial_state(0))
    with pytest.raises(SettingError, match="tokens of 0 texts"):
        step.walk(step.initial_state(0))


# --- steps are pure ---


def test_a_step_returns_a_new_state_and_changes_nothing(step):
    rng = np.random.default_rng(0)
    state = {k: rng.standard_normal(v.shape, np.float32) for k, v in step.initial_state(3).items()}
    tokens, before = ids(1, 2, 3), copied(state)
    first, after = step.step(tokens, state)
    kept_logits, kept_state = first.copy(), copied(after)
    step.step(ids(4, 5, 6), after)
    second, again = step.step(tokens, state)
    for name, value in before.items():
        assert np.array_equal(state[name], value), f"the given {name} was changed"
        assert np.array_equal(after[name], kept_state[name]), f"the returned {name} was changed"
        assert np.array_equal(again[name], after[name]), f"{name} differs the second time"
        assert not np.shares_memory(after[name], state[name])
    assert np.array_equal(first, kept_logits)
    assert np.array_equal(first, second)


@pytest.mark.parametrize("batch", [1, 3])
def test_a_walker_gives_what_pure_steps_give(step, batch):
    tokens = np.random.default_rng(1).integers(0, step.vocab, (200, batch))
    state = step.initial_state(batch)
    walker, pure = step.walk(state), PureWalker(step, state)
    for position, token in enumerate(tokens):
        quick, plain = walker.advance(token), pure.advance(token)
        assert np.array_equal(quick, plain), f"logits differ at character {position}"
    for name, value in pure.state().items():
        assert np.array_equal(walker.state()[name], value), f"{name} differs after the walk"


def test_a_walker_leaves_its_start_alone_and_gives_copies(step):
    start = step.initial_state()
    walker = step.walk(start)
    walker.advance(ids(5))
    kept = walker.state()
    values = copied(kept)
    walker.advance(ids(6))
    walker.advance(ids(7))
    for name, value in values.items():
        assert not start[name].any(), f"the start's {name} was written"
        assert np.array_equal(kept[name], value), f"a state given out ({name}) was written"


def test_a_walker_never_binds_an_output_onto_its_own_input(step, monkeypatch):
    """One buffer for both gave silently wrong text: here every binding is looked at."""
    bound = []
    bind = OnnxWalker._bind

    def watched(self, session, now, after):
        bound.append((now, after))
        return bind(self, session, now, after)

    monkeypatch.setattr(OnnxWalker, "_bind", watched)
    walker = step.walk(step.initial_state())
    assert not bound, "a prompt read at once needs no binding"
    for token in (5, 6, 7):
        walker.advance(ids(token))
    assert len(bound) == 2
    for now, after in bound:
        for name, value in now.items():
            assert not any(np.shares_memory(value, other) for other in after.values()), name


def test_walk_takes_the_quick_way_and_any_other_model_the_plain_one(step):
    assert isinstance(walk(step, step.initial_state()), OnnxWalker)

    class Plain:
        def initial_state(self, batch=1):
            return {}

        def step(self, tokens, state):
            return np.zeros((1, 2), np.float32), state

    assert isinstance(walk(Plain(), {}), PureWalker)


# --- states of integers ---


def last_characters_graph(bundle):
    """The state is the last three ids; the likeliest next id is the oldest of them plus one."""
    node = helper.make_node
    vocab = len(bundle.vocabulary)
    nodes = [
        node("Slice", ["last", "one", "three", "one"], ["kept"]),
        node("Unsqueeze", ["token", "one"], ["column"]),
        node("Concat", ["kept", "column"], ["next_last"], axis=1),
        node("Slice", ["last", "zero", "one", "one"], ["oldest"]),
        node("Gather", ["table", "oldest"], ["rows"], axis=0),
        node("Squeeze", ["rows", "one"], ["logits"]),
    ]
    weights = {name: np.array([n]) for name, n in (("zero", 0), ("one", 1), ("three", 3))}
    weights["table"] = np.roll(np.eye(vocab, dtype=np.float32), 1, axis=1) * 9
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "step",
        [
            value("token", TensorProto.INT64, ["batch"]),
            value("last", TensorProto.INT64, ["batch", 3]),
        ],
        [
            value("logits", TensorProto.FLOAT, ["batch", vocab]),
            value("next_last", TensorProto.INT64, ["batch", 3]),
        ],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {METADATA_KEY: json.dumps(bundle.facts())})
    return model


@pytest.fixture(scope="module")
def integer_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("integers")
    bundle = Bundle(
        kind="text",
        vocabulary=Vocabulary(("", *"abcdef")),
        states=(StateSpec("last", (3,), "int64"),),
        sampling=Sampling(temperature=0.0),
        max_chars=20,
    )
    write_bundle(folder, bundle, {STEP: last_characters_graph(bundle).SerializeToString()}, 18)
    return load_bundle(write_golden(folder))


def test_a_state_may_hold_integers(integer_model):
    step = integer_model.step
    state = step.initial_state(2)
    assert state["last"].dtype == np.int64
    for token in (1, 2, 3, 4):
        logits, state = step.step(ids(token, 5), state)
    assert state["last"].tolist() == [[2, 3, 4], [5, 5, 5]]
    assert logits.argmax(axis=1).tolist() == [2, 6]


def test_integer_states_stream_generate_and_carry_over(integer_model):
    said = [0, 0, 0, 0, 1, 3, 5]  # three zeros are the first state, the fourth is the boundary
    for _ in range(12):
        said.append(said[-4] % 6 + 1)
    expected = "".join(" abcdef"[token] for token in said[7:])
    whole = "".join(integer_model.stream("ace", max_chars=12))
    assert whole == expected
    first = integer_model.stream("ace", max_chars=5)
    half = "".join(first)
    rest = "".join(integer_model.stream(max_chars=7, memory=first.memory))
    assert half + rest == whole
    assert integer_model.generate(3, prefix="ace", max_chars=12) == ["ace" + whole] * 3


# --- graphs that are no step ---


def session_of(inputs, outputs, nodes):
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node(*node) for node in nodes],
        "step",
        [value(*each) for each in inputs],
        [value(*each) for each in outputs],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


INT64, FLOAT, DOUBLE = TensorProto.INT64, TensorProto.FLOAT, TensorProto.DOUBLE
OUTPUTS = ("logits", "next_h", "next_g")
TOKEN = ("token", INT64, ["batch"])


@pytest.mark.parametrize(
    ("inputs", "outputs", "nodes", "reason"),
    [
        (
            [("input_ids", INT64, ["batch"]), ("h", FLOAT, ["batch", 4])],
            [("logits", FLOAT, ["batch", 4])],
            [("Identity", ["h"], ["logits"])],
            "first input",
        ),
        (
            [TOKEN, ("h", FLOAT, ["batch", 4])],
            [("logits", FLOAT, ["batch", 4]), ("h_next", FLOAT, ["batch", 4])],
            [("Identity", ["h"], ["logits"]), ("Identity", ["h"], ["h_next"])],
            "outputs are logits, h_next; expected logits, next_h",
        ),
        (
            [TOKEN, ("h", FLOAT, [1, 4])],
            [("logits", FLOAT, [1, 4]), ("next_h", FLOAT, [1, 4])],
            [("Identity", ["h"], ["logits"]), ("Identity", ["h"], ["next_h"])],
            "expected a symbolic batch first",
        ),
        (
            [TOKEN, ("h", FLOAT, ["batch", "hidden"])],
            [("logits", FLOAT, ["batch", "hidden"]), ("next_h", FLOAT, ["batch", "hidden"])],
            [("Identity", ["h"], ["logits"]), ("Identity", ["h"], ["next_h"])],
            "expected fixed sizes after batch",
        ),
        (
            [TOKEN, ("h", FLOAT, ["batch", 2**21])],
            [("logits", FLOAT, ["batch", 2**21]), ("next_h", FLOAT, ["batch", 2**21])],
            [("Identity", ["h"], ["logits"]), ("Identity", ["h"], ["next_h"])],
            "expected <= 1,048,576",
        ),
        (
            [TOKEN, ("h", DOUBLE, ["batch", 4]), ("g", FLOAT, ["batch", 4])],
            [(n, t, ["batch", 4]) for n, t in zip(OUTPUTS, (FLOAT, DOUBLE, FLOAT), strict=True)],
            [("Identity", [n], [m]) for n, m in zip("ghg", OUTPUTS, strict=True)],
            r"state h is tensor\(double\)",
        ),
    ],
    ids=["token", "names", "frozen batch", "open width", "huge width", "double"],
)
def test_a_graph_that_is_no_step_is_refused(inputs, outputs, nodes, reason):
    session = session_of(inputs, outputs, nodes)
    with pytest.raises(BundleError, match=reason):
        OnnxStep(session)


def test_a_file_that_is_no_graph_is_refused_in_one_line(tmp_path):
    path = tmp_path / "step.onnx"
    path.write_bytes(b"not a graph")
    with pytest.raises(BundleError, match="onnxruntime cannot open it") as caught:
        open_session(path)
    assert "\n" not in str(caught.value)
