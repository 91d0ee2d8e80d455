"""Bytes of a file to characters: UTF-8 checked, line ends made LF, sha256 taken on the way.

A file is read once and in pieces, so a list of tens of millions of rows needs little memory and a
pipe works as well as a file. Whatever is not UTF-8 text is refused with what it seems to be.
"""

import codecs
import contextlib
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from charmodels.runtime.errors import CorpusError

PIECE_BYTES = 1 << 20
"""Bytes read at a time; the first piece is also what the kind of a corpus is detected on."""

_GUESS_BYTES = 1 << 15  # on either side of the first bad byte, for guessing the encoding

_LATIN = ["cp1252", "mac_roman"]
_NOT_LATIN = ["cp1251", "cp1253", "cp1256", "shift_jis", "euc_jp", "gb18030", "big5", "euc_kr"]

_SPREADSHEET = "save the sheet as CSV UTF-8 and give that file"
_DOCUMENT = "save it as plain text (UTF-8) and give that file"
_PACKED = "unpack it and give the text file inside"
_NO_TEXT = "give a text file (UTF-8)"

_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "a PNG image", _NO_TEXT),
    (b"\xff\xd8\xff", "a JPEG image", _NO_TEXT),
    (b"GIF8", "a GIF image", _NO_TEXT),
    (b"%PDF-", "a PDF document", _DOCUMENT),
    (b"{\\rtf", "an RTF document", _DOCUMENT),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file (xls, doc)", _DOCUMENT),
    (b"\x1f\x8b", "a gzip archive", _PACKED),
    (b"BZh", "a bzip2 archive", _PACKED),
    (b"\xfd7zXZ\x00", "an xz archive", _PACKED),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", _PACKED),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _PACKED),
    (b"Rar!\x1a\x07", "a RAR archive", _PACKED),
    (b"SQLite format 3\x00", "an SQLite database", "export the table as CSV"),
    (b"PAR1", "a Parquet table", "export it as CSV"),
    (b"\x93NUMPY", "a numpy array", _NO_TEXT),
    (b"\x7fELF", "a program", _NO_TEXT),
)
"""First bytes, what they mean, and the remedy."""

_ZIP_INSIDES: tuple[tuple[bytes, str, str], ...] = (
    (b"xl/", "an Excel workbook (xlsx)", _SPREADSHEET),
    (b"opendocument.spreadsheet", "an OpenDocument sheet (ods)", _SPREADSHEET),
    (b"word/", "a Word document (docx)", _DOCUMENT),
    (b"opendocument.text", "an OpenDocument text (odt)", _DOCUMENT),
    (b"application/epub+zip", "an EPUB book", _DOCUMENT),
    (b"", "a zip archive", _PACKED),
)
"""What tells one zip-shaped format from another in the first piece; the last one always fits."""


