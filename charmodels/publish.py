"""A folder to a repository on Hugging Face: what would change, then one commit of just that.

Tokens are Hugging Face's own affair: the library takes the one that `hf auth login` keeps or the
environment's HF_TOKEN. Nothing here reads, prints or writes one.
"""

import hashlib
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from charmodels.runtime.errors import CharModelError

if TYPE_CHECKING:
    from huggingface_hub import RepoFile

Kind = Literal["model", "space"]
Sdk = Literal["gradio", "static"]

_NAME = re.compile(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}", re.ASCII)


class PublishError(CharModelError):
    """Hugging Face would not take it, or could not be asked."""


@dataclass(frozen=True)
class Change:
    """A file of the folder or of the repository, and what becomes of it there."""

    path: str
    """With slashes, from the top."""
    size: int
    """Bytes after the push; of one that is gone, before."""
    what: Literal["new", "changed", "same", "stays", "gone"]
    """`stays`: it is in the repository alone, and is left there. `gone`: it is deleted."""

    @property
    def is_sent(self) -> bool:
        """Whether its bytes are sent."""
        return self.what in ("new", "changed")


@dataclass(frozen=True)
class Repository:
    """Where a folder goes."""

    name: str
    """USER/NAME."""
    kind: Kind = "model"
    sdk: Sdk | None = None
    """Of a Space: what it runs on."""
    mirrored: tuple[str, ...] = ()
    """Folders of it, with a slash at the end, that hold what is pushed and nothing else: a file
    there that is not pushed any more is deleted."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise PublishError(f"{self.name!r:.80} is no repository; expected USER/NAME")

    @property
    def address(self) -> str:
        """Where people find it, below Hugging Face's own address."""
        return f"spaces/{self.name}" if self.kind == "space" else self.name


def publish(
    folder: Path,
    repository: Repository,
    *,
    private: bool = False,
    dry_run: bool = False,
    say: Callable[[str], object] = print,
) -> tuple[list[Change], str | None]:
    """Say what differs there, a line a file, then change just that, or nothing in a dry run.

    Args:
        folder: what is pushed; nothing else in the repository is touched but what it mirrors.
        repository: where it goes; it is made where there is none.
        private: whether a repository that is made is seen by its owner alone.
        dry_run: only say it.
        say: hears each line.

    Returns:
        What becomes of each file, and the repository's address where anything was sent.

    Raises:
        PublishError: there is no token, it may not write there, or Hugging Face does not answer.
    """
    planned = changes(folder, repository)
    for line in listed(planned):
        say(line)
    return planned, None if dry_run else push(folder, repository, planned, private=private)


def changes(folder: Path, repository: Repository) -> list[Change]:
    """What pushing `folder` would do, file by file; asks, and changes nothing.

    Raises:
        PublishError: Hugging Face does not answer, or refuses to say.
    """
    there = _files_there(repository)
    found = []
    for path in _files_of(folder):
        name = path.relative_to(folder).as_posix()
        old, data = there.pop(name, None), path.read_bytes()
        what: Literal["new", "changed", "same"] = "new"
        if old is not None:
            what = "same" if _is_same(old, data) else "changed"
        found.append(Change(name, len(data), what))
    for name, file in sorted(there.items()):
        is_gone = name.startswith(repository.mirrored)
        found.append(Change(name, file.size, "gone" if is_gone else "stays"))
    return found


def push(
    folder: Path, repository: Repository, planned: Sequence[Change], *, private: bool = False
) -> str:
    """Create the repository where there is none, and commit what differs; returns its address.

    Args:
        folder: what is pushed.
        repository: where it goes.
        planned: of `changes`.
        private: whether a repository that is created is seen by its owner alone.

    Raises:
        PublishError: there is no token, it may not write there, or Hugging Face does not answer.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token

    if get_token() is None:
        raise PublishError("not logged in to Hugging Face; run: hf auth login, or set HF_TOKEN")
    sent = [change.path for change in planned if change.is_sent]
    gone = [change.path for change in planned if change.what == "gone"]
    with _asking(repository):
        api = HfApi()
        made = api.create_repo(
            repository.name,
            repo_type=repository.kind,
            space_sdk=repository.sdk,
            private=private or None,
            exist_ok=True,
        )
        if sent or gone:
            api.create_commit(
                repository.name,
                [
                    *(CommitOperationAdd(name, folder / name) for name in sent),
                    *(CommitOperationDelete(name) for name in gone),
                ],
                commit_message=f"charmodels: {len(sent)} files" + _deleted(len(gone)),
                repo_type=repository.kind,
            )
    return str(made)


def listed(planned: Sequence[Change]) -> Iterator[str]:
    """A line a file, and what it comes to."""
    for change in planned:
        yield f"{change.what:<8} {change.size:>12,}  {change.path}"
    sent = [change.size for change in planned if change.is_sent]
    gone = sum(change.what == "gone" for change in planned)
    yield f"{len(sent)} of {len(planned)} files to send, {sum(sent):,} bytes" + _deleted(gone)


def _deleted(count: int) -> str:
    return f", {count} to delete" if count else ""


def _files_of(folder: Path) -> list[Path]:
    """Every file below; links are not followed out of it."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    if not found:
        raise PublishError(f"{folder} holds no file to push")
    return found


def _files_there(repository: Repository) -> dict[str, "RepoFile"]:
    """The files of the repository by path; none where it does not exist yet."""
    from huggingface_hub import HfApi, RepoFile
    from huggingface_hub.errors import RepositoryNotFoundError

    api = HfApi()
    with _asking(repository):
        try:
            tree = api.list_repo_tree(repository.name, recursive=True, repo_type=repository.kind)
            return {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}
        except RepositoryNotFoundError:
            return {}


def _is_same(there: "RepoFile", data: bytes) -> bool:
    """Large files are known by their sha256, small ones by git's own hash."""
    if there.lfs is not None:
        return there.lfs.sha256 == hashlib.sha256(data).hexdigest()
    return there.blob_id == hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@contextmanager
def _asking(repository: Repository) -> Iterator[None]:
    """Whatever the library raises becomes one line; an address in it may hold no token."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # it tells of every try by itself
    try:
        yield
    except HFValidationError as error:
        raise PublishError(f"{repository.name}: {_first(error)}") from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        if status in (401, 403):
            reason = f"your token may not write there ({status}); it needs the write role"
        else:
            reason = f"Hugging Face refused ({status}): {error.server_message or _first(error)}"
        raise PublishError(f"{repository.name}: {reason}") from error
    except OSError as error:
        raise PublishError(f"Hugging Face does not answer ({_first(error)})") from error
    except Exception as error:
        if not type(error).__module__.startswith("httpx"):
            raise
        raise PublishError(f"Hugging Face does not answer ({_first(error)})") from error


def _first(error: Exception) -> str:
    return (str(error).strip().split("\n")[0] or type(error).__name__)[:200]
