"""How notebooks 000 and 004 lay out a name, fault included, so that it can be measured.

They give Keras an array (length, 1, vocab), where Keras expects (batch, time, vocab): each
character becomes a sequence of its own, one character long, and starts from the zero state. The
recurrent matrix is multiplied by zero and never gets a gradient. When the notebooks then write
names, they carry the state through that matrix, as chance left it at the start.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from charmodels.config import ModelConfig
from charmodels.models import CharModel, build_model
from charmodels.recipes import ELMAN
from charmodels.runtime.vocabulary import BOUNDARY_ID, Ids


def columns(name: Ids) -> tuple[Tensor, Tensor]:
    """The notebooks' layout: inputs and targets (length, 1), batch where length belongs."""
    inputs, targets = sequence(name)
    return inputs.t(), targets.t()


def sequence(name: Ids) -> tuple[Tensor, Tensor]:
    """The right layout: inputs and targets (1, length), the boundary before and after."""
    whole = torch.from_numpy(np.concatenate([[BOUNDARY_ID], name, [BOUNDARY_ID]]))[None]
    return whole[:, :-1], whole[:, 1:]


def loss_of(model: CharModel, inputs: Tensor, targets: Tensor) -> Tensor:
    """Mean nats per character, every row from the zero state."""
    logits, _ = model(inputs, model.initial_state(len(inputs)))
    loss: Tensor = cross_entropy(logits.flatten(0, 1), targets.flatten())
    return loss


def fresh_model(vocab: int, seed: int = 0, config: ModelConfig = ELMAN) -> CharModel:
    torch.manual_seed(seed)
    return build_model(vocab, config)


def train_as_the_notebook(
    model: CharModel,
    names: Sequence[Ids],
    optimizer: torch.optim.Optimizer,
    steps: int,
    seed: int = 0,
) -> None:
    """One random name a step, in the notebooks' layout."""
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        loss = loss_of(model, *columns(names[int(rng.integers(len(names)))]))
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()


def nats_as_trained(model: CharModel, names: Sequence[Ids]) -> float:
    """Mean nats per character when, as in its training, the model knows one character only."""
    with torch.inference_mode():
        parts = [columns(name) for name in names]
        inputs, targets = (torch.cat(each) for each in zip(*parts, strict=True))
        return float(loss_of(model, inputs, targets))


def nats_as_sampled(model: CharModel, names: Sequence[Ids]) -> float:
    """Mean nats per character when, as in its sampling, the state is carried along the name."""
    from charmodels.evaluation.likelihood import name_nats

    return float(name_nats(model, names).sum() / sum(len(name) + 1 for name in names))
