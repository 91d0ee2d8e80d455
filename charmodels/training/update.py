"""One training step: read a batch, pay the loss, move the weights, keep the state."""

from typing import Any, Protocol

import torch
import torch._dynamo  # every optimizer imports it at its first use: a second off the budget
from torch import Tensor
from torch.nn.functional import cross_entropy

from charmodels.config import TrainConfig
from charmodels.models.base import IGNORE, CharModel, TorchState
from charmodels.training.batches import Batch
from charmodels.training.schedule import learning_rate
from charmodels.training.weight_dropout import hidden_weights

_MOMENTS = ("exp_avg", "exp_avg_sq")


class Updates(Protocol):
    """What moves the weights of `model`: `Updater` by torch, `ScratchUpdater` by numpy."""

    model: CharModel
    config: TrainConfig

    def update(self, batch: Batch, step: int, steps: int) -> Tensor:
        """Do step `step` of `steps`; returns the mean loss in nats per character."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """Everything a resumed run needs."""
        ...

    def restore(self, tensors: dict[str, Tensor], step: int) -> None:
        """Put back what `tensors` gave after `step` steps."""
        ...


class Updater:
    """A model, its optimizer and the state its text streams have reached."""

    def __init__(self, model: CharModel, config: TrainConfig, precision: str) -> None:
        self.model, self.config, self.precision = model, config, precision
        # One kernel for all weights, where torch has it.
        self._fused = model.head.weight.device.type in ("cpu", "cuda")
        self._parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
        matrices = [p for p in self._parameters.values() if p.ndim > 1]
        vectors = [p for p in self._parameters.values() if p.ndim == 1]
        groups: list[dict[str, Any]] = [
            {"params": matrices},
            {"params": vectors, "weight_decay": 0.0},
        ]
        self._optimizer = torch.optim.AdamW(
            groups,
            lr=config.learning_rate,
            betas=(0.9, config.beta2),
            weight_decay=config.weight_decay,
            fused=self._fused,
        )
        self._matrices = [m for layer in model.recurrences() for m in layer.recurrent_matrices()]
        self._carried: TorchState = {}

    def update(self, batch: Batch, step: int, steps: int) -> Tensor:
        """Do step `step` of `steps`; returns the mean loss in nats per character, on the device.

        The dropout of a step depends on (seed, step) alone, so that a resumed run repeats it.
        """
        config = self.config
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, config.learning_rate, config.warmup)
        torch.manual_seed((config.seed * 1_000_003 + step) % 2**63)
        self.model.train()
        state = self._start_state(batch)
        self._optimizer.zero_grad(set_to_none=True)
        with hidden_weights(self._matrices, config.weight_dropout):
            with torch.autocast(
                batch.inputs.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"
            ):
                logits, after = self.model(batch.inputs, state)
            loss = cross_entropy(
                logits.float().flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORE
            )
            torch.autograd.backward(loss * batch.share)
        torch.nn.utils.clip_grad_norm_(self._parameters.values(), config.clip)
        self._optimizer.step()
        self._carried = {
            name: value.detach().to(state[name].dtype) for name, value in after.items()
        }
        return loss.detach()

    def _start_state(self, batch: Batch) -> TorchState:
        """The carried state, zero in the rows that start afresh."""
        rows = len(batch.inputs)
        state = self.model.initial_state(rows)
        if not self._carried or len(next(iter(self._carried.values()))) != rows:
            return state
        return {
            name: torch.where(
                batch.fresh.view(-1, *[1] * (value.ndim - 1)), value, self._carried[name]
            )
            for name, value in state.items()
        }

    def tensors(self) -> dict[str, Tensor]:
        """Everything a resumed run needs: weights, moments, carried state."""
        moments = {
            f"{moment}.{name}": self._optimizer.state[parameter][moment]
            for name, parameter in self._parameters.items()
            for moment in _MOMENTS
        }
        weights = {f"model.{name}": p for name, p in self.model.named_parameters()}
        return weights | moments | {f"carried.{name}": v for name, v in self._carried.items()}

    def restore(self, tensors: dict[str, Tensor], step: int) -> None:
        """Put back what `tensors` gave after `step` steps."""
        device = self.model.head.weight.device
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(tensors[f"model.{name}"])
        for name, parameter in self._parameters.items():
            self._optimizer.state[parameter] = {
                "step": torch.tensor(float(step), device=device if self._fused else "cpu"),
                **{moment: tensors[f"{moment}.{name}"].to(device) for moment in _MOMENTS},
            }
        self._carried = {
            name.removeprefix("carried."): value.to(device)
            for name, value in tensors.items()
            if name.startswith("carried.")
        }
