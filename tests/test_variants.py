"""Smaller step graphs: near fp32 by measure, refused where they are not, and safe to load."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import charmodels.__main__
import export.__main__
from charmodels.runtime import BundleError, load_bundle
from charmodels.runtime.bundle import STEP, Golden, read_bundle, variant_file, write_bundle
from charmodels.runtime.generation import Array, State, walk
from charmodels.runtime.model import Model
from charmodels.runtime.onnx_step import OnnxStep, open_session
from charmodels.runtime.sampling import Ids, Logits, log_softmax
from charmodels.training.checkpoint import read_run
from charmodels.training.train import reopen_corpus
from demo.shelf import open_shelf
from export.check import _measure, check_bundle
from export.neighbours.hub import hub_card
from export.variants import VARIANTS, make
from export.variants.half import with_half_weights
from export.variants.held_out import ENOUGH, NOTHING, HeldOut, Piece, held_out
from export.variants.judge import compare_on, speeds
from export.variants.products import (
    quantise_blocks,
    quantise_outputs,
    write_int4_product,
    write_int8_product,
)
from export.variants.rewrite import Rule, rewrite
from export.variants.tables import code, write_table
from export.writer import export_run
from tests.runs import ROOT, TINY, write_text
from tests.tiny import lstm_graph, tiny_bundle, write_tiny

ALL = ("fp16", "int8", "int4")


def quiet(line: str) -> None:
    """Nobody reads the table here."""


# --- the arithmetic ---


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_neighbouring_bytes_never_overflow_sixteen_bits(inputs: int, outputs: int, seed: int):
    """Without VNNI, a processor adds two products of bytes in 16 bits and cuts off the rest."""
    matrix = np.random.default_rng(seed).standard_t(2, (inputs, outputs)).astype(np.float32)
    integers, scales = quantise_outputs(matrix)
    assert np.abs(integers * scales - matrix).max() <= 0.51 * scales.max()
    pairs = np.pad(integers.astype(int), ((0, inputs % 2), (0, 0))).reshape(-1, 2, outputs)
    for sign in (1, -1):
        assert 255 * np.maximum(sign * pairs, 0).sum(axis=1).max() < 2**15


def test_weights_of_zero_stay_zero():
    integers, scales = quantise_outputs(np.zeros((4, 3), np.float32))
    assert not integers.any()
    assert (scales > 0).all()
    packed, scales = quantise_blocks(np.zeros((40, 3), np.float32), 32)
    assert (packed == 0x88).all()
    assert (scales != 0).all()


def product(rule: Rule, node: onnx.NodeProto, given: Array, weights: dict[str, Array]) -> Array:
    """What the node gives once `rule` has written it anew."""
    size = given.shape[1]
    graph = helper.make_graph(
        [node],
        "step",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", size])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", "outputs"])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    smaller = rewrite(model, [rule])
    assert node.op_type not in {each.op_type for each in smaller.graph.node}, "it was left alone"
    import onnxruntime as ort

    session = ort.InferenceSession(smaller.SerializeToString(), providers=["CPUExecutionProvider"])
    result: Array = session.run(None, {"x": given})[0]
    return result


@pytest.mark.parametrize(
    ("rule", "error"), [(write_int8_product, 0.014), (write_int4_product, 0.12)]
)
@pytest.mark.parametrize("inputs", [24, 64, 160, 256])
def test_a_product_comes_out_nearly_as_it_was(rule: Rule, error: float, inputs: int):
    """As MatMul and as Gemm, its weights either way round, with something added or nothing."""
    random = np.random.default_rng(inputs)
    w, x = (random.standard_normal(s).astype(np.float32) for s in ((inputs, 40), (3, inputs)))
    bias = random.standard_normal(40).astype(np.float32)
    make_node = helper.make_node
    cases = [
        (make_node("MatMul", ["x", "w"], ["y"]), {"w": w}, x @ w),
        (make_node("Gemm", ["x", "w"], ["y"], transB=1), {"w": w.T.copy()}, x @ w),
        (make_node("Gemm", ["x", "w", "b"], ["y"]), {"w": w, "b": bias}, x @ w + bias),
    ]
    for node, weights, expected in cases:
        found = product(rule, node, x, weights)
        assert found.shape == expected.shape
        worst = np.abs(found - expected).mean() / np.abs(expected).mean()
        assert worst < error, node


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("Gemm", ["x", "w"], ["y"], alpha=0.5),
        helper.make_node("Gemm", ["x", "w"], ["y"], transA=1),
        helper.make_node("MatMul", ["w", "x"], ["y"]),
        helper.make_node("MatMul", ["x", "narrow"], ["y"]),
    ],
)
def test_other_products_are_left_alone(node: onnx.NodeProto):
    weights = {"w": np.ones((64, 64), np.float32), "narrow": np.ones((6, 64), np.float32)}
    given = np.ones((64, 6 if "narrow" in node.input else 64), np.float32)
    for rule in (write_int8_product, write_int4_product):
        with pytest.raises(AssertionError, match="left alone"):
            product(rule, node, given, weights)


def test_whole_numbers_stay_exact_and_codes_stay_near():
    random = np.random.default_rng(0)
    shares = np.append(random.random(5000) ** 8, 0.0).astype(np.float16)
    codes, meant = code(shares)
    assert codes.dtype == np.uint8
    assert meant.dtype == np.float16
    assert (meant[codes][shares == 0] == 0).all()
    seen = shares[shares > 1e-6].astype(float)
    assert np.abs(np.log(meant[codes][shares > 1e-6].astype(float) / seen)).max() < 0.06
    logs = -random.random(5000).astype(np.float16) * 9
    codes, meant = code(logs)
    assert np.abs(meant[codes].astype(float) - logs).max() < 9 / 255
    for largest, kind in ((200, np.uint8), (60_000, np.uint16)):
        table = random.integers(0, largest, 2000).astype(np.int32)
        table[0] = largest
        step = looked_up(table)
        (small,) = (t for t in step.graph.initializer if t.dims[0] == 2000)
        assert numpy_helper.to_array(small).dtype == kind
        assert np.array_equal(numpy_helper.to_array(small), table)
    with_more = looked_up(np.full(2000, 70_000, np.int32))
    assert [node.op_type for node in with_more.graph.node] == ["Gather"]


def looked_up(table: Array) -> onnx.ModelProto:
    """A graph that reads one table, its table written anew."""
    kind = helper.np_dtype_to_tensor_dtype(table.dtype)
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "x"], ["y"])],
        "step",
        [helper.make_tensor_value_info("x", TensorProto.INT64, ["batch"])],
        [helper.make_tensor_value_info("y", kind, ["batch"])],
        [numpy_helper.from_array(table, "table")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return rewrite(model, [write_table])


def test_weights_too_large_for_half_precision_stay():
    graph = lstm_graph(tiny_bundle())
    head = next(tensor for tensor in graph.graph.initializer if tensor.name == "head")
    large = numpy_helper.to_array(head).copy()
    large[0] = 1e6
    head.CopyFrom(numpy_helper.from_array(large, "head"))
    smaller = with_half_weights(graph)
    kinds = {tensor.name: tensor.data_type for tensor in smaller.graph.initializer}
    assert kinds["head"] == TensorProto.FLOAT
    assert TensorProto.FLOAT16 in kinds.values()


# --- a trained model ---


@pytest.fixture(scope="module")
def names_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An LSTM, and an n-gram beside it."""
    folder = tmp_path_factory.mktemp("names")
    towns = (ROOT / "data" / "mx_municipios.txt").read_text(encoding="utf-8").splitlines()
    (folder / "towns.txt").write_text("\n".join(towns[:600]), encoding="utf-8")
    more = ("--arch", "lstm", "--ngram", "auto", "--max-steps", "300")
    return train(folder / "towns.txt", folder / "run", *more)


