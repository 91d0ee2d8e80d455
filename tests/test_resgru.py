"""The residual minimal GRU: its written-out gradients are those of its equations."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import silu

from charmodels.config import ModelConfig
from charmodels.models import CharModel, ResGRU, build_model
from charmodels.models import resgru as resgru_module
from charmodels.models.resgru import gated, gated_memory, hide

BATCH, TIME, HIDDEN = 3, 7, 5


def numbers() -> tuple[Tensor, Tensor]:
    """Gates (time, batch, 3 hidden) and a memory that is not zero, float64."""
    generator = torch.Generator().manual_seed(5)
    gates = torch.randn(TIME, BATCH, 3 * HIDDEN, generator=generator, dtype=torch.float64)
    h = torch.randn(BATCH, HIDDEN, generator=generator, dtype=torch.float64)
    return gates.requires_grad_(), h.requires_grad_()


def plain(gates: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """The equations as they are written, left to autograd."""
    said = []
    for z, v, g in zip(*gates.chunk(3, dim=-1), strict=True):
        h = h + torch.sigmoid(z) * (v - h)
        said.append(h * silu(g))
    return torch.stack(said), h


def compare_gradients() -> None:
    """Of a loss that weighs every number differently, with the memory that is handed on."""
    given = numbers()
    said, last = gated_memory(*given)
    expected, expected_last = plain(*given)
    assert torch.allclose(said, expected, rtol=0, atol=1e-12)
    assert torch.allclose(last, expected_last, rtol=0, atol=1e-12)
    weights = torch.randn(said.shape, generator=torch.Generator().manual_seed(6)).double()
    ours = torch.autograd.grad((said * weights).sum() + last.square().sum(), given)
    theirs = torch.autograd.grad((expected * weights).sum() + expected_last.square().sum(), given)
    for name, own, other in zip(("gates", "h"), ours, theirs, strict=True):
        assert torch.allclose(own, other, rtol=1e-10, atol=1e-12), f"gradient of {name}"


def test_its_gradients_are_those_of_the_equations() -> None:
    compare_gradients()


def test_the_gated_mlp_has_the_gradients_of_its_slopes() -> None:
    assert torch.autograd.gradcheck(gated, numbers()[0][..., :8])


def test_a_mistake_in_the_gradient_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the memory handed on is worth, forgotten."""
    right = resgru_module._GatedMemory.backward

    def wrong(ctx: object, e: Tensor, of_last: Tensor) -> tuple[Tensor, Tensor]:
        return right(ctx, e, torch.zeros_like(of_last))

    monkeypatch.setattr(resgru_module._GatedMemory, "backward", staticmethod(wrong))
    with pytest.raises(AssertionError, match="gradient of gates"):
        compare_gradients()


def trained() -> CharModel:
    torch.manual_seed(2)
    config = ModelConfig(arch="resgru", embedding_size=12, hidden_size=16, layers=2, dropout=0.0)
    return build_model(11, config)


def read_both_ways(model: CharModel, time: int) -> tuple[Tensor, Tensor]:
    """Logits of a sequence at once, and character by character, from a carried state."""
    tokens = torch.randint(0, 11, (BATCH, 70), generator=torch.Generator().manual_seed(3))
    _, state = model(tokens.flip(1), model.initial_state(BATCH))
    pieces = tokens.split(time, dim=1)
    at_once, after = [], state
    for piece in pieces:
        logits, after = model(piece, after)
        at_once.append(logits)
    stepped = []
    for token in tokens.T:
        logits, state = model.step(token, state)
        stepped.append(logits)
    return torch.cat(at_once, dim=1), torch.stack(stepped, dim=1)


@pytest.mark.parametrize("time", [1, 2, 70], ids="windows of {}".format)
@pytest.mark.parametrize(
    ("is_bfloat16", "tolerance"), [(False, 5e-6), (True, 6e-2)], ids=["float32", "bfloat16"]
)
def test_at_once_is_one_by_one(time: int, is_bfloat16: bool, tolerance: float) -> None:
    """Also in windows shorter than the convolution. Measured: 1e-6, and 3.5e-2 under autocast,
    where the line is rounded to 8e-3 of itself."""
    model = trained()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=is_bfloat16):
        at_once, stepped = read_both_ways(model, time)
    worst = float((at_once.float() - stepped.float()).abs().max())
    assert worst <= tolerance, f"worst difference {worst:.1e}"


def test_gradients_at_once_are_those_of_steps() -> None:
    model = trained().double()
    tokens = torch.randint(0, 11, (BATCH, 20), generator=torch.Generator().manual_seed(3))
    state = {
        name: torch.randn_like(value, dtype=torch.float64).requires_grad_()
        for name, value in model.initial_state(BATCH).items()
    }
    wanted = [*model.parameters(), *state.values()]
    at_once, _ = model(tokens, state)
    stepped, after = [], state
    for token in tokens.T:
        logits, after = model.step(token, after)
        stepped.append(logits)
    ours = torch.autograd.grad(at_once.square().sum(), wanted)
    theirs = torch.autograd.grad(torch.stack(stepped, dim=1).square().sum(), wanted)
    names = [*(name for name, _ in model.named_parameters()), *state]
    for name, own, other in zip(names, ours, theirs, strict=True):
        assert torch.allclose(own, other, rtol=1e-8, atol=1e-10), f"gradient of {name}"


def test_memory_stays_float32_under_autocast() -> None:
    model = trained()
    tokens = torch.zeros(BATCH, 4, dtype=torch.int64)
    with torch.autocast("cpu", torch.bfloat16):
        _, after = model(tokens, model.initial_state(BATCH))
        _, stepped = model.step(tokens[:, 0], after)
    for state in (after, stepped):
        assert {value.dtype for value in state.values()} == {torch.float32}


def test_slow_fading_survives_autocast() -> None:
    """z is near 0.0003: what is kept would round to 1 in bfloat16."""
    layer = ResGRU(4, 4)
    with torch.no_grad():
        layer.gates.weight.zero_()
        layer.gates.bias.zero_()[:4] = -8
        x, state = torch.zeros(1, 70, 4), {"h": torch.full((1, 4), 9.0)}
        _, expected = layer(x, state)
        with torch.autocast("cpu", torch.bfloat16):
            _, after = layer(x, state)
    assert torch.allclose(after["h"], expected["h"], rtol=0, atol=1e-4)
    assert (after["h"] < 8.9).all(), "it fades"


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_it_hides_its_share_and_keeps_the_mean(share: float) -> None:
    torch.manual_seed(0)
    hidden = hide(torch.ones(400, 1001), share)
    assert float((hidden == 0).float().mean()) == pytest.approx(share, abs=4e-3)
    assert float(hidden.mean()) == pytest.approx(1, abs=0.05)
    columns = (hidden == 0).float().mean(dim=0)  # every byte of a drawn number alike
    assert float(columns.std()) == pytest.approx((share * (1 - share) / 400) ** 0.5, rel=0.2)


def test_dropout_hides_what_is_added_and_only_in_training() -> None:
    torch.manual_seed(0)
    layer = ResGRU(8, 8, dropout=0.5)
    x, state = torch.randn(2, 5, 8), {"h": torch.zeros(2, 8)}
    assert not torch.equal(layer(x, state)[0], layer(x, state)[0])
    layer.eval()
    assert torch.equal(layer(x, state)[0], layer(x, state)[0])
