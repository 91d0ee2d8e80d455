"""The scan: its sums and gradients are those of a plain loop; and of the cells built on it."""

import pytest
import torch
from torch import Tensor

from charmodels.config import ModelConfig
from charmodels.models import MODELS, CharModel, LinearRecurrence, build_model
from charmodels.models import scan as scan_module
from charmodels.models.scan import positive, scan

BATCH, TIME, HIDDEN = 3, 70, 5
LINEAR = [arch for arch, recurrence in MODELS.items() if issubclass(recurrence, LinearRecurrence)]
AT_ONCE = [*LINEAR, "gated_deltanet", "transformer"]
"""All that read a sequence without a step for each character."""


def plain(a: Tensor, b: Tensor, h: Tensor) -> Tensor:
    """The recurrence as it is written, left to autograd."""
    said = []
    for t in range(a.shape[1]):
        h = a[:, t] * h + b[:, t]
        said.append(h)
    return torch.stack(said, dim=1)


def numbers(time: int = TIME, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    """a of either sign, b, and a memory that is not zero, all wanting gradients."""
    generator = torch.Generator().manual_seed(5)
    a, b = torch.rand(2, BATCH, time, HIDDEN, generator=generator, dtype=dtype) * 2 - 1
    h = torch.randn(BATCH, HIDDEN, generator=generator, dtype=dtype)
    return a.requires_grad_(), b.requires_grad_(), h.requires_grad_()


def compare_gradients() -> None:
    """Of a loss that weighs every number differently, and of a, b and h alike."""
    given = numbers()
    weights = torch.randn(BATCH, TIME, HIDDEN, dtype=torch.float64)
    ours = torch.autograd.grad((scan(*given) * weights).sum(), given)
    theirs = torch.autograd.grad((plain(*given) * weights).sum(), given)
    for name, own, other in zip(("a", "b", "h"), ours, theirs, strict=True):
        assert torch.allclose(own, other, rtol=1e-12, atol=1e-12), f"gradient of {name}"


def test_it_sums_as_the_loop_does() -> None:
    given = numbers(dtype=torch.float32)
    assert torch.allclose(scan(*given), plain(*given), rtol=0, atol=1e-6)


def test_its_gradients_are_those_of_the_loop() -> None:
    compare_gradients()


@pytest.mark.parametrize("time", [1, 2, 6])
def test_its_gradients_are_the_slopes_of_its_sums(time: int) -> None:
    assert torch.autograd.gradcheck(scan, numbers(time))


def test_a_sequence_may_be_cut_anywhere() -> None:
    a, b, h = numbers()
    whole = scan(a, b, h)
    first = scan(a[:, :31], b[:, :31], h)
    second = scan(a[:, 31:], b[:, 31:], first[:, -1])
    assert torch.equal(torch.cat([first, second], dim=1), whole)
    cut, uncut = (torch.autograd.grad(said[:, -1].sum(), h)[0] for said in (second, whole))
    assert torch.allclose(cut, uncut, rtol=1e-12, atol=0), "the gradient crosses the cut"


def test_views_in_any_order_are_read_right() -> None:
    """As gates come: halves of one product; and as a transposed sequence."""
    a, b, h = (value.detach() for value in numbers())
    halves = torch.cat([a, b], dim=-1).chunk(2, dim=-1)
    turned = [value.transpose(0, 1).contiguous().transpose(0, 1) for value in (a, b)]
    expected = plain(a, b, h)
    for views in (halves, turned):
        views = [view.detach().requires_grad_() for view in views]
        assert torch.allclose(scan(*views, h), expected, rtol=0, atol=1e-12)
        ours = torch.autograd.grad(scan(*views, h).square().sum(), views)
        theirs = torch.autograd.grad(plain(*views, h).square().sum(), views)
        assert all(torch.allclose(x, y, rtol=1e-10) for x, y in zip(ours, theirs, strict=True))


def test_a_mistake_in_the_gradient_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The slip that is easiest to make: h_t where h_{t-1} belongs."""
    right = scan_module._Scan.backward

    def wrong(ctx: object, e: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        _, of_b, of_h = right(ctx, e)
        said = ctx.saved_tensors[1]  # type: ignore[attr-defined]
        return of_b * said, of_b, of_h

    monkeypatch.setattr(scan_module._Scan, "backward", staticmethod(wrong))
    with pytest.raises(AssertionError, match="gradient of a"):
        compare_gradients()


def test_g_is_the_papers() -> None:
    v = torch.linspace(-90, 90, 1001)
    assert torch.allclose(positive(v), torch.where(v >= 0, v + 0.5, torch.sigmoid(v)))


def trained(arch: str, block: bool) -> CharModel:
    torch.manual_seed(2)
    config = ModelConfig(
        arch=arch,  # type: ignore[arg-type]
        embedding_size=16,
        hidden_size=16,
        layers=2,
        block=block,
        dropout=0.0,
    )
    return build_model(11, config)


def read_both_ways(model: CharModel, is_carried: bool = True) -> tuple[Tensor, Tensor]:
    """Logits of a sequence at once, and by steps, from a carried state or from zero."""
    tokens = torch.randint(0, 11, (BATCH, TIME), generator=torch.Generator().manual_seed(3))
    carried = model.initial_state(BATCH)
    if is_carried:
        _, carried = model(tokens.flip(1), carried)
    at_once, _ = model(tokens, carried)
    stepped, state = [], carried
    for t in range(TIME):
        logits, state = model.step(tokens[:, t], state)
        stepped.append(logits)
    return at_once, torch.stack(stepped, dim=1)


@pytest.mark.parametrize("block", [False, True], ids=["plain", "block"])
@pytest.mark.parametrize("arch", MODELS)
@pytest.mark.parametrize("is_carried", [False, True], ids=["from zero", "carried"])
@pytest.mark.parametrize("is_bfloat16", [False, True], ids=["float32", "bfloat16"])
def test_forward_is_steps(arch: str, block: bool, is_carried: bool, is_bfloat16: bool) -> None:
    """Measured: 1e-6 in float32; under autocast, whose logits are rounded to 8e-3, 1.2e-4, and 2e-2
    where torch's own cell rounds in places of its own."""
    bfloat16 = 1e-2 if arch in AT_ONCE else 4e-2
    tolerance = bfloat16 if is_bfloat16 else 5e-6
    model = trained(arch, block)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=is_bfloat16):
        at_once, stepped = read_both_ways(model, is_carried)
    worst = float((at_once - stepped).abs().max())
    assert worst <= tolerance, f"{arch}: worst difference {worst:.1e}"


