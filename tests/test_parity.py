"""The bundle speaks as the model did, for every recurrence; and a wrong one is caught."""

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from onnx import numpy_helper

from charmodels.config import ModelConfig, TrainConfig
from charmodels.corpus.reading import read_corpus
from charmodels.corpus.splitting import split_corpus
from charmodels.models import MODELS, CharModel, build_model
from charmodels.models.torch_step import TorchStep
from charmodels.runtime import BundleError, Model, load_bundle
from charmodels.runtime.bundle import METADATA_KEY, STEP, WEIGHTS, read_bundle, variant_file
from charmodels.runtime.onnx_step import OnnxStep, open_session
from charmodels.runtime.verify import verify_graph
from charmodels.training.checkpoint import (
    MODEL,
    RunFacts,
    read_tensors,
    weights_of,
    write_run,
    write_tensors,
)
from charmodels.training.speaker import speaking_model
from charmodels.training.train import new_facts
from export.__main__ import main
from export.check import check_bundle
from export.parity import TOLERANCE, compare, prove, prove_prefill, written_tokens
from export.variants import VARIANTS
from export.variants.products import product_of
from export.writer import export_run
from tests.runs import write_names

SHAPES: dict[str, dict[str, Any]] = {
    "1": {"layers": 1, "tied": False},
    "2-tied": {"layers": 2, "tied": True},
    "1-one-hot": {"layers": 1, "tied": False, "embedding_size": 0},
    "2-blocks": {"layers": 2, "tied": False, "embedding_size": 24, "block": True},
    "1-block": {"layers": 1, "tied": False, "embedding_size": 24, "block": True},
}
EVERY = ("1", "2-tied", "1-one-hot", "2-blocks")
TRIED = {"lstm": EVERY, "gru": EVERY, "gated_deltanet": ("1-block",), "transformer": ("1-block",)}
"""Each export takes seconds: of the others "1" and "2-blocks"."""


def quiet(line: str) -> None:
    """Nobody reads the table here."""


def write_run_folder(
    folder: Path,
    arch: str,
    layers: int,
    tied: bool,
    embedding_size: int = 12,
    block: bool = False,
) -> RunFacts:
    """A run whose weights are random but as large as trained ones."""
    folder.mkdir(parents=True)
    corpus = read_corpus(write_names(folder))
    config = ModelConfig(
        arch=arch,  # type: ignore[arg-type]
        layers=layers,
        tied=tied,
        embedding_size=24 if tied else embedding_size,
        hidden_size=24,
        block=block,
    )
    facts = new_facts(corpus, split_corpus(corpus), config, TrainConfig(max_steps=1))
    torch.manual_seed(3)
    model = build_model(len(facts.vocabulary), config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    write_run(folder, facts)
    write_tensors(folder / MODEL, weights_of(model), {})
    return facts


@pytest.fixture(
    scope="module",
    params=[(arch, shape) for arch in MODELS for shape in TRIED.get(arch, ("1", "2-blocks"))],
    ids="-".join,
)
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, RunFacts, CharModel]:
    folder = tmp_path_factory.mktemp("parity")
    arch, shape = request.param
    facts = write_run_folder(folder / "run", arch, **SHAPES[shape])
    export_run(folder / "run", folder / "bundle", report=quiet)
    model = build_model(len(facts.vocabulary), facts.model)
    from charmodels.training.checkpoint import put_weights

    put_weights(model, read_tensors(folder / "run" / MODEL)[0], "test")
    return folder / "run", folder / "bundle", facts, model.eval()


def test_torch_and_onnxruntime_agree(exported: tuple[Path, Path, RunFacts, CharModel]) -> None:
    _, bundle, facts, model = exported
    shipped = load_bundle(bundle)
    engines = TorchStep(model), shipped.step
    vocab = len(facts.vocabulary)
    proofs = [p for restart in (False, True) for p in prove(*engines, vocab, restart=restart)]
    walks = {(proof.batch, proof.steps) for proof in proofs}
    assert walks == {(len(facts.vocabulary), 2), (1, 200), (2, 200), (5, 200)}
    states = list(model.initial_state())
    assert [p.difference.output for p in proofs if p.batch == 1] == ["logits", *states] * 2
    for proof in proofs:
        assert proof.difference.agrees, f"{facts.model.arch}: {proof}"


