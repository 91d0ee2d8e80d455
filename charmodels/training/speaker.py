"""A run's model as it would be shipped: the torch step, its n-gram, and all that a bundle knows."""

from pathlib import Path

from charmodels.models import CharModel
from charmodels.models.torch_step import TorchStep
from charmodels.ngram.cache import PAST
from charmodels.ngram.hybrid import Hybrid
from charmodels.runtime.balance import MIX, MIX_SIZE
from charmodels.runtime.bundle import Bundle, StateSpec
from charmodels.runtime.generation import StepModel
from charmodels.runtime.model import Model
from charmodels.runtime.sampling import Sampling
from charmodels.training.checkpoint import RunFacts, read_model
from charmodels.training.mixing import Expert, read_expert


def read_speaker(folder: Path, facts: RunFacts) -> Model:
    """The best model of a run, its n-gram with it, as it would be shipped.

    Raises:
        RunError: the run has no weights yet, or its files are broken.
    """
    expert = read_expert(folder, len(facts.vocabulary))
    return speaking_model(facts, read_model(folder, facts), expert)


def speaking_model(facts: RunFacts, model: CharModel, expert: Expert | None = None) -> Model:
    """A torch model with everything a bundle would know, for samples and parity."""
    step: StepModel = TorchStep(model)
    states = state_specs(model)
    if expert:
        step = Hybrid(step, expert.ngram, expert.weights, expert.cache)
        states = (*states, _contexts(expert), StateSpec(MIX, (MIX_SIZE,), "float32"))
        if expert.cache:
            states = (*states, StateSpec(PAST, (2, expert.cache.window), "int64"))
    return Model(step, _bundle(facts, states))


def speaking_ngram(facts: RunFacts, expert: Expert) -> Model:
    """A run's n-gram by itself: no network at all."""
    return Model(expert.ngram, _bundle(facts, (_contexts(expert),)))


def _contexts(expert: Expert) -> StateSpec:
    return StateSpec("n_0", (expert.ngram.order - 1,), "int64")


def _bundle(facts: RunFacts, states: tuple[StateSpec, ...]) -> Bundle:
    longest = int(facts.corpus["longest"])
    return Bundle(
        kind=facts.kind,
        vocabulary=facts.vocabulary,
        states=states,
        sampling=Sampling(temperature=0.7 if facts.kind == "text" else 0.8),
        max_chars=500 if facts.kind == "text" else min(longest + longest // 2, 1_000),
        metrics=facts.metrics or {},
    )


def state_specs(model: CharModel) -> tuple[StateSpec, ...]:
    """The network's states as a bundle lists them."""
    return tuple(
        StateSpec(name, tuple(value.shape[1:]), str(value.dtype).removeprefix("torch."))
        for name, value in model.initial_state().items()
    )
