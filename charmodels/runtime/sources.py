"""Where a bundle may lie: a folder, a zip archive of one, or a Hugging Face repository.

Only the files of a bundle are taken, into a temporary folder that lasts until the model is open:
an archive or a repository may hold anything, and Hugging Face keeps its files behind links.
"""

import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from charmodels.runtime.bundle import (
    GRAPH_NAME,
    MAX_CHECKED_BYTES,
    MAX_GRAPH_BYTES,
    MAX_JSON_BYTES,
    WEIGHTS,
)
from charmodels.runtime.errors import BundleError

MAX_FILES = 32
"""Files of one bundle at most."""

MAX_ENTRIES = 1_000
"""Files of an archive or a repository at most, those that are no bundle's included."""

MAX_RATIO = 50
"""An archive's file may be this many times its packed bytes; weights hardly shrink by half."""

_BROKEN = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError)

_HUB = re.compile(r"hf:/{1,2}(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")
"""One slash or two: pathlib makes one of two."""


@contextmanager
def bundle_files(where: str | Path, limit: int = MAX_CHECKED_BYTES) -> Iterator[Path]:
    """The folder or file at `where`, a path or hf://user/name[@revision], while it is opened.

    Of an archive or a repository at most `limit` bytes are taken.

    Raises:
        BundleError: the archive or repository holds no bundle, or what a bundle must not.
    """
    said = where.as_posix() if isinstance(where, Path) else where  # on Windows, too
    if match := _HUB.fullmatch(said):
        with _aside() as folder:
            _copy_from_hub(match["repository"], match["revision"], folder, limit)
            yield folder
    elif Path(where).is_file() and Path(where).suffix.lower() == ".zip":
        with _aside() as folder:
            _unpack(Path(where), folder, limit)
            yield folder
    elif said.startswith("hf:"):
        raise BundleError(f"{where}: expected hf://user/name or hf://user/name@revision")
    elif not Path(where).exists():
        raise BundleError(
            f"{where}: no such file or folder; a bundle is made with: "
            "python -m export RUN --out BUNDLE"
        )
    else:
        yield Path(where)


@contextmanager
def _aside() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="charmodels-") as folder:
        yield Path(folder)


def _unpack(archive: Path, folder: Path, limit: int) -> None:
    """The files of the one bundle of an archive, at its top or in one folder of any name."""
    _check_directory(archive)
    try:
        with zipfile.ZipFile(archive) as packed:
            entries = packed.infolist()
            if len(entries) > MAX_ENTRIES:
                raise BundleError(
                    f"{archive}: {len(entries)} files; expected at most {MAX_ENTRIES}"
                )
            for entry in entries:
                _check_entry(archive, entry)
            top = _top_of(archive, [entry.filename for entry in entries])
            sizes = {
                entry.filename.removeprefix(top): entry.file_size
                for entry in entries
                if entry.filename.startswith(top)
            }
            for name in _wanted(str(archive), sizes, limit):
                with packed.open(top + name) as source, (folder / name).open("wb") as target:
                    shutil.copyfileobj(source, target)  # it gives no more bytes than it said
    except BundleError:
        raise
    except (*_BROKEN, OSError, ValueError) as error:
        raise BundleError(f"{archive}: not a zip archive we can read ({_first(error)})") from error


def _check_directory(archive: Path) -> None:
    """The list of an archive's files is read whole, so its size is looked at first."""
    with archive.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 2**16 - 22))
        tail = file.read()
    end = tail.rfind(b"PK\5\6")
    if tail[-22:-18] == b"PK\5\6" and tail[-2:] == b"\0\0":
        end = len(tail) - 22
    listed = int.from_bytes(tail[end + 12 : end + 16], "little")
    if end < 0 or listed > 256 * MAX_ENTRIES or tail[max(0, end - 20) : end][:4] == b"PK\6\7":
        raise BundleError(f"{archive}: not a zip archive of a bundle's few files")