def test_a_prompt_read_at_once_ends_where_its_steps_do(
    exported: tuple[Path, Path, RunFacts, CharModel],
) -> None:
    _, bundle, facts, _ = exported
    step = load_bundle(bundle).step
    assert isinstance(step, OnnxStep)
    assert step.prefill
    proofs = [p for r in (False, True) for p in prove_prefill(step, step.prefill, restart=r)]
    assert {(proof.batch, proof.steps) for proof in proofs} >= {(1, 1), (5, 9), (1, 300), (5, 150)}
    for proof in proofs:
        assert proof.difference.agrees, f"{facts.model.arch}: {proof}"


def test_int8_and_int4_stay_near_fp32(
    exported: tuple[Path, Path, RunFacts, CharModel], tmp_path: Path
) -> None:
    """Every recurrence, where the stock quantiser knows only some; its logits as they vary."""
    _, bundle, facts, _ = exported
    step = onnx.load(bundle / STEP)
    fp32 = load_bundle(bundle).step
    for variant, near in (("int8", 0.12), ("int4", 0.4)):
        smaller = VARIANTS[variant](step)
        products = [n for n in step.graph.node if product_of(n, weights_in(step)) is not None]
        left = [n for n in smaller.graph.node if product_of(n, weights_in(smaller)) is not None]
        assert products, "nothing to write anew"
        assert not left, f"{facts.model.arch}: {left[0].output} is as it was"
        path = tmp_path / variant_file(variant)
        path.write_bytes(smaller.SerializeToString())
        verify_graph(path, read_bundle(bundle), variant)
        found = OnnxStep(open_session(path))
        state_a, state_b, errors, spread = fp32.initial_state(4), found.initial_state(4), [], []
        for token in written_tokens(fp32, 30, 4, restart=True):
            a, state_a = fp32.step(token, state_a)
            b, state_b = found.step(token, state_b)
            errors.append(b - a)
            spread.append(a)
        share = float(np.std(errors) / np.std(spread))
        assert 0 < share < near, (
            f"{facts.model.arch}: {variant} is off by {share:.3f} of its logits"
        )


