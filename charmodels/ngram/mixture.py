"""A network and an n-gram that write together: each gives its probabilities, and both are mixed.

    P(w) = weight P_ngram(w) + (1 - weight) P_network(w)

The n-gram knows by heart what often came; the network judges what never did. Neither needs to know
of the other, so both are made alone, and one number is fitted on what neither has read.

Source: Jelinek and Mercer 1980, "Interpolated estimation of Markov source parameters from sparse
data"; for networks Mikolov et al. 2011, "Empirical evaluation and combination of advanced language
modeling techniques", section 4.
"""

from dataclasses import dataclass

import numpy as np

from charmodels.ngram.automaton import Automaton
from charmodels.runtime.generation import State, StepModel
from charmodels.runtime.sampling import Floats, Logits, log_softmax
from charmodels.runtime.vocabulary import Ids


@dataclass(frozen=True)
class Mixture:
    """A `StepModel` made of two; its state is the network's, and then the n-gram's `n_0`."""

    network: StepModel
    ngram: Automaton
    weight: float
    """Of the n-gram, 0 to 1."""

    def initial_state(self, batch: int = 1) -> State:
        """The state of both before the first character of `batch` texts."""
        return {**self.network.initial_state(batch), **self.ngram.initial_state(batch)}

    def step(self, tokens: Ids, state: State) -> tuple[Logits, State]:
        """Read tokens (batch,), return log-probabilities (batch, vocab), nats, and a new state."""
        of_network = {name: value for name, value in state.items() if name != "n_0"}
        logits, next_network = self.network.step(tokens, of_network)
        log_chances, next_ngram = self.ngram.step(tokens, {"n_0": state["n_0"]})
        mixed = self.weight * np.exp(log_chances.astype(np.float64))
        mixed += (1 - self.weight) * np.exp(log_softmax(logits))
        return np.log(mixed).astype(np.float32), {**next_network, **next_ngram}


def mix_nats(network: Floats, ngram: Floats, weight: float) -> Floats:
    """What the mixture pays for characters whose price for each is known; nats (chars,)."""
    nats: Floats = -np.log((1 - weight) * np.exp(-network) + weight * np.exp(-ngram))
    return nats


def fit_weight(network: Floats, ngram: Floats) -> float:
    """The n-gram's weight at which held-out characters cost least together.

    Their likelihood has one top: its slope only falls with the weight, so the weight where it is
    zero is found by halving.

    Args:
        network: nats of each character (chars,), of a part that neither has learned from.
        ngram: the same of the n-gram.
    """
    p, q = np.exp(-network), np.exp(-ngram)
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        slope = ((q - p) / (middle * q + (1 - middle) * p)).sum()
        low, high = (middle, high) if slope > 0 else (low, middle)
    return (low + high) / 2
