"""Everything `evaluate` measures, through the same `Model` that people use: run or bundle."""

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from charmodels.corpus.splitting import Split
from charmodels.evaluation.balance import measure_balance
from charmodels.evaluation.novelty import measure_names
from charmodels.evaluation.overlap import measure_text
from charmodels.evaluation.windows import GREEDY, measure_windows
from charmodels.ngram.bigram import MAX_VOCAB, Bigram, count_bigram
from charmodels.ngram.counting import MAX_ORDER, count
from charmodels.ngram.ngram import Ngram
from charmodels.ngram.smoothing import smooth, smooth_best
from charmodels.runtime.errors import CorpusError
from charmodels.runtime.generation import walk
from charmodels.runtime.model import Model
from charmodels.runtime.sampling import Floats, log_softmax, pick
from charmodels.runtime.vocabulary import BOUNDARY_ID

SAMPLES = 10_000
"""Names drawn for novelty, at temperature 1 and seed 0."""

TEXTS, TEXT_CHARS = 20, 2_000
"""Texts drawn for copying, and characters of each, at temperature 1 and seed 0."""

WINDOW = 256
"""Characters of a window that starts from the zero state, as nanoGPT's protocol has them."""


def draw_samples(model: Model) -> list[str]:
    """The names or texts whose novelty is measured; the first ones are those of any count."""
    if model.endless:
        return model.generate(TEXTS, temperature=1.0, seed=0, max_chars=TEXT_CHARS)
    return model.generate(SAMPLES, temperature=1.0, seed=0)


def measure(
    model: Model, split: Split, window: int | None = None, samples: Sequence[str] | None = None
) -> dict[str, Any]:
    """Likelihood and first guesses on the test part, n-grams' beside, and novelty of samples.

    What a sample may have been copied from is what the model has read: the training part, and the
    validation part where its n-gram counted that too, or its last steps learned from it.

    With `window`, also how often the first guess after so many characters is right. `samples` are
    those of `draw_samples`, for a caller who has them already.

    Raises:
        CorpusError: nothing is held out, so there is no figure to give; or no window of it.
        SettingError: `window` is less than 1.
        VocabularyError: the test part holds characters the model has never seen.
    """
    if not split.test:
        raise CorpusError("nothing is held out in so short a corpus: no figure can be claimed")
    known = records_read(model, split)
    read = replace(split, train=known, validation=())
    windows = {} if window is None else measure_windows(model, read, window)
    drawn = draw_samples(model) if samples is None else samples
    known = ("".join(known),) if model.endless else known
    of_kind = _measure_text if model.endless else _measure_names
    return of_kind(model, split, known, drawn) | windows | measure_balance(model, split, known)


def records_read(model: Model, split: Split) -> tuple[str, ...]:
    """The records a model has learned from: the training part, and validation if it read that."""
    return (*split.train, *(split.validation if has_read_validation(model) else ()))


def has_read_validation(model: Model) -> bool:
    """Whether the validation part was read in the end, when it had nothing more to choose."""
    return model.has_ngram or model.bundle.metrics.get("read_all") is True


def _measure_names(
    model: Model, split: Split, known: Sequence[str], drawn: Sequence[str]
) -> dict[str, Any]:
    figures, nats = _measure_reading(model, split)
    limit = model.bundle.max_chars
    ended = sum(len(name) < limit for name in drawn) / len(drawn)
    novelty = asdict(measure_names(drawn, ended, known, split.test))
    pairs = zip(novelty["divergence"], novelty["divergence_floor"], strict=True)
    return {
        **figures,
        "nats_per_name": round(float(nats.sum()) / len(split.test), 4),
        **novelty,
        "divergence_ratio": [round(a / b, 3) if b else None for a, b in pairs],
    }


def _measure_text(
    model: Model, split: Split, known: Sequence[str], drawn: Sequence[str]
) -> dict[str, Any]:
    test = split.test[0]
    windows = [test[i : i + WINDOW] for i in range(0, len(test) - WINDOW + 1, WINDOW)] or [test]
    windowed = np.concatenate([model.score(window) for window in windows])
    figures, _ = _measure_reading(model, split)
    return {
        **figures,
        "windowed_nats_per_char": round(float(windowed.mean()), 5),
        **asdict(measure_text(drawn, known[0], test)),
    }


def _measure_reading(model: Model, split: Split) -> tuple[dict[str, Any], Floats]:
    """What reading the test part costs, how much of it was foreseen, and the nats one by one."""
    read = [read_along(model, record) for record in split.test]
    nats = np.concatenate([each for each, _ in read])
    foreseen = np.concatenate([each for _, each in read])
    mean = float(nats.mean())
    figures = {
        "nats_per_char": round(mean, 5),
        "bits_per_char": round(mean / math.log(2), 5),
        "accuracy": round(float(foreseen.mean()), 5),
        **_measure_counted(model, split),
    }
    return figures, nats


def read_along(model: Model, text: str) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """What `Model.score` gives, and whether each of these characters was the first guess.

    The first guess is what temperature 0 would write: text never ends, and no name is empty.
    """
    end = [] if model.endless else [BOUNDARY_ID]
    ids = [*model.vocabulary.encode(text).tolist(), *end]
    nats, foreseen = np.empty(len(ids)), np.empty(len(ids), dtype=np.bool_)
    walker = walk(model.step, model.step.initial_state())
    before, uniform = BOUNDARY_ID, np.zeros(1)
    for place, target in enumerate(ids):
        logits = walker.advance(np.array([before]))
        nats[place] = -log_softmax(logits)[0, target]
        foreseen[place] = pick(logits, uniform, GREEDY, not model.endless and place > 0) == target
        before = target
    return nats, foreseen


def _measure_counted(model: Model, split: Split) -> dict[str, Any]:
    """What the same records cost models that only count: a bigram, and the n-gram of best order.

    The order is chosen on the validation part; beside a model that has read that part in the end,
    both then count it. None where there is none to choose on, and for a bigram whose table
    would be too large.
    """
    # Another corpus than the model's own may hold characters that the model never saw.
    vocabulary = model.vocabulary.extended((*split.train, *split.validation))
    vocab, endless = len(vocabulary), model.endless
    train, validation, test = (
        [vocabulary.encode(record) for record in part]
        for part in (split.train, split.validation, split.test)
    )
    ngram = None
    if validation:
        counts = count(train, vocab, order=MAX_ORDER, endless=endless)
        ngram = smooth_best(counts, validation, endless=endless)
        if has_read_validation(model):
            train = [*train, *validation]
            train = [np.concatenate(train)] if endless else train
            order = ngram.order
            ngram = smooth(count(train, vocab, order=order, endless=endless), order)
    bigram = count_bigram(train, vocab, endless=endless) if vocab <= MAX_VOCAB else None

    def nats(counted: Bigram | Ngram | None) -> float | None:
        if counted is None:
            return None
        return round(float(counted.score(test, endless=endless).mean()), 5)

    return {
        "bigram_nats_per_char": nats(bigram),
        "ngram_nats_per_char": nats(ngram),
        "ngram_order": None if ngram is None else ngram.order,
    }
