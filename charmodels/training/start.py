"""A run's first weights: fresh, or those of a run or bundle with a similar alphabet."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from charmodels.config import ModelConfig
from charmodels.models.base import CharModel
from charmodels.runtime.bundle import WEIGHTS, Kind, read_bundle
from charmodels.runtime.errors import BundleError, RunError
from charmodels.runtime.vocabulary import Vocabulary
from charmodels.training.checkpoint import MODEL, RUN, put_weights, read_run, read_tensors


@dataclass(frozen=True)
class Start:
    """A trained model to go on from."""

    vocabulary: Vocabulary
    model: ModelConfig
    weights: dict[str, Tensor]
    kind: Kind
    folder: Path

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.folder.resolve().name


def read_start(folder: Path) -> Start:
    """Read a run folder's best weights, or a bundle's.

    Raises:
        RunError: it is neither, or a bundle made without weights.
    """
    if (folder / RUN).is_file():
        facts = read_run(folder)
        weights, _ = read_tensors(folder / MODEL)
        return Start(facts.vocabulary, facts.model, weights, facts.kind, folder)
    try:
        bundle = read_bundle(folder)
    except BundleError as error:
        raise RunError(f"--from {folder}: neither a run folder nor a bundle ({error})") from error
    if not (folder / WEIGHTS).is_file():
        raise RunError(
            f"--from {folder}: this bundle was made without weights; pass its run folder"
        )
    weights, about = read_tensors(folder / WEIGHTS)
    try:
        config = ModelConfig(**about["model"])
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{folder / WEIGHTS}: does not say the model's sizes ({error})") from error
    weights = {name: value.float() for name, value in weights.items()}
    return Start(bundle.vocabulary, config, weights, bundle.kind, folder)


def put_start(model: CharModel, start: Start) -> None:
    """Copy a start's weights into a model whose vocabulary begins with the start's.

    Rows of new characters begin as the mean of the known ones, a little disturbed so that they
    differ; their head biases begin low, as for the rarest known character.
    """
    own = dict(model.named_parameters())
    grown = dict(start.weights)
    for name in ("embedding.weight", "head.weight", "head.bias"):
        if name in grown and name in own:
            grown[name] = _grow(grown[name], len(own[name]))
    if model.config.embedding_size == 0:  # one-hot: the first layer has a column a character
        first = "layers.0."
        for name in (f"{first}rnn.weight_ih_l0", f"{first}gates.weight", f"{first}qkv.weight"):
            if name in grown and name in own:
                grown[name] = _grow(grown[name].t(), own[name].shape[1]).t()
    put_weights(model, grown, f"--from {start.name}")


def _grow(known: Tensor, rows: int) -> Tensor:
    new = rows - len(known)
    if new <= 0:
        return known
    if known.ndim == 1:
        return torch.cat([known, known.min().expand(new)])
    noise = torch.randn(new, known.shape[1]) * known.std() * 0.1
    return torch.cat([known, known.mean(dim=0) + noise])
