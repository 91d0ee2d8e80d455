"""icefall and sherpa-onnx: an LSTM as their language model that scores one token at a time.

    x (N, 1) int64, h0 and c0 (layers, N, hidden)
        -> log_softmax (N, vocab), next_h0 and next_c0 as h0 and c0

The names, the shapes and the metadata are those of icefall's rnn_lm/export-onnx.py "with state".
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from charmodels.runtime.bundle import STEP, Bundle, read_bundle
from charmodels.runtime.errors import BundleError
from charmodels.runtime.vocabulary import BOUNDARY_ID

MODEL = "with-state.onnx"
TOKENS = "tokens.txt"

_NAMED = {"": "<sos/eos>", " ": "<space>", "\n": "<newline>", "\t": "<tab>"}
"""Symbols that readers, who part lines at white space, would lose; others as in <U+00A0>."""


def write_icefall(bundle: Path, out: Path) -> None:
    """Write OUT/with-state.onnx, and OUT/tokens.txt with a symbol and its id a line.

    Raises:
        BundleError: the model is no stack of LSTMs alone.
    """
    facts = read_bundle(bundle)
    graph = icefall_graph(onnx.load(str(bundle / STEP)), facts)
    out.mkdir(parents=True, exist_ok=True)
    onnx.save(graph, str(out / MODEL))
    symbols = enumerate(facts.vocabulary.symbols)
    lines = [f"{_written(symbol)} {index}\n" for index, symbol in symbols]
    (out / TOKENS).write_text("".join(lines), encoding="utf-8")


def _written(symbol: str) -> str:
    white = f"<U+{ord(symbol):04X}>" if symbol.isspace() else symbol
    return _NAMED.get(symbol, white)


def icefall_graph(step: onnx.ModelProto, bundle: Bundle) -> onnx.ModelProto:
    """The step's graph with icefall's door before it and behind it.

    Raises:
        BundleError: the model is no stack of LSTMs alone.
    """
    layers, hidden = _lstm_sizes(bundle)
    nodes = [helper.make_node("Squeeze", ["x", "axis_1"], ["token"])]
    behind = [helper.make_node("LogSoftmax", ["logits"], ["log_softmax"], axis=-1)]
    for kind in "hc":
        names = [f"{kind}_{layer}" for layer in range(layers)]
        stacked = [f"stacked_{name}" for name in names]
        nodes.append(helper.make_node("Split", [f"{kind}0"], stacked, axis=0, num_outputs=layers))
        for name, of_layer in zip(names, stacked, strict=True):
            nodes.append(helper.make_node("Squeeze", [of_layer, "axis_0"], [name]))
            whole = [f"next_{name}", "axis_0"]
            behind.append(helper.make_node("Unsqueeze", whole, [f"after_{name}"]))
        together = [f"after_{name}" for name in names]
        behind.append(helper.make_node("Concat", together, [f"next_{kind}0"], axis=0))
    states = [_value(f"{kind}0", TensorProto.FLOAT, layers, "N", hidden) for kind in "hc"]
    after = [_value(f"next_{kind}0", TensorProto.FLOAT, layers, "N", hidden) for kind in "hc"]
    axes = [numpy_helper.from_array(np.array([axis]), f"axis_{axis}") for axis in (0, 1)]
    vocab = len(bundle.vocabulary)
    graph = helper.make_graph(
        [*nodes, *step.graph.node, *behind],
        "rnnlm",
        [_value("x", TensorProto.INT64, "N", 1), *states],
        [_value("log_softmax", TensorProto.FLOAT, "N", vocab), *after],
        [*step.graph.initializer, *axes],
    )
    model = helper.make_model(
        graph, opset_imports=step.opset_import, ir_version=step.ir_version,
        producer_name="charmodels",
    )  # fmt: skip
    helper.set_model_props(model, _metadata(bundle, layers, hidden))
    onnx.checker.check_model(model, full_check=True)
    return model


def _metadata(bundle: Bundle, layers: int, hidden: int) -> dict[str, str]:
    config = bundle.provenance.get("model")
    embedding = config.get("embedding_size") if isinstance(config, Mapping) else None
    facts = {
        "model_type": "rnnlm",
        "version": 1,
        "model_author": "charmodels",
        "comment": "rnnlm state",
        "sos_id": BOUNDARY_ID,
        "eos_id": BOUNDARY_ID,
        "vocab_size": len(bundle.vocabulary),
        "num_layers": layers,
        "hidden_size": hidden,
        "embedding_dim": embedding or len(bundle.vocabulary),  # one-hot
    }
    return {name: str(value) for name, value in facts.items()}


def _lstm_sizes(bundle: Bundle) -> tuple[int, int]:
    """Layers and hidden size."""
    shapes = {state.name: state.shape for state in bundle.states}
    layers = len(shapes) // 2
    names = {f"{kind}_{layer}" for kind in "hc" for layer in range(layers)}
    config = bundle.provenance.get("model")
    arch = config.get("arch", "lstm") if isinstance(config, Mapping) else "lstm"
    is_lstm = arch == "lstm" and layers and shapes.keys() == names
    if not is_lstm or len(set(shapes.values())) > 1 or len(shapes["h_0"]) != 1:
        raise BundleError(
            f"icefall takes LSTMs alone; this is {arch} with the states {', '.join(shapes)}; "
            "train with --arch lstm, export with --no-ngram"
        )
    return layers, shapes["h_0"][0]


def _value(name: str, kind: int, *shape: str | int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)
