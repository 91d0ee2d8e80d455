"""The numpy RNN and LSTM: right gradients, the same model in three engines, runs like any other."""

import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from charmodels.__main__ import main
from charmodels.config import ModelConfig, TrainConfig
from charmodels.corpus.reading import read_corpus
from charmodels.corpus.splitting import split_corpus
from charmodels.models import CharModel, build_model
from charmodels.models.torch_step import TorchStep
from charmodels.runtime import load_bundle
from charmodels.runtime.generation import State, Stream
from charmodels.runtime.rows import generate_ids
from charmodels.runtime.sampling import Sampling
from charmodels.scratch import LSTM, RNN, Adagrad, check_gradients, lstm, rnn
from charmodels.training.checkpoint import read_run, weights_of, write_run, write_tensors
from charmodels.training.scratch_update import ScratchUpdater, scratch_of
from charmodels.training.train import new_facts
from export.parity import prove
from export.writer import export_run
from tests.runs import write_names

VOCAB, HIDDEN, TIME = 9, 7, 25
ARCHS = {"rnn": RNN, "lstm": LSTM}
TOLERANCE = 1e-6
"""Relative error of a gradient in float64; the right ones measure 1e-9."""

Window = tuple[np.ndarray, np.ndarray, State]


def window(model: RNN | LSTM, seed: int = 0) -> Window:
    """Inputs, targets and a state that is not zero."""
    rng = np.random.default_rng(seed)
    state = {
        name: rng.standard_normal(value.shape) / 2 for name, value in model.initial_state().items()
    }
    return rng.integers(0, VOCAB, TIME), rng.integers(0, VOCAB, TIME), state