def weights_in(model: onnx.ModelProto) -> dict[str, npt.NDArray[Any]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def test_they_write_the_same_text(exported: tuple[Path, Path, RunFacts, CharModel]) -> None:
    _, bundle, facts, model = exported
    shipped, trained = load_bundle(bundle), speaking_model(facts, model)
    for settings in ({"temperature": 0.0}, {"temperature": 0.8}, {"top_k": 5, "top_p": 0.9}):
        for seed in range(3):
            expected = "".join(trained.stream("Sa", seed=seed, max_chars=40, **settings))  # type: ignore[arg-type]
            assert "".join(shipped.stream("Sa", seed=seed, max_chars=40, **settings)) == expected  # type: ignore[arg-type]
    assert np.allclose(shipped.score("San Ana"), trained.score("San Ana"), atol=1e-5)


def test_one_weight_changed_a_little_is_caught(
    exported: tuple[Path, Path, RunFacts, CharModel], tmp_path: Path
) -> None:
    """Each trainable tensor of the torch model in turn, one element moved by 1e-3."""
    _, bundle, facts, model = exported
    shipped = load_bundle(bundle)
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        element = parameter.view(-1)[-1]  # of the last, so rarest, character for embeddings
        with torch.no_grad():
            element.add_(1e-3)
            proofs = prove(TorchStep(model), shipped.step, len(facts.vocabulary), steps=50)
            is_noticed = any(not proof.difference.agrees for proof in proofs)
            element.sub_(1e-3)
        assert is_noticed, f"{name} changed and nobody noticed"


def test_the_graph_is_what_the_contract_says(
    exported: tuple[Path, Path, RunFacts, CharModel],
) -> None:
    _, bundle, facts, model = exported
    graph = onnx.load(bundle / STEP)
    states = list(model.initial_state())
    assert [value.name for value in graph.graph.input] == ["token", *states]
    names = ["logits", *(f"next_{state}" for state in states)]
    assert [value.name for value in graph.graph.output] == names
    for value in (*graph.graph.input, *graph.graph.output):
        assert value.type.tensor_type.shape.dim[0].dim_param == "batch"
    assert {entry.domain for entry in graph.opset_import} == {""}
    assert graph.opset_import[0].version == 18
    metadata = {entry.key: entry.value for entry in graph.metadata_props}
    written = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    assert json.loads(metadata[METADATA_KEY]).items() <= written.items()
    table = {t.name: numpy_helper.to_array(t) for t in graph.graph.initializer}
    assert any(t.shape[0] == len(facts.vocabulary) for t in table.values())
    of_weights = [n.op_type for n in graph.graph.node if n.input and set(n.input) <= table.keys()]
    assert not of_weights, "computed in every step though they never change"
    weights = {name: value.detach().numpy() for name, value in model.named_parameters()}
    kept = {name for name, weight in weights.items() if holds(table.values(), weight)}
    folded = {"rnn.weight_ih_l0", "gates.weight", "gate.weight", "norm.weight", "taps.weight"}
    if "layers.0.taps.weight" in weights:  # the first product; norm and gates come after it
        folded = {"taps.weight"}
    assert "head.bias" in kept
    assert not kept & {f"layers.0.{name}" for name in folded}, "folded into the table"


def holds(table: Iterable[npt.NDArray[Any]], weight: npt.NDArray[Any]) -> bool:
    """Whether it is in the graph, as it is or turned; another test may have rounded it."""
    both_ways = (turned for t in table for turned in (t, t.T) if turned.shape == weight.shape)
    return any(np.allclose(t, weight, rtol=0, atol=1e-6) for t in both_ways)


def test_a_lone_graph_speaks_too(exported: tuple[Path, Path, RunFacts, CharModel]) -> None:
    _, bundle, _, _ = exported
    alone, whole = load_bundle(bundle / STEP), load_bundle(bundle)
    assert alone.generate(3, seed=1) == whole.generate(3, seed=1)


def test_weights_travel_in_float16(exported: tuple[Path, Path, RunFacts, CharModel]) -> None:
    _, bundle, _, model = exported
    tensors, about = read_tensors(bundle / WEIGHTS)
    assert about["model"]["arch"] == model.config.arch
    for name, value in model.named_parameters():
        assert tensors[name].dtype == torch.float16
        assert torch.allclose(tensors[name].float(), value, atol=2e-3)


def test_changed_weights_are_noticed(exported: tuple[Path, Path, RunFacts, CharModel]) -> None:
    _, bundle, _, _ = exported
    path = bundle / WEIGHTS
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(BundleError, match="changed since"):
            check_bundle(bundle)
    finally:
        path.write_bytes(whole)


def test_nothing_private_travels(exported: tuple[Path, Path, RunFacts, CharModel]) -> None:
    run, bundle, facts, _ = exported
    assert str(run.parent) in str(facts.corpus["source"]), "the run knows where its corpus was"
    for path in bundle.iterdir():
        assert str(run.parent).encode() not in path.read_bytes(), path.name
        assert b"site-packages" not in path.read_bytes(), path.name


@pytest.fixture
def broken_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """An export whose graph is one weight off."""
    from export import writer

    write_run_folder(tmp_path / "run", "lstm", 1, False)
    build = writer.build_step_graph

    def off_by_one_weight(model: CharModel, bundle: object) -> onnx.ModelProto:
        with torch.no_grad():
            model.head.weight[1, 1] += 1e-3
            graph = build(model, bundle)  # type: ignore[arg-type]
            model.head.weight[1, 1] -= 1e-3
        return graph

    monkeypatch.setattr(writer, "build_step_graph", off_by_one_weight)
    return tmp_path / "run", tmp_path / "out" / "bundle"


def test_a_wrong_export_leaves_nothing(
    broken_export: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = broken_export
    assert main([str(run), "--out", str(out)]) == 1
    captured = capsys.readouterr()
    assert "DIFFERS" in captured.out
    assert "disagree, nothing was written" in captured.err
    assert list(out.parent.iterdir()) == []


def test_an_old_bundle_survives_a_wrong_export(broken_export: tuple[Path, Path]) -> None:
    run, out = broken_export
    out.mkdir(parents=True)
    (out / "bundle.json").write_text("old")
    with pytest.raises(BundleError, match="exists"):
        export_run(run, out, report=quiet)
    with pytest.raises(BundleError, match="disagree"):
        export_run(run, out, force=True, report=quiet)
    assert (out / "bundle.json").read_text() == "old"
    assert [path.name for path in out.parent.iterdir()] == ["bundle"]


def test_force_never_replaces_what_is_no_bundle(tmp_path: Path) -> None:
    write_run_folder(tmp_path / "run", "rnn", 1, False)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    with pytest.raises(BundleError, match="is no bundle"):
        export_run(tmp_path / "run", precious, force=True, report=quiet)
    assert (precious / "thesis.txt").read_text() == "years of work"


def test_force_replaces_a_bundle(tmp_path: Path) -> None:
    write_run_folder(tmp_path / "run", "rnn", 1, False)
    out = tmp_path / "bundles" / "mine"
    export_run(tmp_path / "run", out, report=quiet)
    before = read_bundle(out)
    export_run(tmp_path / "run", out, force=True, weights=False, report=quiet)
    assert read_bundle(out).vocabulary == before.vocabulary
    assert not (out / WEIGHTS).exists()
    assert [path.name for path in out.parent.iterdir()] == ["mine"]


def test_check_finds_another_graph_under_the_same_name(tmp_path: Path) -> None:
    """Hashes mended by hand: only the golden vectors can tell."""
    write_run_folder(tmp_path / "run", "gru", 1, False)
    out = export_run(tmp_path / "run", tmp_path / "bundle", report=quiet)
    every = {"golden", "rows_independent", "walk_equals_step", "prefill_equals_steps"}
    assert {each.name for each in check_bundle(out)} == every
    graph = onnx.load(out / STEP)
    for tensor in graph.graph.initializer:
        if "weight_hh" in tensor.name:
            values = numpy_helper.to_array(tensor).copy()
            values[0] += 0.05
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    (out / STEP).write_bytes(graph.SerializeToString())
    with pytest.raises(BundleError, match="sha256 differs"):
        check_bundle(out)
    facts = json.loads((out / "bundle.json").read_text(encoding="utf-8"))
    import hashlib

    data = (out / STEP).read_bytes()
    facts["files"][STEP] |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    (out / "bundle.json").write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(BundleError, match="differ from the golden ones"):
        check_bundle(out)


def test_a_run_without_weights_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run_folder(tmp_path / "run", "rnn", 1, False)
    (tmp_path / "run" / MODEL).unlink()
    assert main([str(tmp_path / "run"), "--out", str(tmp_path / "x")]) == 1
    assert "--resume" in capsys.readouterr().err
    assert main([str(tmp_path / "nowhere"), "--out", str(tmp_path / "x")]) == 1
    assert "a run is made with: python -m charmodels train" in capsys.readouterr().err


def test_compare_sees_shapes_nan_and_missing_states(tmp_path: Path) -> None:
    write_run_folder(tmp_path / "run", "lstm", 1, False)
    export_run(tmp_path / "run", tmp_path / "bundle", report=quiet)
    model: Model = load_bundle(tmp_path / "bundle")
    engine = model.step
    tokens = written_tokens(engine, 3, 2)

    class Wrong:
        initial_state = staticmethod(engine.initial_state)

        def step(self, tokens: np.ndarray, state: dict[str, np.ndarray]) -> object:
            logits, after = engine.step(tokens, state)
            return np.where(logits > 0, np.nan, logits).astype(np.float32), after

    worst = {d.output: d for d in compare(engine, Wrong(), tokens)}  # type: ignore[arg-type]
    assert not worst["logits"].agrees
    assert worst["h_0"].agrees
    assert worst["h_0"].scaled <= TOLERANCE


def test_a_session_may_be_shared_by_two_engines(tmp_path: Path) -> None:
    write_run_folder(tmp_path / "run", "lstm", 1, False)
    out = export_run(tmp_path / "run", tmp_path / "bundle", report=quiet)
    session = open_session(out / STEP)
    a, b = OnnxStep(session), OnnxStep(session)
    tokens = written_tokens(a, 20, 2)
    assert all(difference.raw == 0 for difference in compare(a, b, tokens))


def test_the_exporter_keeps_its_talk_to_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of this model it would complain that it cannot fold a Split of weights."""
    write_run_folder(tmp_path / "run", "gru_reset_before", **SHAPES["1"])
    export_run(tmp_path / "run", tmp_path / "bundle", report=quiet)
    assert capsys.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
