"""A run folder around weights that were trained elsewhere; it says what is not known of them."""

import platform
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from charmodels import __version__
from charmodels.config import TrainConfig
from charmodels.keras_import.convert import Converted
from charmodels.models import CharModel, build_model
from charmodels.runtime.bundle import sha256_of
from charmodels.runtime.errors import RunError
from charmodels.training.checkpoint import (
    MODEL,
    RUN,
    RunFacts,
    put_weights,
    read_model,
    weights_of,
    write_run,
    write_tensors,
)
from charmodels.training.train import remove_run

LONGEST_NAME = 50
"""Characters of the longest name, which no Keras file says: the notebooks' limit."""


def refuse_what_is_there(out: Path, force: bool) -> None:
    """Keep runs unless `force`, and everything else always.

    Raises:
        RunError: `out` is in the way.
    """
    if (out / RUN).exists():
        if not force:
            raise RunError(f"{out} holds a run; choose another --out, or replace it with --force")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunError(f"{out} exists and is no run folder; choose another --out")


def build_converted(converted: Converted) -> CharModel:
    """The model, ready to speak.

    Raises:
        SettingError: its sizes are out of range.
    """
    model = build_model(len(converted.vocabulary), converted.model)
    tensors = {name: torch.from_numpy(array.copy()) for name, array in converted.weights.items()}
    put_weights(model, tensors, "Keras")
    return model.eval()


def imported_facts(
    converted: Converted, parameters: int, file: Path, about: dict[str, Any]
) -> RunFacts:
    """What run.json says of an imported model: no corpus, no split, no figures.

    Args:
        converted: the model.
        parameters: numbers that training may change.
        file: what Keras wrote; its name and sha256 stand where a corpus's would.
        about: how it was read, kept beside.
    """
    versions = {
        "charmodels": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "onnxruntime": onnxruntime.__version__,
    }
    is_names = converted.kind == "names"
    return RunFacts(
        kind=converted.kind,
        vocabulary=converted.vocabulary,
        model=converted.model,
        training=TrainConfig(),
        corpus={
            "name": file.name,  # with its ending: no dataset is called so
            "source": "",
            "sha256": sha256_of(file),
            "records": 0,
            "longest": LONGEST_NAME if is_names else 0,
            "lowercase": False,
            "imported": about,
        },
        split={
            "hash": "",
            "salt": "",
            "unit": "names" if is_names else "characters",
            "train": 0,
            "validation": 0,
            "test": 0,
        },
        versions=versions,
        read_test=False,
        metrics={"parameters": parameters},
    )


def write_imported(out: Path, facts: RunFacts, model: CharModel) -> None:
    """Write the run folder aside, read it back, and only then replace a run in `out`.

    Raises:
        RunError: it cannot be written; `out` is as it was.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        write_tensors(aside / MODEL, weights_of(model), {})
        write_run(aside, facts)
        read_model(aside)
        remove_run(out)
        out.mkdir(exist_ok=True)
        for name in (MODEL, RUN):  # what makes it a run comes last
            (aside / name).replace(out / name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
