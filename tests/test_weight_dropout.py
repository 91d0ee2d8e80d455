"""A random share of the recurrent matrices is missing while a step learns, and back afterwards."""

import pytest
import torch
from torch import nn

from charmodels.config import ModelConfig, TrainConfig
from charmodels.models import build_model
from charmodels.training.batches import Batch
from charmodels.training.update import Updater
from charmodels.training.weight_dropout import hidden_weights

INPUTS = torch.randint(1, 9, (4, 12), generator=torch.Generator().manual_seed(0))
BATCH = Batch(INPUTS[:, :-1], INPUTS[:, 1:], torch.ones(4, dtype=torch.bool), 44)


def test_a_share_is_missing_and_the_rest_is_larger() -> None:
    torch.manual_seed(0)
    matrix = nn.Parameter(torch.randn(200, 100))
    before = matrix.detach().clone()
    with hidden_weights([matrix], 0.25):
        missing = matrix == 0
        assert missing.float().mean().item() == pytest.approx(0.25, abs=0.01)
        torch.testing.assert_close(matrix[~missing], before[~missing] / 0.75)
        matrix.square().sum().backward()
    assert torch.equal(matrix, before)
    assert matrix.grad is not None
    assert torch.equal(matrix.grad == 0, missing)


def test_they_come_back_after_an_error() -> None:
    matrix = nn.Parameter(torch.ones(8, 8))
    with pytest.raises(ZeroDivisionError), hidden_weights([matrix], 0.5):
        raise ZeroDivisionError
    assert torch.equal(matrix, torch.ones(8, 8))


@pytest.mark.parametrize("arch", ["rnn", "gru", "gru_reset_before", "lstm"])
def test_the_loss_feels_it_and_zero_does_not(arch: str) -> None:
    def loss(share: float) -> float:
        torch.manual_seed(1)
        config = ModelConfig(arch=arch, embedding_size=8, hidden_size=16, dropout=0.0, layers=2)  # type: ignore[arg-type]
        model = build_model(9, config)
        assert len([m for each in model.recurrences() for m in each.recurrent_matrices()]) == 2
        updater = Updater(model, TrainConfig(weight_dropout=share), "float32")
        first = float(updater.update(BATCH, 0, 10))
        assert all(torch.isfinite(p).all() for p in model.parameters())
        return first

    assert loss(0.5) != loss(0.0)
    assert loss(0.0) == loss(0.0)


def test_a_model_without_such_matrices_learns_as_ever() -> None:
    """The default of a short list has some, and --arch mingru must not stumble over it."""
    config = ModelConfig(arch="mingru", embedding_size=8, hidden_size=16)
    losses = []
    for share in (0.0, 0.5):
        torch.manual_seed(1)
        updater = Updater(build_model(9, config), TrainConfig(weight_dropout=share), "float32")
        losses.append(float(updater.update(BATCH, 0, 10)))
    assert losses[0] == losses[1]
