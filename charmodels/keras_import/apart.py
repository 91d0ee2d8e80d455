"""Reading in a process of its own: the HDF5 library may crash, or never end, on a damaged file."""

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeVar

from charmodels.runtime.errors import RunError

SECONDS = 120.0
"""How long reading may take, the start of the process included."""

Made = TypeVar("Made")


def run_apart(work: Callable[..., Made], *arguments: object) -> Made:
    """What `work(*arguments)` returns in another process; both must be picklable.

    Raises:
        RunError: it raised one, crashed, or took longer than SECONDS.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, work, arguments), daemon=True)
    process.start()
    sender.close()  # ours: a crash of the other process is then seen as an end
    try:
        if not receiver.poll(SECONDS):
            raise RunError(f"not read within {SECONDS:g} seconds; is it damaged? save it again")
        made, error = receiver.recv()
    except EOFError:
        raise RunError(
            "reading it crashed the HDF5 library; it is damaged, save it again"
        ) from None
    finally:
        process.kill()
        process.join()
        receiver.close()
    if error is not None:
        raise RunError(error)
    answer: Made = made
    return answer


def _answer(sender: Connection, work: Callable[..., Made], arguments: tuple[object, ...]) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # last words of a crash are nobody's business
    try:
        sender.send((work(*arguments), None))
    except RunError as error:
        sender.send((None, str(error)))
