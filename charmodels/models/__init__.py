"""The recurrences, and the model they are built into."""

from charmodels.config import ModelConfig
from charmodels.models.base import CharModel, Recurrence
from charmodels.models.block import Block
from charmodels.models.delta import GatedDeltaNet
from charmodels.models.gru import GRU
from charmodels.models.gru_reset_before import GRUResetBefore
from charmodels.models.lstm import LSTM
from charmodels.models.mingru import MinGRU
from charmodels.models.minlstm import MinLSTM
from charmodels.models.resgru import ResGRU
from charmodels.models.rglru import RGLRU
from charmodels.models.rnn import RNN
from charmodels.models.scan import LinearRecurrence
from charmodels.models.transformer import Transformer

MODELS: dict[str, type[Recurrence]] = {
    "rnn": RNN,
    "gru": GRU,
    "gru_reset_before": GRUResetBefore,
    "lstm": LSTM,
    "mingru": MinGRU,
    "minlstm": MinLSTM,
    "rglru": RGLRU,
    "resgru": ResGRU,
    "gated_deltanet": GatedDeltaNet,
    "transformer": Transformer,
}
"""From `arch` to its recurrence: a new one needs a file, a line here and a word in `Arch`."""

__all__ = [
    "GRU",
    "LSTM",
    "MODELS",
    "RGLRU",
    "RNN",
    "Block",
    "CharModel",
    "GRUResetBefore",
    "GatedDeltaNet",
    "LinearRecurrence",
    "MinGRU",
    "MinLSTM",
    "Recurrence",
    "ResGRU",
    "Transformer",
    "build_model",
]


def build_model(vocab: int, config: ModelConfig) -> CharModel:
    """A model with fresh weights (seed torch first to get the same ones again)."""
    recurrence = MODELS[config.arch]
    if config.arch == "resgru":  # a block by itself
        return CharModel(vocab, config, lambda i, hidden: ResGRU(i, hidden, config.dropout))
    if not config.block:
        return CharModel(vocab, config, recurrence)
    return CharModel(vocab, config, lambda i, hidden: Block(recurrence(i, hidden), config.dropout))
