"""How every command ends: UTF-8 on both streams, an error in one line, and what the code means."""

import io
import os
import sys
from collections.abc import Callable

from charmodels.runtime.errors import CharModelError

DONE, USER_ERROR, BAD_USAGE, INTERRUPTED = 0, 1, 2, 130


class UsageError(CharModelError):
    """Words that do not make a command: exit 2."""


def run_command(command: Callable[[], int], extra_of: Callable[[str], str]) -> int:
    """Run a command and give its exit code; what a user can mend becomes one line on stderr.

    Args:
        command: the work; gives the code of a good or an interrupted end.
        extra_of: names the optional extra that brings a module which is not installed.
    """
    _speak_utf8()
    try:
        code = command()
        if sys.stdout is not None:
            sys.stdout.flush()  # here, so that a full disk or a closed pipe is met inside the try
        return code
    except BrokenPipeError:  # the reader of our output, such as head, has had enough
        _drop_output()
        return DONE
    except UsageError as error:
        return _told(str(error), BAD_USAGE)
    except CharModelError as error:
        return _told(str(error), USER_ERROR)
    except ModuleNotFoundError as error:
        name = error.name or ""
        return _told(
            f"this needs {name}, which is not installed; "
            f'install it with: pip install "charmodels[{extra_of(name)}]"',
            USER_ERROR,
        )
    except OSError as error:  # a folder that cannot be written, a disk that is full
        _drop_output()
        where = f"{error.filename}: " if error.filename else ""
        return _told(f"{where}{error.strerror or error}", USER_ERROR)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return INTERRUPTED


def _told(message: str, code: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return code


def _speak_utf8() -> None:
    """Names are written as they are, whatever the terminal or a redirection asks for."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a test may have put something else there
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _drop_output() -> None:
    """Let what could not be printed go nowhere, or Python would try again at exit and complain."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
