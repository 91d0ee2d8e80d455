"""Do the graphs that choose write what the runtime writes, id for id?"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime as ort

from charmodels.runtime.errors import BundleError
from charmodels.runtime.generation import Array, StepModel
from charmodels.runtime.model import Model
from charmodels.runtime.onnx_step import open_session
from charmodels.runtime.rows import generate_ids
from charmodels.runtime.sampling import Floats, Ids, Sampling, uniforms
from charmodels.runtime.vocabulary import BOUNDARY_ID

_ROWS, _CHARS, _SEED = 5, 100, 0

_TRIED = (
    Sampling(),
    Sampling(temperature=0.0),
    Sampling(temperature=0.8, top_k=5),
    Sampling(temperature=1.5, top_p=0.9),
    Sampling(temperature=1.2, top_k=12, top_p=0.8),
)

Writer = Callable[[ort.InferenceSession, StepModel, Floats, dict[str, Array]], Ids]
"""From uniform numbers (rows, chars) and settings to ids (rows, written)."""


def prove_written(path: Path, model: Model, write: Writer) -> str:
    """Write five texts with a graph, in five ways, and hold them to the runtime's own.

    Returns:
        A line of the parity table.

    Raises:
        BundleError: some text differs.
    """
    session = open_session(path)
    drawn = uniforms(_SEED, np.arange(_ROWS), 0, _CHARS)
    for sampling in _TRIED:
        settings: dict[str, Array] = {
            "temperature": np.full(_ROWS, sampling.temperature),
            "top_k": np.full(_ROWS, sampling.top_k),
            "top_p": np.full(_ROWS, sampling.top_p),
        }
        found = write(session, model.step, drawn, settings)
        rows = generate_ids(
            model.step,
            np.array([], dtype=np.int64),
            _ROWS,
            sampling=sampling,
            max_chars=_CHARS,
            seed=_SEED,
            endless=model.endless,
        )
        for row, wanted in enumerate(rows):
            written = found[row].tolist()
            until = written.index(BOUNDARY_ID) if BOUNDARY_ID in written else len(written)
            if written[:until] != wanted:
                raise BundleError(
                    f"{path.name} writes other text than the runtime, nothing was written: row "
                    f"{row} at {sampling} begins {written[:10]}, expected {wanted[:10]}"
                )
    return f"{path.name}: {_ROWS * len(_TRIED)} texts, id for id those of the runtime"


def write_by_sample(
    session: ort.InferenceSession, step: StepModel, drawn: Floats, settings: dict[str, Array]
) -> Ids:
    """One call of the sample graph for each character."""
    state, token = step.initial_state(len(drawn)), np.full(len(drawn), BOUNDARY_ID)
    ids = []
    for uniform in drawn.T:
        given = {"token": token, **state, **settings, "uniform": np.ascontiguousarray(uniform)}
        token, *after = session.run(None, given)
        state = dict(zip(state, after, strict=True))
        ids.append(token)
    return np.stack(ids, axis=1)


def write_by_generate(
    session: ort.InferenceSession, step: StepModel, drawn: Floats, settings: dict[str, Array]
) -> Ids:
    """Two calls of the generate graph, the second from where the first came to."""
    state, token = step.initial_state(len(drawn)), np.full(len(drawn), BOUNDARY_ID)
    ids: list[Ids] = []
    for part in np.array_split(drawn, 2, axis=1):
        given = {"token": token, **state, **settings, "uniforms": np.ascontiguousarray(part)}
        written, *after = session.run(None, given)
        ids.append(written)
        token, state = written[:, -1], dict(zip(state, after, strict=True))
        if written.shape[1] < part.shape[1]:
            break
    return np.concatenate(ids, axis=1)
