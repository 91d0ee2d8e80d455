"""Which form a Keras file has, and the weights in it."""

import io
import json
import struct
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from charmodels.keras_import.apart import run_apart
from charmodels.keras_import.architecture import read_architecture
from charmodels.keras_import.containers import MAX_BYTES, read_member, read_npz
from charmodels.keras_import.hdf5 import (
    Keras3Store,
    LegacyStore,
    WeightStore,
    child,
    members,
    string,
)
from charmodels.keras_import.shapes import read_flat
from charmodels.keras_import.weights import WHOLE, KerasWeights, check_weights, gather_weights
from charmodels.runtime.errors import RunError

if TYPE_CHECKING:
    import h5py

_HDF5, _ZIP = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"
_WEIGHTS = "model.weights.h5"
_MAX_JSON = 8 * 2**20

_DAMAGE = (
    OSError,
    LookupError,
    RuntimeError,
    ValueError,
    TypeError,
    ArithmeticError,
    AttributeError,
    EOFError,
    MemoryError,
    SyntaxError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading a broken file may raise: libraries promise nothing about those."""

_FORMS = "a .keras, an .h5, or an .npz of np.savez(file, *model.get_weights())"


@dataclass(frozen=True)
class KerasFile:
    """What was read."""

    weights: KerasWeights
    form: str
    """In words."""
    keras_version: str | None


def read_keras(path: Path, vocab: int) -> KerasFile:
    """Read the weights of a model with `vocab` characters; nothing in the file is run.

    Raises:
        RunError: the file is missing, broken or too large, or the model is not understood.
    """
    if path.is_dir():
        raise RunError(
            f"{path} is a folder; open it in Keras, then {WHOLE.removeprefix('save ')}"
            if (path / "saved_model.pb").is_file()
            else f"{path} is a folder; expected {_FORMS}"
        )
    if not path.is_file():
        raise RunError(f"{path}: no such file; expected {_FORMS}")
    if path.stat().st_size > MAX_BYTES:
        raise RunError(f"{path}: larger than {MAX_BYTES:,} bytes; save it without the optimizer")
    with path.open("rb") as file:
        beginning = file.read(8)
    try:
        if beginning == _HDF5 or (beginning.startswith(_ZIP) and _holds_hdf5(path)):
            import h5py  # noqa: F401  # asked for here, where what is missing can be said

            return run_apart(read_here, path, vocab)
        return read_here(path, vocab)
    except RunError as error:
        raise RunError(f"{path}: {error}") from error


def read_here(path: Path, vocab: int) -> KerasFile:
    """Read the file in this process.

    Raises:
        RunError: as `read_keras`, without the file's name.
    """
    try:
        found = _read(path, vocab)
        check_weights(found.weights, vocab)
    except RunError:
        raise
    except _DAMAGE as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise RunError(f"broken, or no file of Keras ({reason}); save it again") from error
    return found


def _holds_hdf5(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return _WEIGHTS in archive.namelist()
    except _DAMAGE:
        return False  # to be met, and told, where it is read


def _read(path: Path, vocab: int) -> KerasFile:
    with path.open("rb") as file:
        beginning = file.read(8)
    if beginning == _HDF5:
        import h5py

        with h5py.File(path, "r") as opened:
            return _read_hdf5(opened)
    if beginning.startswith(_ZIP):
        with zipfile.ZipFile(path) as archive:
            return _read_zip(archive, vocab)
    raise RunError(f"begins with {beginning!r}, as no Keras file does; expected {_FORMS}")


def _read_zip(archive: zipfile.ZipFile, vocab: int) -> KerasFile:
    names = archive.namelist()
    if {"config.json", _WEIGHTS} <= set(names):
        return _read_dot_keras(archive)
    if names and all(name.endswith(".npy") for name in names):
        weights = read_flat(read_npz(archive, names), vocab)
        return KerasFile(_assumed(weights), "arrays", None)
    raise RunError(f"a zip file of {', '.join(names[:4])}; expected {_FORMS}")


def _read_dot_keras(archive: zipfile.ZipFile) -> KerasFile:
    import h5py

    config = json.loads(read_member(archive, "config.json", _MAX_JSON))
    version = None
    if "metadata.json" in archive.namelist():
        about = json.loads(read_member(archive, "metadata.json", _MAX_JSON))
        version = about.get("keras_version") if isinstance(about, dict) else None
    architecture = read_architecture(config)  # refused before any weight is read
    with h5py.File(io.BytesIO(read_member(archive, _WEIGHTS)), "r") as opened:
        store = _keras_3_store(opened)
        gathered = gather_weights([(layer, store.arrays(layer)) for layer in architecture.layers])
    weights = replace(gathered, notes=architecture.notes)
    return KerasFile(weights, "a whole model", _version(version))


def _read_hdf5(opened: "h5py.File") -> KerasFile:
    version = _version(string(opened, "keras_version"))
    config = string(opened, "model_config")
    if config is not None:
        architecture = read_architecture(json.loads(config))
        store: WeightStore = LegacyStore(child(opened, "model_weights"))
        gathered = gather_weights([(layer, store.arrays(layer)) for layer in architecture.layers])
        return KerasFile(replace(gathered, notes=architecture.notes), "a whole model", version)
    store = LegacyStore(opened) if "layer_names" in opened.attrs else _keras_3_store(opened)
    gathered = gather_weights([(layer, store.arrays(layer)) for layer in store.layers()])
    return KerasFile(_assumed(gathered), "weights only", version)


def _keras_3_store(opened: "h5py.File") -> Keras3Store:
    for name in ("layers", "_layer_checkpoint_dependencies"):  # the latter until Keras 2.13
        if name in members(opened):
            return Keras3Store(child(opened, name))
    raise RunError(f"has no weights where Keras keeps them; expected {_FORMS}")


def _assumed(weights: KerasWeights) -> KerasWeights:
    note = (
        "the file says no activations: tanh, sigmoid for the gates and softmax were assumed, and "
        f"that the text is read forwards; if the samples are nonsense, {WHOLE}"
    )
    return replace(weights, notes=(note,))


def _version(found: object) -> str | None:
    """A stranger's words: kept only if they look like a version."""
    is_one = isinstance(found, str) and 0 < len(found) <= 40 and found.isascii()
    return str(found) if is_one and str(found).isprintable() else None
