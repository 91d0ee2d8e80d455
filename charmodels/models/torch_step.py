"""Torch behind `StepModel`: numpy in, numpy out, one loop and one sampler for all engines."""

import numpy as np
import torch

from charmodels.models.base import CharModel
from charmodels.runtime.generation import State
from charmodels.runtime.sampling import Ids, Logits


class TorchStep:
    """A torch model as a step engine; it runs where the model's weights are."""

    def __init__(self, model: CharModel) -> None:
        self.model = model.eval()
        self._device = model.head.weight.device

    def initial_state(self, batch: int = 1) -> State:
        """Zeros: the state before the first character of `batch` texts."""
        state = self.model.initial_state(batch)
        return {name: value.cpu().numpy() for name, value in state.items()}

    def step(self, tokens: Ids, state: State) -> tuple[Logits, State]:
        """Read tokens (batch,), return logits (batch, vocab) and a new state."""
        with torch.inference_mode():
            on_device = {
                name: torch.from_numpy(np.asarray(value)).to(self._device)
                for name, value in state.items()
            }
            token = torch.from_numpy(tokens).to(self._device)
            logits, after = self.model.step(token, on_device)
            next_state = {name: value.cpu().numpy() for name, value in after.items()}
            return logits.float().cpu().numpy(), next_state
