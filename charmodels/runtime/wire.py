"""What a graph's file would become in memory, counted on its bytes before it is parsed.

In protocol buffers two bytes are an empty message and one byte is an int64 of a list: parsed, a
file of such takes tens of times its size. A graph needs few fields, and its weights lie in one
`raw_data` each, which is stepped over here: a scan takes the same time whatever their size.

Source: the encoding, https://protobuf.dev/programming-guides/encoding/
"""

from functools import cache
from pathlib import Path
from typing import Any

from charmodels.runtime.errors import BundleError

MAX_FIELDS = 100_000
"""Fields of a file at most, those of its messages included: fifty a node, with 2,000 nodes."""

MAX_LOOSE_BYTES = 2**20
"""Numbers outside of `raw_data` may take as much of the file, together."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_WIRE_TYPES = (_VARINT, _FIXED64, _BYTES, _FIXED32)
"""Groups, 3 and 4, are in no ONNX file."""


def check_wire(path: Path, data: bytes) -> None:
    """Refuse what would take much more memory than the bytes of the file, in one pass.

    Raises:
        BundleError: there are too many fields or loose numbers, or the bytes are no message.
    """
    from onnx import ModelProto

    fields = loose = 0
    messages: list[tuple[int, int, Any]] = [(0, len(data), ModelProto.DESCRIPTOR)]
    while messages:
        at, end, message = messages.pop()
        inside, numbers = _known(message)
        while at < end:
            fields += 1
            if fields > MAX_FIELDS:
                raise BundleError(f"{path}: more than {MAX_FIELDS:,} fields; no step needs as many")
            tag, at = _varint(path, data, at)
            field, wire_type = tag >> 3, tag & 7
            if field == 0 or tag >= 2**32 or wire_type not in _WIRE_TYPES:
                raise BundleError(f"{path}: not an ONNX file (tag {tag} at byte {at})")
            if wire_type == _VARINT:
                _, at = _varint(path, data, at)
            elif wire_type == _FIXED64:
                at += 8
            elif wire_type == _FIXED32:
                at += 4
            elif wire_type == _BYTES:
                size, at = _varint(path, data, at)
                if field in inside:
                    messages.append((at, at + size, inside[field]))
                elif field in numbers:
                    loose += size
                at += size
            if at > end:
                raise BundleError(f"{path}: not an ONNX file (a field ends after its message)")
            if loose > MAX_LOOSE_BYTES:
                raise BundleError(
                    f"{path}: more than {MAX_LOOSE_BYTES:,} bytes of numbers outside of raw_data"
                )


@cache
def _known(message: Any) -> tuple[dict[int, Any], frozenset[int]]:
    """By their numbers: the fields that are messages, with what they hold, and lists of numbers."""
    inside = {f.number: f.message_type for f in message.fields if f.message_type is not None}
    texts = {f.number for f in message.fields if f.type in (f.TYPE_STRING, f.TYPE_BYTES)}
    numbers = {f.number for f in message.fields} - inside.keys() - texts
    return inside, frozenset(numbers)


def _varint(path: Path, data: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, seven bits a byte, the lowest first, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise BundleError(f"{path}: not an ONNX file (it ends within a number)")
        byte = data[at]
        value |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return value, at
    raise BundleError(f"{path}: not an ONNX file (a number of more than ten bytes)")
