"""Zip files from strangers: what a member unpacks to is known, and bounded, before it is read."""

import io
import math
import zipfile
from collections.abc import Sequence

import numpy as np
from numpy.lib import format as npy

from charmodels.keras_import.weights import Array
from charmodels.runtime.errors import RunError

MAX_BYTES = 512 * 2**20
"""Of the file, and of what it unpacks to."""
_MOST_TIMES = 100
"""A member may be this many times larger than packed; weights hardly shrink at all."""
MAX_ARRAYS = 32
"""Arrays of an .npz: ten stacked layers."""


def read_member(archive: zipfile.ZipFile, name: str, limit: int = MAX_BYTES) -> bytes:
    """The bytes of one member.

    Raises:
        RunError: it is larger than `limit`, packed suspiciously well, or packed in another way
            than zip files usually are.
    """
    member = archive.getinfo(name)
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise RunError(f"{name} is packed in a way that Keras does not use")
    if member.file_size > min(limit, _MOST_TIMES * (member.compress_size + 1_000)):
        raise RunError(
            f"{name} says it unpacks to {member.file_size:,} bytes from {member.compress_size:,}; "
            f"expected at most {limit:,}, and {_MOST_TIMES} times its packed size"
        )
    with archive.open(member) as stream:  # never gives more than file_size
        data = stream.read()
    if len(data) != member.file_size:
        raise RunError(f"{name} is cut short; save it again")
    return data


def read_npz(archive: zipfile.ZipFile, names: Sequence[str]) -> list[Array]:
    """The arrays of `np.savez(file, *model.get_weights())` in their order, float32.

    Raises:
        RunError: a member is no plain array of floats, or is named otherwise.
    """
    expected = [f"arr_{index}.npy" for index in range(len(names))]
    if sorted(names) != sorted(expected) or not 0 < len(names) <= MAX_ARRAYS:
        raise RunError(
            f"its arrays are {', '.join(sorted(names)[:4])}; expected arr_0, arr_1, ... (at most "
            f"{MAX_ARRAYS}) as written by np.savez(file, *model.get_weights())"
        )
    if sum(archive.getinfo(name).file_size for name in names) > MAX_BYTES:
        raise RunError(f"its arrays unpack to more than {MAX_BYTES:,} bytes")
    return [_read_npy(name, read_member(archive, name)) for name in expected]


def _read_npy(name: str, data: bytes) -> Array:
    """One array, its header checked against its size before memory is taken."""
    stream = io.BytesIO(data)
    version = npy.read_magic(stream)
    if version == (1, 0):
        shape, is_fortran, dtype = npy.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, is_fortran, dtype = npy.read_array_header_2_0(stream)
    else:
        raise RunError(f"{name}: npy version {version}; expected 1.0 or 2.0")
    if dtype.hasobject:
        raise RunError(
            f"{name} holds Python objects, which may run code; write plain arrays with "
            "np.savez(file, *model.get_weights()), with the star"
        )
    if dtype.kind != "f" or dtype.itemsize > 8:
        raise RunError(f"{name} holds {dtype}; expected floats")
    rest = data[stream.tell() :]
    if any(size < 0 for size in shape) or math.prod(shape) * dtype.itemsize != len(rest):
        raise RunError(f"{name} says shape {shape} but holds {len(rest):,} bytes; save it again")
    flat = np.frombuffer(rest, dtype)
    return to_float32(flat.reshape(shape, order="F" if is_fortran else "C"))


def to_float32(array: np.ndarray) -> Array:
    """The same numbers in float32; what is too large becomes infinite, to be refused later."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype=np.float32)
