"""What other software expects of a bundle: Triton's, icefall's and Hugging Face's own readers."""

import importlib.util
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from huggingface_hub import ModelCard
from torch.nn.functional import log_softmax

from charmodels.models import build_model
from charmodels.runtime import load_bundle
from charmodels.runtime.bundle import METADATA_KEY, STEP, read_bundle, write_bundle
from charmodels.runtime.vocabulary import Vocabulary
from charmodels.training.checkpoint import MODEL, put_weights, read_tensors
from export.__main__ import main
from export.neighbours.icefall import MODEL as WITH_STATE
from export.parity import TOLERANCE
from export.writer import export_run
from tests.browser import missing
from tests.engines import ROOT
from tests.test_parity import quiet, write_run_folder
from tests.tiny import lstm_graph, tiny_bundle, write_golden

SHIPPED = ROOT / "demo" / "bundles"


def write(neighbour: str, bundle: Path, out: Path, *more: str) -> int:
    return main([str(bundle), "--for", neighbour, "--out", str(out), *more])


# --- Triton ---


@pytest.fixture(scope="module")
def model_config() -> Any:
    """Triton's own message types, from its client's package, which needs no gRPC for them."""
    found = importlib.util.find_spec("tritonclient")
    if found is None or found.submodule_search_locations is None:
        missing("tritonclient is not installed: pip install -e '.[conformance]'")
    assert found is not None
    path = Path(next(iter(found.submodule_search_locations or [])), "grpc", "model_config_pb2.py")
    spec = importlib.util.spec_from_file_location("model_config_pb2", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # made by an older protoc than the runtime
        spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["municipios", "dinosaurs"])
def test_triton_reads_its_configuration(name: str, model_config: Any, tmp_path: Path) -> None:
    """Every input and output of the graph is there, and each state begins at zero."""
    from google.protobuf import text_format

    out = tmp_path / name
    assert write("triton", SHIPPED / name, out) == 0
    text = (out / "config.pbtxt").read_text(encoding="utf-8")
    config = text_format.Parse(text, model_config.ModelConfig())
    session = ort.InferenceSession(out / "1" / "model.onnx")
    types = {"tensor(float)": "TYPE_FP32", "tensor(int64)": "TYPE_INT64"}
    inputs = {v.name: (types[v.type], v.shape[1:]) for v in session.get_inputs()}
    outputs = {v.name: (types[v.type], v.shape[1:]) for v in session.get_outputs()}
    named = model_config.DataType.Name
    assert (config.name, config.backend, config.max_batch_size) == (name, "onnxruntime", 64)
    (token,) = config.input
    assert inputs.pop(token.name) == (named(token.data_type), list(token.reshape.shape))
    assert token.HasField("reshape")
    assert list(token.dims) == [1]
    (logits,) = config.output
    assert outputs.pop(logits.name) == (named(logits.data_type), list(logits.dims))
    states = config.sequence_batching.state
    assert {s.input_name: (named(s.data_type), list(s.dims)) for s in states} == inputs
    assert {s.output_name: (named(s.data_type), list(s.dims)) for s in states} == outputs
    for state in states:
        (zero,) = state.initial_state
        assert zero.zero_data
        assert (zero.data_type, list(zero.dims)) == (state.data_type, list(state.dims))
    assert config.sequence_batching.oldest.max_candidate_sequences >= config.max_batch_size
    assert not config.sequence_batching.control_input  # it would have to be an input of the graph


def test_a_wrong_configuration_is_refused_by_that_reader(model_config: Any) -> None:
    from google.protobuf import text_format

    with pytest.raises(text_format.ParseError):
        text_format.Parse('name: "x" sequence_batching { stat { } }', model_config.ModelConfig())


# --- icefall ---


@pytest.mark.parametrize("shape", [(1, 12), (3, 0)], ids=["1 layer", "3, one-hot"])
def test_icefall_scores_as_torch_does(shape: tuple[int, int], tmp_path: Path) -> None:
    """200 tokens of three texts through its graph, beside nn.LSTM over the whole sequence."""
    layers, embedding = shape
    facts = write_run_folder(tmp_path / "run", "lstm", layers, False, embedding)
    export_run(tmp_path / "run", tmp_path / "bundle", report=quiet)
    assert write("icefall", tmp_path / "bundle", tmp_path / "lm") == 0
    model = build_model(len(facts.vocabulary), facts.model)
    put_weights(model, read_tensors(tmp_path / "run" / MODEL)[0], "test")
    rng = np.random.default_rng(1)
    tokens = rng.integers(0, len(facts.vocabulary), (3, 200))
    start = rng.standard_normal((2, layers, 3, 24)).astype(np.float32)
    states = {
        f"{k}_{i}": torch.tensor(start[n, i]) for n, k in enumerate("hc") for i in range(layers)
    }
    with torch.no_grad():
        expected, after = model.eval()(torch.tensor(tokens), states)
    session = ort.InferenceSession(tmp_path / "lm" / WITH_STATE)
    assert [v.name for v in session.get_inputs()] == ["x", "h0", "c0"]
    names = ["log_softmax", "next_h0", "next_c0"]
    assert [v.name for v in session.get_outputs()] == names
    h0, c0 = start
    for t in range(200):
        found, h0, c0 = session.run(names, {"x": tokens[:, t : t + 1], "h0": h0, "c0": c0})
        wanted = log_softmax(expected[:, t], dim=-1).numpy()
        assert found.shape == wanted.shape
        assert (np.abs(found - wanted) / np.maximum(1, np.abs(wanted))).max() <= TOLERANCE
    for n, state in enumerate((h0, c0)):
        for i in range(layers):
            assert np.allclose(state[i], after[f"{'hc'[n]}_{i}"].numpy(), atol=1e-4)
    about = session.get_modelmeta().custom_metadata_map
    assert METADATA_KEY not in about
    expected_facts = {
        "model_type": "rnnlm", "version": "1", "sos_id": "0", "eos_id": "0",
        "vocab_size": str(len(facts.vocabulary)), "num_layers": str(layers), "hidden_size": "24",
        "embedding_dim": str(embedding or len(facts.vocabulary)),
    }  # fmt: skip
    assert expected_facts.items() <= about.items()
    lines = (tmp_path / "lm" / "tokens.txt").read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["<sos/eos> 0", "<space> 1"]
    assert len(lines) == len(facts.vocabulary)


