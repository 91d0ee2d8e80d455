"""Small Keras models of every supported kind, and the logits Keras itself gives them.

python -m tests.benchmarks.keras_fixtures    writes tests/keras_fixtures again (extra keras-parity)
"""

import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras as keras_3
import numpy as np

try:
    import tf_keras as keras_2
except ModuleNotFoundError:  # the last Keras 2; its cases are left out without it
    keras_2 = None

FOLDER = Path(__file__).resolve().parents[1] / "keras_fixtures"
SYMBOLS = ("b", "\n", "a", "ñ", "é", " ")
"""The end of a name is not the first: its row must move."""
SEQUENCES, LENGTH = 3, 7


@dataclass(frozen=True)
class Case:
    """A model, and how its characters go in."""

    name: str
    build: Callable[[Any, int, int], Any]
    """From Keras itself, vocab and hidden to a model."""
    form: str
    """.keras, .h5, .weights.h5 or .npz; `weights only` is the .h5 of Keras 2's save_weights."""
    kind: str = "names"
    one_hot: bool = True
    zero_start: bool = False
    keras: Any = keras_3
    squeezed: bool = False
    """Deflate the .keras file, as a mail program might, so that fixtures stay small."""


def notebook_000(keras: Any, vocab: int, hidden: int) -> Any:
    """Notebooks 000 and 004: functional, the memory is an input and an output."""
    inputs, memory = keras.Input((None, vocab)), keras.Input((hidden,))
    said, _ = keras.layers.SimpleRNN(hidden, return_state=True)(inputs, initial_state=memory)
    return keras.Model([inputs, memory], keras.layers.Dense(vocab, activation="softmax")(said))


def notebook_001(keras: Any, vocab: int, hidden: int) -> Any:
    """Notebook 001: Embedding, a stateful LSTM, Dense without activation."""
    return keras.Sequential(
        [
            keras.Input(batch_shape=(1, None)),
            keras.layers.Embedding(vocab, 4),
            keras.layers.LSTM(hidden, return_sequences=True, stateful=True),
            keras.layers.Dense(vocab),
        ]
    )


def notebook_002(keras: Any, vocab: int, hidden: int) -> Any:
    """Notebook 002: one-hot LSTM that speaks once, Dense, Activation."""
    return keras.Sequential(
        [
            keras.Input((None, vocab)),
            keras.layers.LSTM(hidden),
            keras.layers.Dense(vocab),
            keras.layers.Activation("softmax"),
        ]
    )


def gru(keras: Any, vocab: int, hidden: int, reset_after: bool, use_bias: bool = True) -> Any:
    """One-hot GRU of either kind, dropout on the way, the head in a TimeDistributed."""
    return keras.Sequential(
        [
            keras.Input((None, vocab)),
            keras.layers.GRU(
                hidden,
                return_sequences=True,
                reset_after=reset_after,
                use_bias=use_bias,
                dropout=0.1,
            ),
            keras.layers.Dropout(0.2),
            keras.layers.TimeDistributed(keras.layers.Dense(vocab, activation="softmax")),
        ]
    )


def stacked(keras: Any, vocab: int, hidden: int) -> Any:
    """Embedding, two LSTMs, the head without a bias."""
    return keras.Sequential(
        [
            keras.Input((None,)),
            keras.layers.Embedding(vocab, 3),
            keras.layers.SpatialDropout1D(0.1),
            keras.layers.LSTM(hidden, return_sequences=True),
            keras.layers.LSTM(hidden, return_sequences=True),
            keras.layers.Dense(vocab, use_bias=False),
        ]
    )


def stepping(keras: Any, vocab: int, hidden: int) -> Any:
    """A functional LSTM as one writes it to sample: memories in, memories out beside the scores."""
    inputs, h, c = keras.Input((None,)), keras.Input((hidden,)), keras.Input((hidden,))
    read = keras.layers.Embedding(vocab, 5, name="letters")(inputs)
    memory = keras.layers.LSTM(hidden, return_sequences=True, return_state=True, name="memory")
    said, *after = memory(read, initial_state=[h, c])
    scores = keras.layers.Dense(vocab, name="scores")(said)
    return keras.Model([inputs, h, c], [scores, *after])


CASES = (
    Case("notebook_000", notebook_000, ".keras", zero_start=True),
    Case("prose", notebook_001, ".keras", kind="text", one_hot=False, squeezed=True),
    Case("prose_weights", notebook_001, ".weights.h5", kind="text", one_hot=False),
    Case("prose_arrays", notebook_001, ".npz", kind="text", one_hot=False),
    Case("notebook_002", notebook_002, ".keras", squeezed=True),
    Case("gru_after", partial(gru, reset_after=True), ".keras", squeezed=True),
    Case("gru_before", partial(gru, reset_after=False), ".h5"),
    Case(
        "gru_no_bias",
        partial(gru, reset_after=False, use_bias=False),
        ".keras",
        zero_start=True,
        squeezed=True,
    ),
    Case("gru_arrays", partial(gru, reset_after=True), ".npz"),
    Case("stacked", stacked, ".npz", one_hot=False),
    Case("stacked_weights", stacked, ".weights.h5", kind="text", one_hot=False),
    Case("keras_2_stepping", stepping, ".h5", one_hot=False, keras=keras_2),
    Case("keras_2_weights", stacked, "weights only", one_hot=False, keras=keras_2),
)