@pytest.fixture(scope="module")
def text_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of many products."""
    folder = tmp_path_factory.mktemp("text")
    return train(
        write_text(folder),
        folder / "run",
        "--kind",
        "text",
        "--arch",
        "resgru",
        "--max-steps",
        "60",
    )


def train(corpus: Path, out: Path, *more: str) -> Path:
    assert charmodels.__main__.main(["train", str(corpus), "--out", str(out), *TINY, *more]) == 0
    return out


@pytest.fixture(scope="module", params=["names_run", "text_run"])
def run(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue(request.param)
    return folder


@pytest.fixture(scope="module")
def shipped(run: Path) -> tuple[Path, list[str]]:
    """The bundle of a run with all its variants, and what was said."""
    said: list[str] = []
    return export_run(run, run.parent / "bundle", variants=ALL, report=said.append), said


def test_each_variant_is_judged_written_and_said(shipped: tuple[Path, list[str]]) -> None:
    folder, said = shipped
    bundle = read_bundle(folder)
    assert bundle.sizes == ("fp32", *ALL)
    assert {variant_file(name) for name in bundle.sizes} <= {path.name for path in folder.iterdir()}
    facts = read_run(folder.parent / "run")
    validation = reopen_corpus(facts)[1].validation
    for name in ALL:
        judged = bundle.variants[name]
        assert 0 < judged.kl <= judged.kl_limit
        assert judged.accepted
        assert judged.judged_on == "validation"
        ends = len(validation) if bundle.kind == "names" else 0
        assert 0 <= sum(map(len, validation)) + ends - judged.characters < 32
        assert abs(judged.nats_change) < 5 * judged.nats_change_error + judged.kl
        assert 0.5 < judged.greedy_agreement <= 1
        assert judged.speed > 0
        assert judged.speed_at_64 > 0
    assert bundle.variants["fp16"].kl < bundle.variants["int8"].kl
    assert any("same likeliest character" in line for line in said)
    slow = [name for name in ALL if bundle.variants[name].speed < make._NOISE]
    for name in slow:
        assert any(line.startswith(f"{name} is slower than fp32 at batch 1") for line in said)


def test_a_variant_writes_and_checks(
    shipped: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = shipped
    names = [each.name for each in check_bundle(folder)]
    assert [name for name in names if name.endswith("golden")] == [
        "golden",
        *(f"{name}_golden" for name in ALL),
    ]
    for name in ALL:
        model = load_bundle(folder, variant=name)
        assert model.generate(1, seed=3)[0]
        assert load_bundle(folder / variant_file(name)).generate(1, seed=3)[0]
    words = ["sample", str(folder), "--seed", "3", "--count", "1", "--variant"]
    assert charmodels.__main__.main([*words, "int8"]) == 0
    expected = load_bundle(folder, variant="int8").generate(1, seed=3)[0]
    assert capsys.readouterr().out == expected + "\n"
    assert charmodels.__main__.main([*words, "int9"]) == 1
    assert "it has fp32, fp16, int8, int4" in capsys.readouterr().err


def test_both_cards_show_the_variants(shipped: tuple[Path, list[str]]) -> None:
    folder, _ = shipped
    bundle = read_bundle(folder)
    (speaker,) = open_shelf([folder], folder / "none")
    page, hub = speaker.card("en"), hub_card(bundle, "mine")
    for name in ALL:
        size = bundle.files[variant_file(name)].bytes
        assert f"Also as {name}: {size / 1e3:.0f} kB" in page
        assert f"| {name} | {size / 1e6:.2f} | {bundle.variants[name].kl:.1e} |" in hub
    refused = replace(bundle, files={STEP: bundle.files[STEP]})
    assert "## Variants" not in hub_card(refused, "mine")


def test_rows_of_int8_are_those_of_each_text_alone(shipped: tuple[Path, list[str]]) -> None:
    """To the last bit: what is rounded in a row depends on that row alone."""
    step = load_bundle(shipped[0], variant="int8").step
    tokens = np.arange(60).reshape(20, 3) % 9
    together, alone = step.initial_state(3), [step.initial_state() for _ in range(3)]
    for token in tokens:
        logits, together = step.step(token, together)
        for row in range(3):
            own, alone[row] = step.step(token[row : row + 1], alone[row])
            np.testing.assert_allclose(logits[row], own[0], rtol=0, atol=2e-5)


def test_a_run_has_no_variants_and_says_so(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert charmodels.__main__.main(["sample", str(run), "--variant", "int8"]) == 1
    assert "--variants fp32,int8" in capsys.readouterr().err


# --- refusal ---


def scaled(step: onnx.ModelProto, factor: float) -> onnx.ModelProto:
    """Like int8, but every scale of the weights is wrong."""
    model = VARIANTS["int8"](step)
    for tensor in model.graph.initializer:
        if tensor.name.endswith(".scale"):
            wrong = numpy_helper.to_array(tensor) * np.float32(factor)
            tensor.CopyFrom(numpy_helper.from_array(wrong, tensor.name))
    return model


def worse(step: onnx.ModelProto) -> onnx.ModelProto:
    return scaled(step, 4.0)


def broken(step: onnx.ModelProto) -> onnx.ModelProto:
    return scaled(step, np.nan)


def test_what_strays_is_refused_and_the_others_are_written(
    text_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(make, "VARIANTS", {**VARIANTS, "int8": worse, "int4": broken})
    out = tmp_path / "bundle"
    words = [str(text_run), "--out", str(out), "--variants", "fp32, fp16,int8,int4", "--no-weights"]
    assert export.__main__.main([*words, "--json"]) == 0
    answer, talk = capsys.readouterr()
    assert "int8 is refused: it strays" in talk
    assert "int4 is refused: its scores are not finite" in talk
    steps = {path.name for path in out.iterdir() if path.name.startswith("step")}
    assert steps == {STEP, variant_file("fp16")}
    said = json.loads(answer)["variants"]
    assert {name: figures["accepted"] for name, figures in said.items()} == {
        "fp16": True,
        "int8": False,
    }
    check_bundle(out)
    with pytest.raises(BundleError, match="no variant 'int8'; it has fp32, fp16"):
        load_bundle(out, variant="int8")


def test_an_unknown_variant_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert export.__main__.main(["run", "--out", "x", "--variants", "fp32,int9"]) == 2
    assert "expected some of fp32, fp16, int8, int4" in capsys.readouterr().err


def test_slower_is_said(monkeypatch: pytest.MonkeyPatch, tiny: OnnxStep, tmp_path: Path) -> None:
    at = {1: {"fp16": 1.2}, 64: {"fp16": 0.5}}
    monkeypatch.setattr(make, "speeds", lambda fp32, variants, batch: at[batch])
    said: list[str] = []
    tokens = np.ones((3, 2), np.int64)
    text, golden = HeldOut("here", [Piece(tokens, tokens)]), Golden((1,), (0.0,) * tiny.vocab)
    graph = lstm_graph(tiny_bundle())
    make.make_variants(graph, tiny, ["fp16"], text, golden, tmp_path, said.append)
    assert said[1:] == ["fp16 is slower than fp32 at batch 64 (0.50x)"]


def test_check_holds_a_variant_to_its_own_golden_tolerance(
    shipped: tuple[Path, list[str]], tmp_path: Path
) -> None:
    """Hashes mended by hand: only the golden vectors can tell."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    bundle = read_bundle(shipped[0])
    graphs = {name: (shipped[0] / name).read_bytes() for name in bundle.files}
    name = variant_file("int8")
    step = onnx.load_from_string(graphs[STEP])
    write_bundle(folder, replace(bundle, weights=None), graphs, 18)
    check_bundle(folder)
    graphs[name] = worse(step).SerializeToString()
    write_bundle(folder, replace(bundle, weights=None), graphs, 18)
    with pytest.raises(BundleError, match=r"step\.int8\.onnx: its logits differ from the golden"):
        check_bundle(folder)


