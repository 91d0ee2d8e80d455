"""Live Keras against what is imported from it: every kind of layer, every form of file."""

import json
import os
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np

from charmodels.keras_import.convert import Converted, convert
from charmodels.keras_import.files import read_keras
from charmodels.keras_import.run import build_converted
from charmodels.keras_import.vocabulary import read_symbols
from charmodels.models.torch_step import TorchStep
from tests.benchmarks.rows import Row

LIMIT = 1e-5
"""Worst |a - b| / max(1, |a|) of any logit, the tolerance of export's own parity."""
SYMBOLS = (" ", "\n", *"abcdefghijklmnopqrstuvwxyzáéíóúüñ")
HIDDEN, SEQUENCES, LENGTH = 64, 4, 20


def rows() -> list[Row]:
    """The worst scaled difference of each case."""
    for module in ("keras", os.environ["KERAS_BACKEND"], "h5py"):
        if find_spec(module) is None:
            print(f"  skipped, {module} is not installed: pip install charmodels[keras-parity]")
            return []
    from tests.benchmarks import keras_fixtures as fixtures

    measured = []
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(fixtures.CASES):
            if case.keras is None:
                print(f"  {case.name}: skipped, tf_keras is not installed")
                continue
            model = fixtures.build(case, len(SYMBOLS), HIDDEN, seed=100 + number)
            path = fixtures.save(case, model, Path(folder))
            end = SYMBOLS.index("\n")
            ids = fixtures.draw_ids(len(SYMBOLS), end, number, SEQUENCES, LENGTH)
            expected = fixtures.keras_logits(case, model, ids, SYMBOLS)
            vocabulary = Path(folder) / "vocabulary.json"
            vocabulary.write_text(json.dumps(SYMBOLS), encoding="utf-8")
            symbols = read_symbols(vocabulary)
            found = read_keras(path, len(symbols))
            ours = convert(found.weights, symbols, case.kind, zero_start=case.zero_start)  # type: ignore[arg-type]
            worst = worst_difference(ours, ids, expected, symbols)
            made_by = f"{case.keras.__name__} {case.keras.__version__}"
            measured.append(
                Row(
                    name=f"keras, {case.name} ({case.form}, {ours.model.arch})",
                    value=worst,
                    unit="scaled",
                    limit=LIMIT,
                    note=f"{made_by} on {case.keras.backend.backend()}, hidden {HIDDEN}, "
                    f"{SEQUENCES} x {LENGTH} characters",
                )
            )
    return measured


def worst_difference(ours: Converted, ids: Any, expected: Any, symbols: tuple[str, ...]) -> float:
    """Largest |a - b| / max(1, |a|) over logits (sequences, time, vocab) in Keras's id order.

    Args:
        ours: the imported model.
        ids: Keras ids (sequences, time), without the end symbol.
        expected: what Keras says: for names also after the beginning, so one character more.
        symbols: the characters in Keras's order.
    """
    engine = TorchStep(build_converted(ours))
    # Names: the end symbol is our boundary. Text: our boundary has no counterpart.
    place = np.array([ours.vocabulary.ids.get(symbol, 0) for symbol in symbols])
    tokens = place[ids]
    if ours.kind == "names":
        tokens = np.pad(tokens, ((0, 0), (1, 0)))
    state = engine.initial_state(len(tokens))
    worst = 0.0
    for time in range(tokens.shape[1]):
        logits, state = engine.step(tokens[:, time], state)
        a, b = expected[:, time].astype(np.float64), logits[:, place]
        worst = max(worst, float((np.abs(a - b) / np.maximum(1, np.abs(a))).max()))
    return worst
