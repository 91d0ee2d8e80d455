"""The recurrences, and the model they are built into."""

from charmodels.config import ModelConfig
from charmodels.models.base import CharModel, Recurrence
from charmodels.models.gru import GRU
from charmodels.models.gru_reset_before import GRUResetBefore
from charmodels.models.lstm import LSTM
from charmodels.models.rnn import RNN

MODELS: dict[str, type[Recurrence]] = {
    "rnn": RNN,
    "gru": GRU,
    "gru_reset_before": GRUResetBefore,
    "lstm": LSTM,
}
"""From `arch` to its recurrence: a new one needs a file, a line here and a word in `Arch`."""

__all__ = [
    "GRU",
    "LSTM",
    "MODELS",
    "RNN",
    "CharModel",
    "GRUResetBefore",
    "Recurrence",
    "build_model",
]


def build_model(vocab: int, config: ModelConfig) -> CharModel:
    """A model with fresh weights (seed torch first to get the same ones again)."""
    return CharModel(vocab, config, MODELS[config.arch])