def _check_entry(archive: Path, entry: zipfile.ZipInfo) -> None:
    """No path out of the folder, no link or device, nothing that swells beyond reason."""
    name = entry.filename
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or name.startswith(("/", "\\")) or ":" in name or "\0" in name:
        raise BundleError(f"{archive}: {name[:60]!r} leads out of the archive")
    kind = entry.external_attr >> 28  # of Unix's mode: 4 a folder, 8 a file, 0 unsaid
    if kind not in (0, 4, 8):
        raise BundleError(f"{archive}: {name[:60]!r} is a link or a device, not a file")
    if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BundleError(f"{archive}: {name[:60]!r} is encrypted or packed in a rare way")
    if entry.file_size > MAX_RATIO * entry.compress_size + 2**16:
        raise BundleError(
            f"{archive}: {name[:60]!r} would grow from {entry.compress_size:,} bytes to "
            f"{entry.file_size:,}"
        )


def _top_of(archive: Path, names: list[str]) -> str:
    found = [name for name in names if name.rpartition("/")[2] == "bundle.json"]
    if len(found) != 1 or found[0].count("/") > 1:
        raise BundleError(f"{archive}: holds {len(found)} bundle.json; expected one, at its top")
    return found[0].removesuffix("bundle.json")


def _wanted(where: str, sizes: Mapping[str, int], limit: int) -> list[str]:
    """The names of a bundle's files among all; each no larger than a bundle's may be."""
    names = [n for n in sizes if n in ("bundle.json", WEIGHTS) or re.fullmatch(GRAPH_NAME, n)]
    if "bundle.json" not in names:
        raise BundleError(f"{where}: no bundle.json in it; expected the files of one bundle")
    if len(names) > MAX_FILES:
        raise BundleError(f"{where}: {len(names)} files of a bundle; expected at most {MAX_FILES}")
    for name in names:
        most = MAX_JSON_BYTES if name == "bundle.json" else limit
        if sizes[name] > most:
            raise BundleError(f"{where}: {name} has {sizes[name]:,} bytes; expected {most:,}")
    if (whole := sum(sizes[name] for name in names)) > limit:
        raise BundleError(f"{where}: {whole:,} bytes; expected at most {limit:,}")
    return names


def _copy_from_hub(repository: str, revision: str | None, folder: Path, limit: int) -> None:
    """A repository's bundle through Hugging Face's cache; sizes are asked for before anything.

    And looked at again in what came: a branch may have moved meanwhile.
    """
    import huggingface_hub as hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    where = f"hf://{repository}" + (f"@{revision}" if revision else "")
    try:
        about = hub.HfApi().model_info(repository, revision=revision, files_metadata=True)
        names = _wanted(where, _sizes(where, about.siblings or []), limit)
        # By the revision's name, not its hash: so the cache knows the name when offline.
        cached = Path(hub.snapshot_download(repository, revision=revision, allow_patterns=names))
    except BundleError:
        raise
    except (HfHubHTTPError, HFValidationError) as error:
        raise BundleError(f"{where}: {_first(error)}") from error
    except Exception as error:  # nobody answers: the library has errors of several kinds for it
        kept = hub.try_to_load_from_cache(repository, "bundle.json", revision=revision)
        if not isinstance(kept, str):
            said = f"{where}: Hugging Face does not answer ({_first(error)}), nor has its cache it"
            raise BundleError(said) from error
        cached = Path(kept).parent
    files = [file for file in cached.iterdir() if file.is_file()]
    for name in _wanted(where, {file.name: file.stat().st_size for file in files}, limit):
        shutil.copyfile(cached / name, folder / name)


def _sizes(where: str, files: Sequence[Any]) -> dict[str, int]:
    """Bytes of a repository's files; one that does not say is too large."""
    if len(files) > MAX_ENTRIES:
        raise BundleError(f"{where}: {len(files)} files; expected at most {MAX_ENTRIES}")
    unsaid = MAX_GRAPH_BYTES + 1
    return {file.rfilename: unsaid if file.size is None else file.size for file in files}


def _first(error: Exception) -> str:
    return (str(error).strip().split("\n")[0] or type(error).__name__)[:200]
