"""Every recurrence, held to the same promises: a new one in MODELS is tested before it is known."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from charmodels.config import ModelConfig
from charmodels.models import MODELS, Block, CharModel, GatedDeltaNet, Transformer, build_model
from charmodels.models.base import TorchState
from charmodels.models.transformer import WINDOW
from charmodels.runtime.errors import SettingError

VOCAB, BATCH, TIME = 13, 3, 17
TOLERANCE = 5e-6
SHAPES = {
    "one-layer": ModelConfig(embedding_size=6, hidden_size=10, dropout=0.5),
    "three-layers": ModelConfig(embedding_size=6, hidden_size=10, layers=3, dropout=0.5),
    "one-hot": ModelConfig(embedding_size=0, hidden_size=10, dropout=0.5),
    "tied": ModelConfig(embedding_size=10, hidden_size=10, tied=True, dropout=0.5),
    "block": ModelConfig(embedding_size=10, hidden_size=10, block=True, dropout=0.5),
    "two-tied-blocks": ModelConfig(
        embedding_size=10, hidden_size=10, layers=2, tied=True, block=True, dropout=0.5
    ),
}


@pytest.fixture(params=MODELS)
def arch(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=SHAPES)
def model(request: pytest.FixtureRequest, arch: str) -> CharModel:
    config = replace(SHAPES[request.param], arch=arch)  # type: ignore[arg-type]
    torch.manual_seed(1)
    model = build_model(VOCAB, config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


def tokens(seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, VOCAB, (BATCH, TIME), generator=generator)


def carried(model: CharModel) -> TorchState:
    """A state that is not zero: the one after some other text."""
    with torch.no_grad():
        return model(tokens(9), model.initial_state(BATCH))[1]


def close(a: Tensor, b: Tensor, what: str) -> None:
    """Equal but for float32's rounding, beside the largest number."""
    worst = float((a - b).abs().max() / b.abs().max().clamp(min=1))
    assert worst <= TOLERANCE, f"{what}: worst difference {worst:.1e} of the largest"


@pytest.mark.parametrize("start", ["zero", "carried"])
def test_steps_equal_the_sequence(model: CharModel, start: str) -> None:
    state = model.initial_state(BATCH) if start == "zero" else carried(model)
    inputs = tokens()
    with torch.no_grad():
        logits, after = model(inputs, state)
        for t in range(TIME):
            stepped, state = model.step(inputs[:, t], state)
            close(stepped, logits[:, t], f"{model.config.arch} logits at character {t}")
    assert list(state) == list(after)
    for name in after:
        close(state[name], after[name], f"{model.config.arch} state {name}")


def test_a_sequence_may_be_read_in_two_halves(model: CharModel) -> None:
    inputs = tokens()
    with torch.no_grad():
        whole, end = model(inputs, model.initial_state(BATCH))
        first, middle = model(inputs[:, :7], model.initial_state(BATCH))
        second, other_end = model(inputs[:, 7:], middle)
    close(torch.cat([first, second], dim=1), whole, f"{model.config.arch} logits")
    for name in end:
        close(other_end[name], end[name], f"{model.config.arch} state {name}")


def test_rows_are_independent(model: CharModel) -> None:
    inputs = tokens()
    with torch.no_grad():
        together, _ = model(inputs, model.initial_state(BATCH))
        alone, _ = model(inputs[1:2], model.initial_state(1))
    close(together[1:2], alone, f"{model.config.arch} row 1")


def test_nothing_sees_the_future(model: CharModel) -> None:
    inputs, changed = tokens(), tokens()
    changed[:, 10] = (changed[:, 10] + 1) % VOCAB
    with torch.no_grad():
        before, _ = model(inputs, model.initial_state(BATCH))
        after, _ = model(changed, model.initial_state(BATCH))
    assert torch.equal(before[:, :10], after[:, :10]), f"{model.config.arch} looked ahead"
    assert not torch.equal(before[:, 10], after[:, 10])


def test_memory_matters(model: CharModel) -> None:
    token = tokens()[:, 0]
    with torch.no_grad():
        fresh, _ = model.step(token, model.initial_state(BATCH))
        later, _ = model.step(token, carried(model))
    assert not torch.allclose(fresh, later)


def test_a_step_leaves_its_state_alone(model: CharModel) -> None:
    state = carried(model)
    copies = {name: value.clone() for name, value in state.items()}
    with torch.no_grad():
        model.step(tokens()[:, 0], state)
    for name, value in state.items():
        assert torch.equal(value, copies[name]), f"{model.config.arch} wrote into {name}"


def test_gradients_reach_every_weight(model: CharModel) -> None:
    model.train()
    logits, _ = model(tokens(), model.initial_state(BATCH))
    logits.square().mean().backward()  # type: ignore[no-untyped-call]
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name
            assert parameter.grad.abs().sum() > 0, f"{name} learns nothing"


def test_tied_weights_are_counted_once(arch: str) -> None:
    sizes = {"embedding_size": 8, "hidden_size": 8}
    tied = build_model(VOCAB, ModelConfig(arch=arch, tied=True, **sizes))  # type: ignore[arg-type]
    free = build_model(VOCAB, ModelConfig(arch=arch, **sizes))  # type: ignore[arg-type]
    assert free.parameter_count() - tied.parameter_count() == VOCAB * 8


