"""Duchi, Hazan and Singer 2011, "Adaptive subgradient methods for online learning", section 1."""

from collections.abc import Mapping

import numpy as np

from charmodels.scratch.rnn import Floats, Gradients


class Adagrad:
    """Steps that shrink for each weight with the gradients it has seen.

        d   = clip(dL/dw, -limit, limit)        each number by itself, against explosions
        m_t = m_{t-1} + d^2
        w_t = w_{t-1} - rate * d / sqrt(m_t + 1e-8)

    Args:
        weights: the arrays to change, in place.
        rate: the first step's size.
        limit: gradients beyond it are cut.
    """

    def __init__(
        self, weights: Mapping[str, Floats], rate: float = 0.1, limit: float = 5.0
    ) -> None:
        self.weights, self.rate, self.limit = weights, rate, limit
        self.memory = {name: np.zeros_like(w) for name, w in weights.items()}
        """m, by weight; together with the weights all that a resumed training needs."""

    def update(self, gradients: Gradients) -> None:
        """One step against the gradients, which are left as they are."""
        for name, w in self.weights.items():
            d, m = np.clip(gradients[name], -self.limit, self.limit), self.memory[name]
            m += d * d
            w -= self.rate * d / np.sqrt(m + 1e-8)
