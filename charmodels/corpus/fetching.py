"""Download one file so that it is whole and right, or not there at all.

Bytes go to a `.part` file beside the place of the copy; a cut download goes on from there. Only a
copy with the right sha256 is renamed into place.
"""

import http.client
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from charmodels.corpus.catalogue import Dataset
from charmodels.runtime.bundle import sha256_of as sha256_of
from charmodels.runtime.errors import CorpusError

if TYPE_CHECKING:
    from urllib.request import Request

ATTEMPTS = 4
"""Connections made for one file, each going on where the last was cut."""

TIMEOUT_SECONDS = 30.0
"""Silence after which a connection counts as cut."""

_PIECE_BYTES = 1 << 16
_SPARE_BYTES = 1 << 20  # a raw file may be somewhat larger than the copy made from it


class Response(Protocol):
    """What is used of an answer over HTTP."""

    status: int

    @property
    def headers(self) -> http.client.HTTPMessage:
        """Header fields by name."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, none at the end."""


OpenUrl = Callable[["Request"], AbstractContextManager[Response]]
"""Sends a request; raises the errors of urllib."""


def open_https(request: "Request") -> AbstractContextManager[Response]:
    """Send a request over https, to the end of its redirects; nothing goes over plain http."""
    import ssl
    import urllib.request

    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.UnknownHandler(),  # refuses what is not https, redirects included
    ):
        opener.add_handler(handler)
    response: AbstractContextManager[Response] = opener.open(request, timeout=TIMEOUT_SECONDS)
    return response


def download(dataset: Dataset, folder: Path, open_url: OpenUrl = open_https) -> Path:
    """Fetch a dataset from its home into `folder`; gives the path of the copy.

    Raises:
        CorpusError: nothing to fetch from, no connection, an error of the server, a file that is
            too large or is not the one expected. A partial download stays for the next try;
            nothing else is left behind.
    """
    if dataset.url is None:
        raise CorpusError(
            f"dataset {dataset.name} cannot be fetched: make {dataset.file} from "
            f"{dataset.home} ({dataset.made}) and put its folder into CHARMODELS_DATA"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{dataset.file}.part"
        was_resumed = part.exists()
        _fill(part, dataset, dataset.url, open_url)
        found = _make_copy(part, dataset)
        if found is not None and was_resumed:  # the old part may have been of another file
            _fill(part, dataset, dataset.url, open_url)
            found = _make_copy(part, dataset)
    except OSError as error:
        raise CorpusError(
            f"dataset {dataset.name} cannot be written to {folder} ({error.strerror}); name "
            "another folder for it"
        ) from None
    if found is not None:
        raise CorpusError(
            f"{dataset.url} gave a file with sha256 {found[:12]}…, expected "
            f"{dataset.sha256[:12]}…: its home has changed, so nothing was kept; put the right "
            f"{dataset.file} into a folder of CHARMODELS_DATA"
        )
    return folder / dataset.file


def _fill(part: Path, dataset: Dataset, url: str, open_url: OpenUrl) -> None:
    """Bring the raw file whole into `part`, over several connections if they are cut."""
    import urllib.error

    again = f"python -m charmodels data fetch {dataset.name}"
    reason = ""
    with _progress(dataset) as show:
        for _ in range(ATTEMPTS):
            try:
                if _receive(part, dataset, url, open_url, show):
                    return
                reason = "the connection was cut"
            except urllib.error.HTTPError as error:
                error.close()
                if error.code == 416:  # nothing after the part: it was whole, or of another file
                    part.unlink()
                    reason = "the server refused to go on with the partial file"
                    continue
                raise CorpusError(
                    f"{url} answered {error.code} {error.reason}; dataset {dataset.name} is not "
                    f"there (any more): put {dataset.file} into a folder of CHARMODELS_DATA"
                ) from None
            except urllib.error.URLError as error:
                reason = str(error.reason)
                break  # no connection was made: another try would fail alike
            except (ConnectionError, TimeoutError, http.client.HTTPException) as error:
                reason = str(error) or type(error).__name__
    have = part.stat().st_size if part.exists() else 0
    raise CorpusError(
        f"{url} could not be fetched ({' '.join(reason.split())}) after {have:,} of about "
        f"{dataset.bytes:,} bytes; check the connection and go on with: {again}"
    )


def _receive(
    part: Path, dataset: Dataset, url: str, open_url: OpenUrl, show: Callable[[int], None]
) -> bool:
    """One connection: append what comes to `part`; whether the file is whole now."""
    from urllib.request import Request

    have = part.stat().st_size if part.exists() else 0
    request = Request(url, headers={"User-Agent": "charmodels", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    with open_url(request) as response:
        goes_on = response.status == 206 and (
            response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        )
        if not goes_on:
            have = 0  # a server that ignores Range sends the file from its start
        length = response.headers.get("Content-Length")
        whole = None if length is None else have + int(length)
        with part.open("ab" if goes_on else "wb") as file:
            while piece := response.read(_PIECE_BYTES):
                have += len(piece)
                if have > 2 * dataset.bytes + _SPARE_BYTES:
                    file.close()
                    part.unlink()
                    raise CorpusError(
                        f"{url} sends more than {have:,} bytes, expected about "
                        f"{dataset.bytes:,}; the download was stopped and nothing was kept"
                    )
                file.write(piece)
                show(have)
    return whole is None or have == whole


def _make_copy(part: Path, dataset: Dataset) -> str | None:
    """Turn the raw file into the copy and rename it into place; the sha256 found if it is wrong."""
    if dataset.steps:
        content = part.read_bytes()
        for step in dataset.steps:
            content = step(content)
        part.write_bytes(content)
    found = sha256_of(part)
    if found != dataset.sha256:
        part.unlink()
        return found
    part.replace(part.with_name(dataset.file))
    return None


@contextmanager
def _progress(dataset: Dataset) -> Iterator[Callable[[int], None]]:
    """A bar of bytes on standard error, told the bytes so far; nothing where it is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    console = Console(stderr=True)
    columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task(dataset.name, total=dataset.bytes)
        yield lambda have: progress.update(bar, completed=have)
