"""Load a bundle, stream from it, score with it: numpy and onnxruntime, no torch."""

from charmodels.runtime.errors import (
    BundleError,
    CharModelError,
    ConstraintError,
    CorpusError,
    RunError,
    SettingError,
    VocabularyError,
)
from charmodels.runtime.generation import Memory, StepModel
from charmodels.runtime.model import Model, Prediction, load_bundle

__all__ = [
    "BundleError",
    "CharModelError",
    "ConstraintError",
    "CorpusError",
    "Memory",
    "Model",
    "Prediction",
    "RunError",
    "SettingError",
    "StepModel",
    "VocabularyError",
    "load_bundle",
]