@pytest.mark.parametrize("block", [False, True], ids=["plain", "block"])
@pytest.mark.parametrize("arch", AT_ONCE)
def test_gradients_at_once_are_those_of_steps(arch: str, block: bool) -> None:
    model = trained(arch, block).double()
    time = 36  # more than one chunk
    tokens = torch.randint(0, 11, (BATCH, time), generator=torch.Generator().manual_seed(3))
    state = {
        name: torch.randn_like(value, dtype=torch.float64).requires_grad_()
        for name, value in model.initial_state(BATCH).items()
    }
    wanted = [*model.parameters(), *state.values()]
    at_once, _ = model(tokens, state)
    stepped, after = [], state
    for t in range(time):
        logits, after = model.step(tokens[:, t], after)
        stepped.append(logits)
    ours = torch.autograd.grad(at_once.square().sum(), wanted)
    theirs = torch.autograd.grad(torch.stack(stepped, dim=1).square().sum(), wanted)
    names = [*(name for name, _ in model.named_parameters()), *state]
    for name, own, other in zip(names, ours, theirs, strict=True):
        assert torch.allclose(own, other, rtol=1e-8, atol=1e-10), f"{arch}: gradient of {name}"


@pytest.mark.parametrize("block", [False, True], ids=["plain", "block"])
@pytest.mark.parametrize("arch", AT_ONCE)
def test_memory_stays_float32_under_autocast(arch: str, block: bool) -> None:
    model = trained(arch, block)
    tokens = torch.zeros(BATCH, 4, dtype=torch.int64)
    with torch.autocast("cpu", torch.bfloat16):
        _, after = model(tokens, model.initial_state(BATCH))
        _, stepped = model.step(tokens[:, 0], after)
    for state in (after, stepped):
        assert {value.dtype for value in state.values()} == {torch.float32}


@pytest.mark.parametrize(("arch", "first_gate"), [("mingru", -8), ("minlstm", 8), ("rglru", 0)])
def test_slow_fading_survives_autocast(arch: str, first_gate: float) -> None:
    """What is kept of h is near 0.9995: rounded to bfloat16 it would be 1."""
    recurrence = MODELS[arch](4, 4)
    with torch.no_grad():
        recurrence.get_parameter("gates.weight").zero_()
        recurrence.get_parameter("gates.bias").fill_(0.0)[:4] = first_gate
        x, state = torch.zeros(1, TIME, 4), {"h": torch.full((1, 4), 9.0)}
        expected, _ = recurrence(x, state)
        with torch.autocast("cpu", torch.bfloat16):
            said, _ = recurrence(x, state)
    assert torch.allclose(said, expected, rtol=0, atol=1e-5)
    assert (said[:, -1] < 8.95).all(), "it fades"


def test_gates_near_zero_do_not_divide_by_zero() -> None:
    """Both gates of a minLSTM closed at once, and an RG-LRU that does not fade at all."""
    for arch in LINEAR:
        recurrence = MODELS[arch](4, 4)
        with torch.no_grad():
            recurrence.get_parameter("gates.bias").fill_(-200.0)
        said, _ = recurrence(torch.randn(1, 3, 4), {"h": torch.ones(1, 4)})
        said.sum().backward()
        assert torch.isfinite(said).all(), arch
        for parameter in recurrence.parameters():
            assert parameter.grad is not None
            assert torch.isfinite(parameter.grad).all(), arch
