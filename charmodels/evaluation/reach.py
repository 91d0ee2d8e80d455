"""How far back a trained model's loss can feel its memory: vanishing gradients, measured.

Let s_t be the memory with which the model reads character t of a text, and loss_t what it then
pays for character t + 1. The curve at distance k is

    mean over t of || d loss_t / d s_{t-k} ||   divided by the same at k = 0

with the Euclidean norm over every number of the memory, all layers together; of an LSTM both h and
c, each taken as an input of its own, as the exported step has them. So at distance 0 stands the
memory that the last character met, and at k the one that met the character k before it. A curve
that falls fast belongs to a model whose training can hardly link a character to one far behind:
d loss_t / d s_{t-k} is a product of k Jacobians, whose size shrinks or grows by powers.

Source: Bengio, Simard and Frasconi 1994, doi:10.1109/72.279181; Pascanu, Mikolov and Bengio 2013,
"On the difficulty of training recurrent neural networks", arXiv:1211.5063, equation 5.
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from charmodels.models.base import CharModel, TorchState
from charmodels.runtime.errors import SettingError
from charmodels.runtime.sampling import Floats
from charmodels.runtime.vocabulary import Ids

POSITIONS = 500
"""Positions t the curve is a mean over at most, evenly spaced."""

WARM_UP = 100
"""Characters read before s_{t-k} of the largest k, so that no memory is that of a beginning."""

_ROWS = 100
"""Positions unrolled side by side: 200 MB for an LSTM of 128 over 60 characters."""


def measure_reach(model: CharModel, ids: Ids, distance: int) -> Floats:
    """The curve over one text's ids (time,), float64 (distance + 1,); the first number is 1.

    `model` is turned to float64, lest small gradients round to nothing.

    Raises:
        SettingError: `distance` is less than 1, or the text is shorter than a window of it.
    """
    longest = len(ids) - WARM_UP - 2
    if not 1 <= distance <= longest:
        raise SettingError(
            f"distance is {distance}; expected 1 to {max(1, longest)} on a text of "
            f"{len(ids):,} characters, of which {WARM_UP} are read first"
        )
    model = model.double().eval()
    tokens = torch.from_numpy(ids).to(model.head.weight.device)
    places = longest - distance + 1
    count = min(places, POSITIONS)
    starts = torch.arange(count, device=tokens.device) * places // count
    # What is read first, the characters that meet s_{t-k} to s_t, and character t + 1.
    time = torch.arange(WARM_UP + distance + 2, device=tokens.device)
    windows = tokens[starts[:, None] + time]  # (positions, time)
    norms = torch.stack([_norms(model, rows) for rows in torch.split(windows, _ROWS)]).sum(dim=0)
    curve: Floats = (norms / norms[0]).cpu().numpy()
    return curve


def _norms(model: CharModel, rows: Tensor) -> Tensor:
    """Norms of d loss_t / d s_{t-k}, summed over rows (batch, time), by k (distance + 1,)."""
    state: TorchState = {
        name: value.double() if value.is_floating_point() else value
        for name, value in model.initial_state(len(rows)).items()
    }
    with torch.no_grad():
        _, state = model(rows[:, :WARM_UP], state)
    memories: list[Tensor] = []  # of one character after the other, each with its entries
    for token in rows[:, WARM_UP:-1].T:  # (batch,)
        state = {name: _as_input(value) for name, value in state.items()}
        memories += [value for value in state.values() if value.requires_grad]
        logits, state = model.step(token, state)
    # A row's loss depends on its own memory alone: the gradient of the sum holds each row's own.
    loss = cross_entropy(logits, rows[:, -1], reduction="sum")
    gradients = torch.autograd.grad(loss, memories, materialize_grads=True)
    squares = torch.stack([(each.flatten(1) ** 2).sum(dim=1) for each in gradients])
    steps = rows.shape[1] - 1 - WARM_UP
    norms = squares.view(steps, -1, len(rows)).sum(dim=1).sqrt()  # (distance + 1, batch)
    return norms.sum(dim=1).flip(0)


def _as_input(value: Tensor) -> Tensor:
    """A copy that nothing but what reads it depends on: an LSTM's c apart from the h made of it."""
    if not value.is_floating_point():
        return value
    return value.clone() if value.requires_grad else value.clone().requires_grad_()
