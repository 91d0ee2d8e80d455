"""Is a gradient written by hand right? Move every weight a little and see what the loss does."""

import numpy as np

from charmodels.runtime.generation import State
from charmodels.runtime.sampling import Ids
from charmodels.scratch.lstm import LSTM
from charmodels.scratch.rnn import RNN


def check_gradients(
    model: RNN | LSTM, inputs: Ids, targets: Ids, state: State, distance: float = 1e-5
) -> dict[str, float]:
    """The relative error of each weight's gradient against central differences.

        n = (L(w + distance) - L(w - distance)) / (2 distance)     for each number w of a weight
        error = |d - n| / (|d| + |n|)                              lengths over the whole weight

    Everything is computed in float64; a right gradient has errors near 1e-9, a sign that is wrong
    somewhere has errors near 1. Costs two losses a number: use a small model.

    Args:
        model: whose `learn` is checked.
        inputs: ids (time,).
        targets: ids (time,).
        state: the state before the window; not zero, so that every term matters.
        distance: how far each weight is moved.

    Returns:
        The error of each weight, by its letters.
    """
    model = type(model)(**{name: w.astype(np.float64) for name, w in model.weights.items()})
    state = {name: value.astype(np.float64) for name, value in state.items()}
    by_hand, _, _ = model.learn(inputs, targets, state)
    errors = {}
    for name, w in model.weights.items():
        measured = np.empty(w.shape)
        for place in np.ndindex(w.shape):
            here = w[place]
            w[place] = here + distance
            above = model.loss(inputs, targets, state)
            w[place] = here - distance
            below = model.loss(inputs, targets, state)
            w[place] = here
            measured[place] = (above - below) / (2 * distance)
        d = by_hand[name]
        length = np.linalg.norm(d) + np.linalg.norm(measured)
        errors[name] = float(np.linalg.norm(d - measured) / length) if length else 0.0
    return errors