def build(case: Case, vocab: int, hidden: int, seed: int) -> Any:
    """The case's model with weights as large as trained ones, biases too."""
    case.keras.utils.set_random_seed(seed)
    model = case.build(case.keras, vocab, hidden)
    rng = np.random.default_rng(seed)
    shapes = [weight.shape for weight in model.get_weights()]
    model.set_weights([rng.standard_normal(s) / np.sqrt(max(s[0], 1) / 2) for s in shapes])
    return model


def save(case: Case, model: Any, folder: Path) -> Path:
    """Write the model in the case's form."""
    ending = ".h5" if case.form == "weights only" else case.form
    path = folder / f"{case.name}{ending}"
    if case.form == ".npz":
        np.savez(path, *model.get_weights())
    elif case.form in (".weights.h5", "weights only"):
        model.save_weights(path)
    else:
        model.save(path)
    if case.squeezed:
        _squeeze(path)
    return path


def _squeeze(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def keras_logits(case: Case, model: Any, ids: Any, symbols: tuple[str, ...]) -> Any:
    """Scores before any softmax after each of ids (sequences, time): (sequences, time, vocab).

    Names first read their beginning: what `logits[:, 0]` follows is the end symbol, or zeros.
    """
    _drop_softmax(case.keras, model)
    vocab = len(symbols)
    if case.kind == "names":
        ids = np.pad(ids, ((0, 0), (1, 0)), constant_values=symbols.index("\n"))
    inputs = np.eye(vocab, dtype=np.float32)[ids] if case.one_hot else ids
    if case.zero_start:
        inputs[:, 0] = 0
    return np.stack([_scores(model, row[None]) for row in inputs])


def _scores(model: Any, inputs: Any) -> Any:
    """The scores after each character of inputs (1, time, ...): (time, vocab)."""
    whole = _said(model, inputs)
    if whole.ndim == 3:  # a score at every character
        return whole[0]
    return np.stack([_said(model, inputs[:, :end])[0] for end in range(1, inputs.shape[1] + 1)])


def _said(model: Any, inputs: Any) -> Any:
    """What a model says that begins with memories of zero."""
    for layer in model.layers:
        if getattr(layer, "stateful", False):
            layer.reset_states()
    memories = [np.zeros((1, each.shape[-1]), np.float32) for each in model.inputs[1:]]
    said = model([inputs, *memories] if memories else inputs)
    return np.asarray(said[0] if isinstance(said, (list, tuple)) else said)


def _drop_softmax(keras: Any, model: Any) -> None:
    """Let the model speak in logits: its softmax would hide a difference that they all share."""
    for layer in model.layers:
        inner = layer.layer if isinstance(layer, keras.layers.TimeDistributed) else layer
        if isinstance(inner, (keras.layers.Dense, keras.layers.Activation)):
            inner.activation = keras.activations.linear


def draw_ids(vocab: int, end: int, seed: int, sequences: int, length: int) -> Any:
    """Ids (sequences, length) without the end symbol."""
    others = np.array([index for index in range(vocab) if index != end])
    return np.random.default_rng(seed).choice(others, (sequences, length))


def write_fixtures() -> None:
    """Write every case, what Keras says of it, and a model that must be refused."""
    FOLDER.mkdir(exist_ok=True)
    for number, case in enumerate(CASES):
        if case.keras is None:
            print(f"{case.name}: skipped, tf_keras is not installed")
            continue
        model = build(case, len(SYMBOLS), 4, seed=number)
        path = save(case, model, FOLDER)
        ids = draw_ids(len(SYMBOLS), SYMBOLS.index("\n"), number, SEQUENCES, LENGTH)
        logits = keras_logits(case, model, ids, SYMBOLS)
        about = {
            "keras": case.keras.__version__,
            "backend": case.keras.backend.backend(),
            "file": path.name,
            "kind": case.kind,
            "zero_start": case.zero_start,
            "vocabulary": SYMBOLS,
            "ids": ids.tolist(),
            "logits": logits.astype(float).round(7).tolist(),
        }
        text = json.dumps(about, ensure_ascii=False)
        (FOLDER / f"{case.name}.json").write_text(text + "\n", encoding="utf-8")
        print(path.name, path.stat().st_size)
    code = eval(compile("lambda x: 2 * x", "notebook", "eval"))  # Keras would keep the file's path
    refused = keras_3.Sequential(
        [
            keras_3.Input((None, len(SYMBOLS))),
            keras_3.layers.Lambda(code, output_shape=(None, len(SYMBOLS))),
            keras_3.layers.SimpleRNN(3, return_sequences=True),
            keras_3.layers.Dense(len(SYMBOLS)),
        ]
    )
    refused.save(FOLDER / "lambda.keras")
    _squeeze(FOLDER / "lambda.keras")


if __name__ == "__main__":
    write_fixtures()
