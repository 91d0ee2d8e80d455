"""A tiny LSTM bundle with random weights, written with onnx alone: tests of it need no torch."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, TensorProto, helper, numpy_helper

from charmodels.runtime.bundle import (
    METADATA_KEY,
    STEP,
    Bundle,
    Golden,
    Kind,
    StateSpec,
    read_bundle,
    write_bundle,
)
from charmodels.runtime.onnx_step import OnnxStep, open_session
from charmodels.runtime.sampling import Sampling
from charmodels.runtime.vocabulary import Vocabulary

SYMBOLS = ("", *" abcdefghijklmnopqrstuvwxyzñé\n")


def weights(vocab: int, hidden: int, seed: int = 0) -> dict[str, npt.NDArray[np.float32]]:
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> npt.NDArray[np.float32]:
        return rng.standard_normal(shape).astype(np.float32)

    return {
        "table": draw(vocab, 4 * hidden),
        "recurrent": draw(hidden, 4 * hidden) * np.float32(hidden**-0.5),
        "head": draw(hidden, vocab),
        "bias": draw(vocab) * np.float32(0.1),
    }


def lstm_graph(bundle: Bundle, seed: int = 0) -> ModelProto:
    """The folded LSTM step: gates i, f, o then candidate, one Gather and one MatMul."""
    vocab, hidden = len(bundle.vocabulary), bundle.states[0].shape[0]
    node = helper.make_node
    nodes = [
        node("Gather", ["table", "token"], ["from_token"]),
        node("MatMul", ["h_0", "recurrent"], ["from_h"]),
        node("Add", ["from_token", "from_h"], ["gates"]),
        node("Split", ["gates"], ["i", "f", "o", "g"], axis=1, num_outputs=4),
        *(node("Sigmoid", [gate], [f"{gate}_on"]) for gate in "ifo"),
        node("Tanh", ["g"], ["candidate"]),
        node("Mul", ["f_on", "c_0"], ["kept"]),
        node("Mul", ["i_on", "candidate"], ["added"]),
        node("Add", ["kept", "added"], ["next_c_0"]),
        node("Tanh", ["next_c_0"], ["cell"]),
        node("Mul", ["o_on", "cell"], ["next_h_0"]),
        node("Gemm", ["next_h_0", "head", "bias"], ["logits"]),
    ]

    def value(name: str, width: int) -> object:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width])

    token = helper.make_tensor_value_info("token", TensorProto.INT64, ["batch"])
    states = [value("h_0", hidden), value("c_0", hidden)]
    outputs = [value("logits", vocab), value("next_h_0", hidden), value("next_c_0", hidden)]
    initializers = [numpy_helper.from_array(v, k) for k, v in weights(vocab, hidden, seed).items()]
    graph = helper.make_graph(nodes, "step", [token, *states], outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {METADATA_KEY: json.dumps(bundle.facts())})
    return model


def tiny_bundle(kind: Kind = "names", hidden: int = 16) -> Bundle:
    return Bundle(
        kind=kind,
        vocabulary=Vocabulary(SYMBOLS),
        states=tuple(StateSpec(name, (hidden,), "float32") for name in ("h_0", "c_0")),
        sampling=Sampling(temperature=0.8),
        max_chars=40 if kind == "names" else 400,
        provenance={"dataset": "tiny", "recipe": None, "seed": 0},
        metrics={"parameters": 1234, "nats_per_char": 2.5, "bits_per_char": 3.6},
    )


def write_tiny(folder: Path, kind: Kind = "names", hidden: int = 16, seed: int = 0) -> Path:
    """Write a complete bundle into `folder` (made if missing) and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    bundle = tiny_bundle(kind, hidden)
    graph = lstm_graph(bundle, seed).SerializeToString()
    write_bundle(folder, bundle, {STEP: graph}, opset=18)
    return write_golden(folder, tuple(bundle.vocabulary.encode("abc").tolist()))


def write_golden(folder: Path, tokens: tuple[int, ...] = (1,)) -> Path:
    """Give the bundle in `folder` the golden logits of its own graph, and return it."""
    bundle = read_bundle(folder)
    step = OnnxStep(open_session(folder / STEP))
    state = step.initial_state()
    for token in tokens:
        logits, state = step.step(np.array([token]), state)
    golden = Golden(tokens=tokens, logits=tuple(logits[0].tolist()))
    proven = replace(bundle, golden=golden)
    (folder / "bundle.json").write_text(proven.to_json() + "\n", encoding="utf-8")
    return folder
