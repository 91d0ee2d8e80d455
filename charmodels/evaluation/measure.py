"""Everything `evaluate` measures, through the same `Model` that people use: run or bundle."""

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from charmodels.corpus.splitting import Split
from charmodels.evaluation.novelty import measure_names, measure_text
from charmodels.runtime.errors import CorpusError
from charmodels.runtime.model import Model
from charmodels.runtime.sampling import Floats

SAMPLES = 10_000
"""Names drawn for novelty, at temperature 1 and seed 0."""

TEXTS, TEXT_CHARS = 20, 2_000
"""Texts drawn for copying, and characters of each, at temperature 1 and seed 0."""

WINDOW = 256
"""Characters of a window that starts from the zero state, as nanoGPT's protocol has them."""


def measure(model: Model, split: Split) -> dict[str, Any]:
    """Likelihood on the test part, and novelty of samples beside it.

    Raises:
        CorpusError: nothing is held out, so there is no figure to give.
        VocabularyError: the test part holds characters the model has never seen.
    """
    if not split.test:
        raise CorpusError("nothing is held out in so short a corpus: no figure can be claimed")
    return _measure_text(model, split) if model.endless else _measure_names(model, split)


def _measure_names(model: Model, split: Split) -> dict[str, Any]:
    nats = np.concatenate([model.score(name) for name in split.test])
    drawn = model.generate(SAMPLES, temperature=1.0, seed=0)
    limit = model.bundle.max_chars
    ended = sum(len(name) < limit for name in drawn) / SAMPLES
    novelty = asdict(measure_names(drawn, ended, split.train, split.test))
    pairs = zip(novelty["divergence"], novelty["divergence_floor"], strict=True)
    return {
        **_per_char(nats),
        "nats_per_name": round(float(nats.sum()) / len(split.test), 4),
        **novelty,
        "divergence_ratio": [round(a / b, 3) if b else None for a, b in pairs],
    }


def _measure_text(model: Model, split: Split) -> dict[str, Any]:
    test = split.test[0]
    windows = [test[i : i + WINDOW] for i in range(0, len(test) - WINDOW + 1, WINDOW)] or [test]
    windowed = np.concatenate([model.score(window) for window in windows])
    texts = model.generate(TEXTS, temperature=1.0, seed=0, max_chars=TEXT_CHARS)
    return {
        **_per_char(model.score(test)),
        "windowed_nats_per_char": round(float(windowed.mean()), 5),
        **asdict(measure_text(texts, split.train[0], test)),
    }


def _per_char(nats: Floats) -> dict[str, float]:
    mean = float(nats.mean())
    return {"nats_per_char": round(mean, 5), "bits_per_char": round(mean / math.log(2), 5)}