# --- judging ---


class Forgetful:
    """A step model that never remembers."""

    def __init__(self, step: OnnxStep) -> None:
        self._step = step

    def initial_state(self, batch: int = 1) -> State:
        return self._step.initial_state(batch)

    def step(self, tokens: Ids, state: State) -> tuple[Logits, State]:
        return self._step.step(tokens, self.initial_state(len(tokens)))


@pytest.fixture
def tiny(tmp_path: Path) -> OnnxStep:
    return OnnxStep(open_session(write_tiny(tmp_path / "tiny") / STEP))


def test_likeness_is_measured_with_carried_states(tiny: OnnxStep) -> None:
    tokens = np.random.default_rng(0).integers(1, 30, (12, 4))
    targets = np.roll(tokens, -1, axis=0)
    targets[9:, 1] = NOTHING
    text = HeldOut("here", [Piece(tokens, targets)])
    found = compare_on(text, tiny, {"same": tiny, "forgetful": Forgetful(tiny)})
    assert len(found["same"].kl) == 12 * 4 - 3
    assert not found["same"].kl.any()
    assert not found["same"].nats_change.any()
    assert found["same"].agrees.all()
    like = found["forgetful"]
    state, kl, change = tiny.initial_state(4), [], []
    for token, target in zip(tokens, targets, strict=True):
        logits, state = tiny.step(token, state)
        p, q = log_softmax(logits), log_softmax(tiny.step(token, tiny.initial_state(4))[0])
        for row in np.flatnonzero(target != NOTHING):
            kl.append((np.exp(p[row]) * (p[row] - q[row])).sum())
            change.append(p[row, target[row]] - q[row, target[row]])
    np.testing.assert_allclose(like.kl, kl, atol=1e-12)
    np.testing.assert_allclose(like.nats_change, change, atol=1e-12)
    assert like.kl.mean() > 1e-6
    assert like.nats_change_error == pytest.approx(np.std(change) / np.sqrt(len(change)))