def test_every_line_of_the_tokens_is_a_word_and_its_id(tmp_path: Path) -> None:
    """Readers part lines at white space, of which Unicode has more than a space."""
    symbols = ("", *" \t\n\x0b\u00a0\u2028\u3000ñ€")
    bundle = replace(tiny_bundle(), vocabulary=Vocabulary(symbols))
    (tmp_path / "b").mkdir()
    write_bundle(tmp_path / "b", bundle, {STEP: lstm_graph(bundle).SerializeToString()}, 18)
    write_golden(tmp_path / "b")
    assert write("icefall", tmp_path / "b", tmp_path / "lm") == 0
    lines = (tmp_path / "lm" / "tokens.txt").read_text(encoding="utf-8").splitlines()
    assert [line.split()[1:] for line in lines] == [[str(i)] for i in range(len(symbols))]
    assert lines[5:7] == ["<U+00A0> 5", "<U+2028> 6"]


def test_the_next_command_uploads(
    names_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert write("hub", names_bundle, tmp_path / "card") == 0
    assert f"; next: hf upload USER/card {tmp_path / 'card'}\n" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["municipios", "dinosaurs"])
def test_icefall_takes_lstms_alone(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert write("icefall", SHIPPED / name, tmp_path / "lm") == 1
    assert "icefall takes LSTMs alone" in capsys.readouterr().err
    assert not (tmp_path / "lm").exists()


# --- Hugging Face ---


@pytest.mark.parametrize("name", sorted(p.parent.name for p in SHIPPED.glob("*/bundle.json")))
def test_the_card_is_what_hugging_face_reads(name: str, tmp_path: Path) -> None:
    out = tmp_path / name
    assert write("hub", SHIPPED / name, out) == 0
    card = ModelCard.load(out / "README.md")
    bundle = read_bundle(SHIPPED / name)
    results = {result.metric_type: result for result in card.data.eval_results or []}
    bits = results["bits_per_char"]
    assert bits.metric_value == bundle.metrics["bits_per_char"]
    assert bits.dataset_split == "test"
    assert bits.dataset_type == bundle.provenance["dataset"]
    assert card.data.license is None  # the data's is not the model's
    assert (card.data.library_name, card.data.pipeline_tag) == ("onnx", "text-generation")
    for fact in ("credit", "licence"):
        assert bundle.provenance[fact] in card.text
    copied = bundle.metrics["novel_share" if bundle.kind == "names" else "verbatim_share"]
    assert f"{copied:.1%} of" in card.text.split("## What it copies")[1]
    if bundle.kind == "text":
        longest = bundle.metrics["longest_verbatim"]
        assert f"longest passage that is the training text's has {longest} ch" in card.text
    model = load_bundle(out)
    assert len(card.data.widget) == 3
    for seed, example in enumerate(card.data.widget):
        (written,) = model.generate(1, prefix=example["text"], seed=seed, max_chars=120)
        assert example["output"]["text"] == written


def test_the_model_s_licence_is_the_one_that_was_chosen(
    names_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert write("hub", names_bundle, tmp_path / "card", "--licence", "cc-by-4.0") == 0
    card = ModelCard.load(tmp_path / "card" / "README.md")
    assert card.data.license == "cc-by-4.0"
    assert "Of the model: cc-by-4.0." in card.text
    assert write("hub", names_bundle, tmp_path / "other", "--licence", "public domain") == 2
    assert "expected a name like mit or cc-by-4.0" in capsys.readouterr().err
    assert write("triton", names_bundle, tmp_path / "other", "--licence", "mit") == 2
    assert "--for does nothing with --licence" in capsys.readouterr().err


def test_a_card_of_little_says_so(names_bundle: Path, tmp_path: Path) -> None:
    assert write("hub", names_bundle, tmp_path / "card") == 0
    card = ModelCard.load(tmp_path / "card" / "README.md")
    assert "Not measured" in card.text
    assert "Licence of the data: none stated." in card.text


# --- the command ---


def test_what_is_there_is_not_written_over(
    names_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert write("triton", names_bundle, tmp_path / "model") == 0
    assert write("triton", names_bundle, tmp_path / "model") == 1
    assert "write over it with --force" in capsys.readouterr().err
    assert write("triton", names_bundle, tmp_path / "model", "--force") == 0
    assert write("hub", tmp_path / "model", tmp_path / "model", "--force") == 1
    assert "is the bundle itself; choose another --out" in capsys.readouterr().err


def test_a_run_is_told_to_become_a_bundle_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}", encoding="utf-8")
    assert write("hub", tmp_path / "run", tmp_path / "card") == 1
    assert "make a bundle of it first: python -m export" in capsys.readouterr().err
