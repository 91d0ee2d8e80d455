"""The numpy engine of a run: `charmodels.scratch` moves the weights of a torch model, in place."""

import numpy as np
import torch
from torch import Tensor, nn

from charmodels.config import ModelConfig, TrainConfig
from charmodels.models.base import CharModel, Recurrence
from charmodels.runtime.errors import SettingError
from charmodels.runtime.generation import State
from charmodels.scratch import LSTM, RNN, Adagrad
from charmodels.training.batches import Batch

_WHY = "engine numpy is written to be read and has no more than it needs"
_MODEL: dict[str, tuple[object, ...]] = {
    "arch": ("rnn", "lstm"),
    "embedding_size": (0,),
    "layers": (1,),
    "dropout": (0,),
    "tied": (False,),
}
_TRAINING: dict[str, tuple[object, ...]] = {
    "batch_size": (1,),
    "weight_decay": (0,),
    "warmup": (0,),
    "beta2": (0,),
    "weight_power": (0,),
    "weight_dropout": (0,),
    "read_all": (0,),
    "device": ("cpu", "auto"),
    "precision": ("float32", "auto"),
}


def check_engine(model: ModelConfig, training: TrainConfig) -> None:
    """Refuse what the numpy engine does not have.

    Raises:
        SettingError: naming the setting and what was expected.
    """
    if training.engine != "numpy":
        return
    for config, has in ((model, _MODEL), (training, _TRAINING)):
        for name, expected in has.items():
            value = getattr(config, name)
            if value not in expected:
                flag, wanted = name.replace("_", "-"), " or ".join(map(str, expected))
                raise SettingError(f"{_WHY}: {flag} is {value}; expected {wanted}")


def scratch_of(model: CharModel) -> RNN | LSTM:
    """The numpy model whose arrays are the memory of a torch model's weights."""
    (layer,) = model.recurrences()
    w_x, w_h, b, _ = (w.detach().numpy() for w in _torch_layer(layer).all_weights[0])
    w_hy, b_y = model.head.weight.detach().numpy(), model.head.bias.detach().numpy()
    if model.config.arch == "rnn":
        return RNN(W_xh=w_x, W_hh=w_h, b_h=b, W_hy=w_hy, b_y=b_y)
    return LSTM(W_x=w_x, W_h=w_h, b=b, W_hy=w_hy, b_y=b_y)


def _torch_layer(layer: Recurrence) -> nn.RNNBase:
    found = layer.get_submodule("rnn")
    assert isinstance(found, nn.RNNBase)
    return found


class ScratchUpdater:
    """What `Updater` is for torch: a model, its optimizer and the state its stream has reached."""

    def __init__(self, model: CharModel, config: TrainConfig) -> None:
        self.model, self.config = model, config
        self._scratch = scratch_of(model)
        self._adagrad = Adagrad(self._scratch.weights, config.learning_rate, config.clip)
        self._carried = self._scratch.initial_state()

    def update(self, batch: Batch, step: int, steps: int) -> Tensor:
        """Do one step of `steps`; returns the mean loss in nats per character."""
        inputs, targets = batch.inputs[0].numpy(), batch.targets[0].numpy()
        state: State = self._scratch.initial_state() if batch.fresh[0] else self._carried
        with np.errstate(over="ignore", invalid="ignore"):  # the loss is checked, and says it
            gradients, nats, self._carried = self._scratch.learn(inputs, targets, state)
            self._adagrad.update(gradients)
        return torch.tensor(nats / len(targets))

    def tensors(self) -> dict[str, Tensor]:
        """Everything a resumed run needs: weights, Adagrad's memory, carried state."""
        parts = {
            "model": {name: w.detach() for name, w in self.model.named_parameters()},
            "adagrad": {n: torch.from_numpy(m) for n, m in self._adagrad.memory.items()},
            "carried": {n: torch.from_numpy(v) for n, v in self._carried.items()},
        }
        return {
            f"{part}.{n}": value for part, values in parts.items() for n, value in values.items()
        }

    def restore(self, tensors: dict[str, Tensor], step: int) -> None:
        """Put back what `tensors` gave."""
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(tensors[f"model.{name}"])
        for name, memory in self._adagrad.memory.items():
            memory[:] = tensors[f"adagrad.{name}"].numpy()
        self._carried = {name: tensors[f"carried.{name}"].numpy().copy() for name in self._carried}
