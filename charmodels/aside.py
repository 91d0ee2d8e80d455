"""Files that are whole or not there: a killed program never leaves half of one."""

import contextlib
import os
from pathlib import Path

from charmodels.runtime.errors import RunError


def write_aside(path: Path, data: bytes) -> None:
    """Replace a file whole or not at all: written beside it, flushed, renamed.

    Raises:
        RunError: it cannot be written; the old file is as it was.
    """
    aside = path.with_name(f".{path.name}.part")
    try:
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:  # a full disk gives no file name
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
        raise RunError(f"{path}: cannot be written ({error.strerror or error})") from error