class CharacterFile:
    """The characters of one UTF-8 file, in pieces or in lines, for use in a `with` block.

    With `data` these bytes are read instead, and the path is only what they are called.

    A byte order mark is dropped; CRLF and CR become LF. `head` is the first piece and `is_whole`
    says that there is no more. Read it with `pieces` or with `lines`, once; `sha256` is that of the
    bytes and complete only then.

    Raises:
        CorpusError: a folder, a missing or unreadable file, a binary file, a NUL character, or
            bytes that are not UTF-8; while opening or while reading.
    """

    def __init__(self, path: Path, data: bytes | None = None) -> None:
        self.path = path
        self._newlines = 0  # in the pieces before this one
        self._digest = hashlib.sha256()
        utf8 = codecs.getincrementaldecoder("utf-8-sig")()
        self._decoder = io.IncrementalNewlineDecoder(utf8, translate=True)
        try:
            self._file: BinaryIO = path.open("rb") if data is None else io.BytesIO(data)
        except FileNotFoundError:
            raise CorpusError(
                f"{path}: there is no such file; `python -m charmodels data list` "
                "shows the datasets that can be named instead of a file"
            ) from None
        except OSError as error:
            if path.is_dir():  # opening a folder fails with another error on each system
                raise CorpusError(
                    f"{path} is a folder; expected one text file, for example {path / 'names.txt'}"
                ) from None
            raise CorpusError(f"{path} cannot be read ({error.strerror}); check it") from None
        try:
            first = self._read()
            self.is_whole = len(first) < PIECE_BYTES
            _refuse_known_binary(path, first)
            self.head = self._decode(first, is_last=self.is_whole)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def pieces(self) -> Iterator[str]:
        """The whole text in pieces of about a million characters."""
        yield self.head
        is_last = self.is_whole
        while not is_last:
            piece = self._read()
            is_last = not piece
            yield self._decode(piece, is_last)

    def lines(self) -> Iterator[str]:
        """The whole text line by line, without line ends."""
        rest = ""
        for piece in self.pieces():
            # Only \n ends a line here: str.splitlines would also cut at U+0085 and U+2028.
            *complete, rest = (rest + piece).split("\n") if "\n" in piece else (rest + piece,)
            yield from complete
        if rest:
            yield rest

    def sha256(self) -> str:
        """Hex sha256 of the bytes read so far."""
        return self._digest.hexdigest()

    def _read(self) -> bytes:
        try:
            raw = self._file.read(PIECE_BYTES)
        except OSError as error:
            raise CorpusError(f"{self.path} cannot be read ({error.strerror}); check it") from None
        self._digest.update(raw)
        return raw

    def _decode(self, raw: bytes, is_last: bool) -> str:
        try:
            text = self._decoder.decode(raw, is_last)
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode("utf-8", "replace")
            line = self._newlines + before.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
            start, stop = max(0, error.start - _GUESS_BYTES), error.start + _GUESS_BYTES
            raise _not_utf8(self.path, line, error.object[start:stop]) from None
        nul = text.find("\0")
        if nul >= 0:
            line = self._newlines + text.count("\n", 0, nul) + 1
            raise CorpusError(
                f"{self.path}, line {line}: a NUL character (U+0000); expected UTF-8 text, so this "
                "is a binary file or UTF-16: save it as UTF-8 text"
            )
        self._newlines += text.count("\n")
        return text


def _refuse_known_binary(path: Path, first: bytes) -> None:
    for magic, meaning, remedy in _MAGIC:
        if first.startswith(magic):
            raise CorpusError(f"{path} is {meaning}, not text; {remedy}")
    if first.startswith(b"PK\x03\x04"):
        meaning, remedy = next((m, r) for inside, m, r in _ZIP_INSIDES if inside in first)
        raise CorpusError(f"{path} is {meaning}, not text; {remedy}")


def as_utf8(data: bytes) -> tuple[bytes, str]:
    """Text in whatever encoding it seems to be in, as UTF-8, with that encoding's name.

    For people who cannot convert a file; what is no text comes back as it is, to be refused.
    """
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        guess = _guess_encoding(data[max(0, error.start - _GUESS_BYTES) :][: 2 * _GUESS_BYTES])
        if guess is not None and not any(data.startswith(magic) for magic, _, _ in _MAGIC):
            with contextlib.suppress(UnicodeDecodeError):
                return data.decode(guess).encode(), codecs.lookup(guess).name
    return data, "utf-8"


def _not_utf8(path: Path, line: int, sample: bytes) -> CorpusError:
    """The error for bytes that are not UTF-8, with the encoding they seem to be in."""
    guess = _guess_encoding(sample)
    if guess is None:
        return CorpusError(f"{path} is a binary file, not text; {_NO_TEXT}")
    encoding = codecs.lookup(guess).name
    copy = path.with_suffix(f".utf8{path.suffix}").name
    return CorpusError(
        f"{path}, line {line}: not UTF-8, it looks like {encoding}; convert it with: "
        f'python -c "import pathlib; pathlib.Path({copy!r}).write_bytes('
        f'pathlib.Path({str(path)!r}).read_bytes().decode({encoding!r}).encode())"'
        f" and give {copy}"
    )


def _guess_encoding(sample: bytes) -> str | None:
    """The encoding that bytes seem to be in; None for what is no text.

    A short list fits dozens of encodings, so the likely ones are tried before all: letters with
    accents are few among plain ones, while in other alphabets most bytes are not ASCII.
    """
    from charset_normalizer import from_bytes  # slow to import, and rarely needed

    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf_16"
    if b"\0" in sample:
        return None
    is_latin = sum(byte >= 0x80 for byte in sample) < 0.3 * len(sample)
    likely = from_bytes(sample, cp_isolation=_LATIN if is_latin else _NOT_LATIN).best()
    best = likely or from_bytes(sample).best()
    return None if best is None else best.encoding