def test_lstm_has_one_bias_a_gate() -> None:
    config = ModelConfig(arch="lstm", embedding_size=256, hidden_size=1024)
    assert build_model(92, config).parameter_count() == 5_364_828


@pytest.mark.parametrize("arch", ["rnn", "gru", "lstm"])
def test_gates_start_orthogonal_and_an_lstm_remembers(arch: str) -> None:
    """Each gate's recurrent matrix keeps lengths, and only the forget gate's bias is not zero."""
    model = build_model(VOCAB, ModelConfig(arch=arch, hidden_size=10))  # type: ignore[arg-type]
    _, w_h, b, _ = model.recurrences()[0].rnn.all_weights[0]  # type: ignore[union-attr]
    for gate in w_h.detach().split(10):
        torch.testing.assert_close(gate @ gate.T, torch.eye(10), atol=1e-5, rtol=0)
    forget = slice(10, 20) if arch == "lstm" else slice(0)
    assert (b[forget] == 1).all()
    assert b.count_nonzero() == len(b[forget])


@pytest.mark.parametrize(("vocab", "parameters"), [(109, 3_375 + 2_834), (27, 1_325 + 702)])
def test_one_hot_has_the_notebooks_sizes(vocab: int, parameters: int) -> None:
    """What the summaries of notebooks 000 and 004 print: one-hot, SimpleRNN 25, dense."""
    config = ModelConfig(arch="rnn", embedding_size=0, hidden_size=25)
    assert build_model(vocab, config).parameter_count() == parameters


def test_one_hot_is_for_small_vocabularies() -> None:
    with pytest.raises(SettingError, match="at most 4,096"):
        build_model(4_097, ModelConfig(embedding_size=0))


def test_the_check_would_notice_a_wrong_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    from charmodels.models.lstm import LSTM

    right = LSTM.cell

    def wrong(self: LSTM, projected: Tensor, state: TorchState) -> tuple[Tensor, TorchState]:
        i, f, g, o = projected.chunk(4, dim=-1)
        return right(self, torch.cat([f, i, g, o], dim=-1), state)

    monkeypatch.setattr(LSTM, "cell", wrong)
    model = build_model(VOCAB, ModelConfig(embedding_size=6, hidden_size=10)).eval()
    with pytest.raises(AssertionError, match="logits at character"):
        test_steps_equal_the_sequence(model, "zero")


def test_the_check_would_notice_a_turned_convolution(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Block.cell

    def wrong(self: Block, projected: Tensor, state: TorchState) -> tuple[Tensor, TorchState]:
        said, after = right(self, projected, state)
        return said, {**after, "conv": after["conv"].flip(1)}

    monkeypatch.setattr(Block, "cell", wrong)
    model = build_model(VOCAB, SHAPES["block"]).eval()
    with pytest.raises(AssertionError, match="logits at character 1"):
        test_steps_equal_the_sequence(model, "zero")


def test_a_block_is_as_wide_as_its_line() -> None:
    expected = r"blocks need embedding-size \(64\) = hidden-size \(160\)"
    with pytest.raises(SettingError, match=expected):
        ModelConfig(block=True)


def test_a_block_hides_what_it_adds_and_never_the_line() -> None:
    torch.manual_seed(0)
    block = Block(MODELS["mingru"](8, 8), dropout=1.0).train()
    x = torch.randn(BATCH, TIME, 8)
    state = {"h": torch.zeros(BATCH, 8), "conv": torch.zeros(BATCH, 3, 8)}
    assert torch.equal(block(x, state)[0], x)
    assert not torch.equal(block.eval()(x, state)[0], x)


def test_the_delta_rule_replaces_what_stood_under_a_key() -> None:
    """Kept whole and corrected whole: what a key reads is what was written there last."""
    delta = GatedDeltaNet(4, 8)
    keys, values = torch.eye(8)[:2], torch.randn(3, 8)
    state = {"S": torch.zeros(1, 1, 8, 8)}
    for key, value in ((0, 0), (1, 1), (0, 2)):
        log_a, e = torch.zeros(1), torch.ones(1)
        projected = torch.cat([keys[0], keys[key], values[value], log_a, e])
        said, state = delta.cell(projected[None], state)
        assert torch.allclose(said, values[0 if key else value])
    assert torch.allclose(keys @ state["S"][0, 0], values[[2, 1]])


def test_gates_of_a_delta_rule_may_close() -> None:
    for bias in (-200.0, 200.0):
        delta = GatedDeltaNet(4, 8)
        with torch.no_grad():
            delta.gates.bias.fill_(bias)
        said, after = delta(torch.randn(2, 40, 4), {"S": torch.ones(2, 1, 8, 8)})
        (said.sum() + after["S"].sum()).backward()
        for name, parameter in delta.named_parameters():
            assert parameter.grad is not None
            assert torch.isfinite(parameter.grad).all(), name


def test_attention_ends_with_its_window() -> None:
    attention = Transformer(4, 8)
    x = torch.randn(1, 2 * WINDOW, 4)
    changed = torch.cat([x[:, :5], x[:, 5:6] + 1, x[:, 6:]], dim=1)
    state = {name: torch.zeros(1, WINDOW - 1, 8) for name in ("k", "v")}
    with torch.no_grad():
        said, other = (attention(each, state)[0][0] for each in (x, changed))
    is_changed = [not torch.equal(a, b) for a, b in zip(said, other, strict=True)]
    assert is_changed == [False] * 5 + [True] * WINDOW + [False] * (WINDOW - 5)