def test_speed_is_a_multiple_of_fp32_s(tiny: OnnxStep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("export.variants.judge._SECONDS", 0.003)

    class Slow(Forgetful):
        def step(self, tokens: Ids, state: State) -> tuple[Logits, State]:
            for _ in range(9):
                super().step(tokens, state)
            return super().step(tokens, state)

    plain = Forgetful(tiny)
    measured = speeds(plain, {"same": plain, "slow": Slow(tiny)}, batch=2)
    assert 0.5 < measured["same"] < 2
    assert measured["slow"] < 0.3


def test_held_out_text_is_validation_from_its_beginning(run: Path) -> None:
    facts = read_run(run)
    _, split = reopen_corpus(facts)
    text = held_out(facts, None)  # type: ignore[arg-type]
    read = []
    for piece in text.pieces:
        assert (piece.inputs[0] == 0).all()
        assert (piece.inputs[1:] == np.where(piece.targets < 0, 0, piece.targets)[:-1]).all() or (
            facts.kind == "names"
        )
        for row in piece.targets.T:
            read.append(facts.vocabulary.decode(row[row != NOTHING]))
    if facts.kind == "names":
        assert sorted(read) == sorted(split.validation)
        assert not set(read) & set(split.test)
    else:
        assert split.validation[0].startswith("".join(read))
        assert len(split.validation[0]) - len("".join(read)) < 32


def test_only_enough_of_a_long_text_is_read(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = read_run(run)
    _, split = reopen_corpus(facts)
    monkeypatch.setattr("export.variants.held_out.ENOUGH", 64)
    text = held_out(facts, None)  # type: ignore[arg-type]
    count = sum(int((piece.targets != NOTHING).sum()) for piece in text.pieces)
    assert 64 <= count < sum(map(len, split.validation))
    assert ENOUGH == 20_000


def test_where_nothing_is_held_out_the_model_s_own_writing_is_read(
    run: Path, tiny: OnnxStep
) -> None:
    facts = read_run(run)
    imported = replace(facts, corpus={**facts.corpus, "source": ""})
    text = held_out(imported, tiny)
    assert text.name == "its own writing"
    assert sum(piece.targets.size for piece in text.pieces) >= ENOUGH


@pytest.mark.parametrize("variant", ["fp16", "int8", "int4"])
def test_a_variant_is_held_to_itself_however_far_from_fp32_it_may_be(
    shipped: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch, variant: str
) -> None:
    model = load_bundle(shipped[0], variant=variant)
    judged = {variant: replace(model.bundle.variants[variant], golden_tolerance=0.9)}
    loose = Model(model.step, replace(model.bundle, variants=judged))
    _measure(loose, variant, "")

    class Off:
        """A walker that strays a little."""

        def __init__(self, *given: Any) -> None:
            self.walker = walk(*given)

        def advance(self, ids: Any) -> Any:
            return self.walker.advance(ids) + np.float32(0.05)

    monkeypatch.setattr("export.check.walk", Off)
    with pytest.raises(BundleError, match="carried states go wrong"):
        _measure(loose, variant, "")


@pytest.mark.parametrize("tolerance", [1.01, 1e30, -1e-9])
def test_a_tolerance_that_proves_nothing_is_refused(
    shipped: tuple[Path, list[str]], tmp_path: Path, tolerance: float
) -> None:
    folder = Path(shutil.copytree(shipped[0], tmp_path / "bundle"))
    facts = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    facts["variants"]["int8"]["golden_tolerance"] = tolerance
    (folder / "bundle.json").write_text(json.dumps(facts), encoding="utf-8")
    assert load_bundle(folder, variant="fp16")
    with pytest.raises(BundleError, match=r"int8 has golden_tolerance .* expected at most 1"):
        load_bundle(folder, variant="int8")


def test_a_bundle_of_our_own_may_be_larger_than_a_strangers(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("export.writer", "charmodels.runtime.verify"):
        monkeypatch.setattr(f"{module}.MAX_BYTES", 5_000)
    said: list[str] = []
    out = export_run(run, tmp_path / "large", weights=False, report=said.append)
    assert "larger than 5,000 bytes: opens by load_bundle(..., trusted=True) only" in said
    with pytest.raises(BundleError, match=r"larger than 5,000 bytes.*trusted=True"):
        load_bundle(out)
    assert load_bundle(out, trusted=True).generate(1, max_chars=5)


# --- a stranger's int4 ---


def packed_step() -> onnx.ModelProto:
    """The tiny step with all of its products in 4 bits: 16 inputs, in blocks of 32."""
    return VARIANTS["int4"](lstm_graph(tiny_bundle()))


def load(graph: onnx.ModelProto, folder: Path, name: str = "step.int4.onnx") -> None:
    folder.mkdir(exist_ok=True)
    graphs = {STEP: lstm_graph(tiny_bundle()).SerializeToString(), name: graph.SerializeToString()}
    write_bundle(folder, tiny_bundle(), graphs, 18)
    load_bundle(folder, variant=name.split(".")[1])


def test_int4_passes_the_structural_check_and_only_as_int4(tmp_path: Path) -> None:
    assert "MatMulNBits" in {node.op_type for node in packed_step().graph.node}
    with pytest.raises(BundleError, match="no figures of variant int4"):  # the next thing wanted
        load(packed_step(), tmp_path)
    with pytest.raises(BundleError, match="operator sets"):
        load(packed_step(), tmp_path, "step.int8.onnx")
    (tmp_path / "alone.onnx").write_bytes(packed_step().SerializeToString())
    with pytest.raises(BundleError, match="operator sets"):
        load_bundle(tmp_path / "alone.onnx")


def spoiled() -> Iterator[tuple[str, onnx.ModelProto, str]]:
    """int4 graphs that lie, each with the reason for which it must be refused."""
    for what, value in (("K", 2**40), ("N", 1), ("bits", 8), ("block_size", 48), ("K", 40)):
        graph = packed_step()
        node = next(node for node in graph.graph.node if node.op_type == "MatMulNBits")
        (attribute,) = (each for each in node.attribute if each.name == what)
        attribute.i = value
        yield f"{what} {value}", graph, "MatMulNBits"
    graph = packed_step()
    node = next(node for node in graph.graph.node if node.op_type == "MatMulNBits")
    node.attribute.append(helper.make_attribute("future", 1))
    yield "an unknown attribute", graph, "expected 4 bits"
    graph = packed_step()
    node = next(node for node in graph.graph.node if node.op_type == "MatMulNBits")
    node.input.append("h_0")
    yield "one input more", graph, "has weights"
    graph = packed_step()
    node = next(node for node in graph.graph.node if node.op_type == "MatMulNBits")
    node.input[1] = "c_0"
    yield "weights that are a state", graph, "has weights"
    graph = packed_step()
    graph.graph.node.append(
        helper.make_node("FusedGemm", ["h_0", "h_0"], ["z"], domain="com.microsoft")
    )
    yield "another operator", graph, "FusedGemm"
    graph = packed_step()
    node = next(node for node in graph.graph.node if node.op_type == "MatMulNBits")
    node.op_type = "MatMulBnb4"
    yield "nearly the operator", graph, "MatMulBnb4"
    graph = packed_step()
    graph.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    yield "a third domain", graph, "operator sets"


@pytest.mark.parametrize(
    ("graph", "reason"),
    [pytest.param(graph, reason, id=name) for name, graph, reason in spoiled()],
)
def test_an_int4_graph_that_lies_is_refused(
    graph: onnx.ModelProto, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(*_: object) -> None:
        raise AssertionError("onnxruntime was given the graph")

    monkeypatch.setattr("charmodels.runtime.model.open_session", opened)
    with pytest.raises(BundleError, match=reason) as caught:
        load(graph, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("spoil", ["kl", "golden_tolerance", "characters", "judged_on"])
def test_figures_that_are_none_are_refused(
    shipped: tuple[Path, list[str]], tmp_path: Path, spoil: str
) -> None:
    facts = json.loads((shipped[0] / "bundle.json").read_text(encoding="utf-8"))
    facts["variants"]["int8"][spoil] = [1]
    (tmp_path / "bundle.json").write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(BundleError, match=r"variants"):
        read_bundle(tmp_path)