@pytest.fixture(params=ARCHS)
def arch(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def model(arch: str) -> RNN | LSTM:
    return ARCHS[arch].fresh(VOCAB, HIDDEN, np.random.default_rng(1))


# --- gradients ---


def test_every_gradient_is_what_moving_the_weight_measures(model: RNN | LSTM) -> None:
    errors = check_gradients(model, *window(model))
    assert errors.keys() == model.weights.keys()
    assert max(errors.values()) <= TOLERANCE, errors


@pytest.mark.parametrize(
    ("module", "right", "wrong"),
    [
        (rnn, "1 - h[1:] ** 2", "1 + h[1:] ** 2"),
        (rnn, "dh[t] + W_hh_T @", "dh[t] - W_hh_T @"),
        (rnn, "targets] -= 1", "targets] += 1"),
        (lstm, "f * (1 - f)", "f * (1 + f)"),
        (lstm, "o * (1 - tanh_c**2)", "-o * (1 - tanh_c**2)"),
        (lstm, "from_y[t - 1] + W_h_T", "from_y[t - 1] - W_h_T"),
        (lstm, "dc = dc * f[t]", "dc = -dc * f[t]"),
    ],
)
def test_a_planted_sign_error_is_found(module: ModuleType, right: str, wrong: str) -> None:
    broken = changed(module, right, wrong)
    name = module.__name__.rpartition(".")[2].upper()
    model = getattr(broken, name).fresh(VOCAB, HIDDEN, np.random.default_rng(1))
    errors = check_gradients(model, *window(model))
    assert max(errors.values()) > 1_000 * TOLERANCE, errors


def changed(module: ModuleType, right: str, wrong: str) -> ModuleType:
    """The module with one passage replaced."""
    source = inspect.getsource(module)
    assert source.count(right) == 1, right
    spec = importlib.util.spec_from_loader(f"{module.__name__}_changed", loader=None)
    assert spec is not None
    broken = importlib.util.module_from_spec(spec)
    sys.modules[broken.__name__] = broken  # where dataclasses look for it
    try:
        exec(compile(source.replace(right, wrong), broken.__name__, "exec"), vars(broken))
    finally:
        del sys.modules[broken.__name__]
    return broken


def test_a_gradient_that_is_zero_has_no_error(model: RNN | LSTM) -> None:
    """One character from the zero state: the recurrent matrix is multiplied by nothing."""
    errors = check_gradients(model, np.array([3]), np.array([1]), model.initial_state())
    assert errors["W_hh" if isinstance(model, RNN) else "W_h"] == 0.0
    assert max(errors.values()) <= TOLERANCE


def test_autograd_finds_the_same_gradients(arch: str) -> None:
    torch_model = build(arch).double()
    scratch = scratch_of(torch_model)
    inputs, targets, state = window(scratch)
    gradients, nats, after = scratch.learn(inputs, targets, state)
    given = {name: torch.from_numpy(value) for name, value in state.items()}
    logits, torch_after = torch_model(torch.from_numpy(inputs)[None], given)
    loss = cross_entropy(logits[0], torch.from_numpy(targets), reduction="sum")
    loss.backward()  # type: ignore[no-untyped-call]
    assert nats == pytest.approx(loss.item(), rel=1e-12)
    found = dict(zip(scratch.weights, order_of_torch(torch_model), strict=True))
    for name, gradient in gradients.items():
        expected = found[name].grad
        assert expected is not None
        np.testing.assert_allclose(gradient, expected.numpy(), rtol=1e-9, atol=1e-12, err_msg=name)
    for name, value in after.items():
        np.testing.assert_allclose(value, torch_after[name].detach().numpy(), rtol=1e-12)


def build(arch: str, vocab: int = VOCAB) -> CharModel:
    torch.manual_seed(1)
    config = ModelConfig(arch=arch, embedding_size=0, hidden_size=HIDDEN, dropout=0.0)  # type: ignore[arg-type]
    model = build_model(vocab, config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


def order_of_torch(model: CharModel) -> list[torch.nn.Parameter]:
    named = dict(model.named_parameters())
    layer = "layers.0.rnn."
    names = [f"{layer}weight_ih_l0", f"{layer}weight_hh_l0", f"{layer}bias_ih_l0"]
    return [named[name] for name in (*names, "head.weight", "head.bias")]


# --- the rest of learning ---


def test_adagrad_is_torchs_once_gradients_are_cut() -> None:
    rng = np.random.default_rng(0)
    w = rng.standard_normal((5, 4))
    ours, theirs = {"w": w.copy()}, torch.nn.Parameter(torch.from_numpy(w.copy()))
    adagrad, limit = Adagrad(ours, rate=0.1, limit=1.0), 1.0
    reference = torch.optim.Adagrad([theirs], lr=0.1, eps=1e-8)
    for _ in range(20):
        gradient = rng.standard_normal(w.shape) * 2
        kept = gradient.copy()
        adagrad.update({"w": gradient})
        np.testing.assert_array_equal(gradient, kept)
        theirs.grad = torch.from_numpy(np.clip(gradient, -limit, limit))
        reference.step()
    np.testing.assert_allclose(ours["w"], theirs.detach().numpy(), rtol=1e-6)


def test_a_short_rhyme_is_learned_by_heart(model: RNN | LSTM) -> None:
    """The whole loop of the package's docstring."""
    rhyme = np.resize([1, 2, 3, 1, 4, 5, 1, 2, 6], 2_000)
    adagrad, state = Adagrad(model.weights), model.initial_state()
    nats = np.inf
    for start in range(0, len(rhyme) - TIME, TIME):
        part = rhyme[start : start + TIME + 1]
        gradients, nats, state = model.learn(part[:-1], part[1:], state)
        adagrad.update(gradients)
    assert nats / TIME < 0.1 * np.log(VOCAB), "1 is followed by 2, 4 and 2 again: it remembers"


def test_it_writes_by_the_same_loop_as_every_engine(model: RNN | LSTM) -> None:
    rows = list(generate_ids(model, np.array([2, 3]), 3, sampling=Sampling(), max_chars=9, seed=5))
    stream = Stream(model, np.array([2, 3]), sampling=Sampling(), max_chars=9, seed=5, row=2)
    assert list(stream) == rows[2]
    assert len({tuple(row) for row in rows}) == 3


def test_learning_leaves_the_state_it_was_given(model: RNN | LSTM) -> None:
    inputs, targets, state = window(model)
    before = {name: value.copy() for name, value in state.items()}
    model.learn(inputs, targets, state)
    for name, value in state.items():
        np.testing.assert_array_equal(value, before[name])


# --- one model, three engines ---


@pytest.fixture
def three(arch: str, tmp_path: Path) -> tuple[CharModel, Path, int]:
    """A torch model, the bundle made from it, and its vocabulary's size."""
    corpus = read_corpus(write_names(tmp_path))
    config = ModelConfig(arch=arch, embedding_size=0, hidden_size=HIDDEN, dropout=0.0)  # type: ignore[arg-type]
    facts = new_facts(corpus, split_corpus(corpus), config, TrainConfig(max_steps=1))
    run = tmp_path / "run"
    run.mkdir()
    model = build(arch, len(facts.vocabulary))
    write_run(run, facts)
    write_tensors(run / "model.safetensors", weights_of(model), {})
    bundle = export_run(run, tmp_path / "bundle", report=lambda line: None)
    return model, bundle, len(facts.vocabulary)


def test_numpy_torch_and_onnxruntime_say_the_same(three: tuple[CharModel, Path, int]) -> None:
    model, bundle, vocab = three
    scratch = scratch_of(model)
    for other in (TorchStep(model), load_bundle(bundle).step):
        for proof in prove(scratch, other, vocab):
            assert proof.difference.agrees, f"{type(other).__name__}: {proof}"


def test_another_weight_in_one_engine_is_noticed(three: tuple[CharModel, Path, int]) -> None:
    model, bundle, vocab = three
    shipped = load_bundle(bundle).step
    scratch = scratch_of(model)
    for name, w in scratch.weights.items():
        w.flat[-1] += 1e-3
        assert not all(p.difference.agrees for p in prove(scratch, shipped, vocab)), name
        w.flat[-1] -= 1e-3


def test_the_engines_share_their_weights(arch: str) -> None:
    model = build(arch)
    updater = ScratchUpdater(model, TrainConfig(learning_rate=0.1, clip=5.0))
    scratch_of(model).weights["b_y"][:] = 7
    assert torch.equal(updater.model.head.bias, torch.full((VOCAB,), 7.0))


# --- runs ---


def train(*arguments: str | Path) -> int:
    return main(["train", *map(str, arguments)])


def test_a_numpy_run_is_a_run(
    arch: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus, out = write_names(tmp_path), tmp_path / "run"
    flags = ("--engine", "numpy", "--arch", arch, "--hidden-size", "24", "--max-steps", "400")
    assert train(corpus, "--out", out, *flags) == 0
    facts = read_run(out)
    assert facts.training.learning_rate == 0.1, "the notebook's settings"
    assert facts.metrics is not None
    assert facts.metrics["nats_per_char"] < 0.6 * np.log(len(facts.vocabulary))
    assert main(["sample", str(out), "--count", "2"]) == 0
    export_run(out, tmp_path / "bundle", report=lambda line: None)
    assert load_bundle(tmp_path / "bundle").bundle.states[0].name == "h_0"


def test_it_refuses_what_it_does_not_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus, out = write_names(tmp_path), tmp_path / "run"
    for flags, said in (
        (("--arch", "gru"), "arch is gru; expected rnn or lstm"),
        (("--layers", "2"), "layers is 2; expected 1"),
        (("--dropout", "0.5"), "dropout is 0.5; expected 0"),
        (("--batch-size", "8"), "batch-size is 8; expected 1"),
        (("--device", "cuda"), "device is cuda; expected cpu or auto"),
    ):
        assert train(corpus, "--out", out, "--engine", "numpy", *flags) == 1
        assert said in capsys.readouterr().err
        assert not out.exists()


def test_a_numpy_recipe_keeps_its_engine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--recipe", "seed-municipios-rnn", "--engine", "torch")
    assert train("--out", tmp_path / "run", *flags) == 1
    assert "is for engine numpy; leave --engine out" in capsys.readouterr().err


def test_a_numpy_run_that_diverges_says_so_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--engine", "numpy", "--learning-rate", "1e38", "--max-steps", "300")
    assert train(write_names(tmp_path), "--out", tmp_path / "run", *flags) == 1
    assert "training diverged" in capsys.readouterr().err.splitlines()[-1]
