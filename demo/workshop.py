"""The server's side of Train on my list: reads lists, queues trainings, keeps what they made.

One training at a time, in a process of its own (`demo.training`) that is killed with everything it
started when the visitor cancels or leaves, and when it takes more time or memory than it may. Its
folder is removed when it ends, and those of servers that died when the next one starts.
"""

import atexit
import base64
import binascii
import contextlib
import fcntl
import json
import math
import os
import queue
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from charmodels.corpus.decoding import as_utf8
from charmodels.corpus.reading import MAX_NAME_CHARS, symbols
from charmodels.runtime import CharModelError, load_bundle
from charmodels.runtime.bundle import STEP, Kind
from charmodels.runtime.errors import CorpusError
from demo.chat import Refusal, told_in_all
from demo.shelf import Shelf
from demo.training import BUNDLE, Order, Told, read_list

MINUTES: tuple[float, ...] = (1, 2, 5)
"""What a visitor may choose, CPU minutes."""

MAX_BYTES = 2**20
"""Of a list."""

MAX_WAITING = 8
"""Trainings that wait for the one at work."""

MAX_KEPT = 8
"""Models trained here that the shelf holds; one more, and the oldest goes."""

_ENDINGS = (".txt", ".csv", ".tsv", ".tab")
_EXAMPLES, _LETTERS = 12, 300
_TURN_S = 0.2
_PREFIX, _LOCK = "charmodels-train-", "lock"


@dataclass(frozen=True)
class Limits:
    """How far a training may go beyond its budget, and how long it lasts for nobody."""

    memory: int = 2 * 2**30
    """Bytes of the process's own memory."""
    spare_s: float = 120.0
    """Seconds of the processor beside the budget: starting, measuring, exporting."""
    slowness: float = 6.0
    """Seconds of the clock for each of the processor's, on a machine that does other things."""
    alone_s: float = 10.0
    """Seconds for which nobody asks how it goes."""


# ---- what was read ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wish:
    """What a browser sent, checked."""

    data: bytes
    encoding: str
    """What the list was written in, before it became UTF-8."""
    file: str
    """The model's name, with an ending."""
    kind: Kind | None
    lowercase: bool
    private: bool
    minutes: float


def check_wish(asked: object, minutes: tuple[float, ...] = MINUTES) -> Wish:
    """The wish in what a browser sent.

    Raises:
        Refusal: what is no list, too long, or no budget of ours.
    """
    asked = asked if isinstance(asked, dict) else {}
    packed, chosen = asked.get("data"), asked.get("minutes", minutes[0])
    if not isinstance(packed, str):
        raise Refusal("train.refusal.empty")
    if len(packed) > 4 * math.ceil(MAX_BYTES / 3):
        raise Refusal("train.refusal.large")
    try:
        data = base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError):
        raise Refusal("train.refusal.empty") from None
    if len(data) > MAX_BYTES:
        raise Refusal("train.refusal.large")
    if not data.strip():
        raise Refusal("train.refusal.empty")
    if isinstance(chosen, bool) or chosen not in minutes:
        raise Refusal("train.refusal.minutes", minutes=", ".join(f"{each:g}" for each in minutes))
    data, encoding = as_utf8(data)
    kind = asked.get("kind")
    return Wish(
        data=data,
        encoding=encoding,
        file=safe_name(asked.get("name")) + _ending(asked.get("file")),
        kind=kind if kind in ("names", "text") else None,
        lowercase=asked.get("lowercase") is True,
        private=asked.get("private") is True,
        minutes=float(chosen),
    )


def safe_name(wished: object) -> str:
    """A model's name that can be a folder's: letters, digits, spaces, hyphens; at most 40."""
    plain = re.sub(r"[^\w-]+", " ", wished if isinstance(wished, str) else "")
    return plain.strip(" -_")[:40].strip() or "mi lista"


def _ending(file: object) -> str:
    ending = Path(file).suffix.lower() if isinstance(file, str) else ""
    return ending if ending in _ENDINGS else ".txt"


def describe(wish: Wish) -> dict[str, Any]:
    """What was read, and what would be trained on it.

    Raises:
        Refusal: the list cannot be read.
    """
    try:
        corpus, split = read_list(wish.data, wish.file, wish.kind, wish.lowercase)
    except CorpusError as error:
        raise _refused(wish, error) from error
    alphabet = symbols(corpus)
    is_names = corpus.kind == "names"
    table = corpus.table
    columns = table.columns if table else ()
    used = (table.name_column, table.count_column) if table else ()
    return {
        "kind": corpus.kind,
        "records": len(corpus.records),
        "characters": sum(map(len, corpus.records)),
        "alphabet": list(alphabet[:_LETTERS]),
        "letters": len(alphabet),
        **asdict(corpus.tally),
        "examples": corpus.records[:_EXAMPLES] if is_names else [corpus.records[0][:300]],
        "held": len(split.test) + len(split.validation) if is_names else _held(split),
        "split": bool(split.test),
        "encoding": wish.encoding,
        "table": table is not None,
        "counted": table is not None and table.count_column is not None,
        "column": columns[table.name_column] if table and columns else "",
        "dropped": [name for place, name in enumerate(columns) if place not in used],
    }


def _held(split: Any) -> int:
    return sum(len(text) for part in (split.validation, split.test) for text in part)


def _refused(wish: Wish, error: CorpusError) -> Refusal:
    """What the reader says, in words for the page where there are some."""
    try:
        text = wish.data.decode()
    except UnicodeDecodeError:
        return Refusal("train.refusal.binary")
    if "\0" in text:
        return Refusal("train.refusal.binary")
    lines = {line.strip() for line in text.splitlines()} - {""}
    if len(lines) < 2 and wish.kind != "text":
        return Refusal("train.refusal.one")
    longest = max(map(len, lines), default=0)
    if longest > MAX_NAME_CHARS and "a name of" in str(error):
        return Refusal("train.refusal.long", length=longest, limit=MAX_NAME_CHARS)
    return Refusal("train.refusal.read", reason=str(error)[:300])


# ---- trainings ----------------------------------------------------------------------------------


class Job:
    """One training, from the queue to its end; `tell` is for the browser of whoever asked."""

    def __init__(self, wish: Wish, kind: Kind, seconds: float) -> None:
        self.id = secrets.token_urlsafe(16)
        """Only the visitor who started it knows it."""
        self.wish, self.kind, self.seconds = wish, kind, seconds
        self.is_over = self.is_cancelled = False
        self.asked_at = time.monotonic()
        self._began: float | None = None
        self._told: dict[str, Any] = {
            "id": self.id,
            "phase": "wait",
            "kind": kind,
            "steps": 0,
            "points": [],
            "held": [],
            "samples": [],
            "ngram": None,
            "figures": {},
            "proof": {},
            "refused": None,
            "made": None,
        }

    def tell(self, place: int) -> dict[str, Any]:
        """How it goes; `place` is how many are before it."""
        self.asked_at = time.monotonic()
        told = {name: list(v) if isinstance(v, list) else v for name, v in self._told.items()}
        return told | {"place": place, "left": self._left()}

    def hear(self, told: Told) -> None:
        """A line of the process."""
        for name, list_ in (("point", "points"), ("held", "held")):
            if name in told:
                self._told[list_].append(told[name])
        for name in ("phase", "steps", "samples", "ngram", "figures", "proof"):
            if name in told:
                self._told[name] = told[name]
        if told.get("phase") == "train":
            self._began = time.monotonic()

    def end(self, phase: str, **facts: Any) -> None:
        """Over: done, cancelled or failed."""
        self._told |= {"phase": phase, **facts}
        self.is_over = True

    def _left(self) -> float | None:
        """Seconds to the last weight, as it goes now; None before it can be known and after."""
        points: list[list[float]] = self._told["points"]
        steps: int = self._told["steps"]
        if self._told["phase"] != "train" or not points or self._began is None or not points[-1][0]:
            return None
        return round((time.monotonic() - self._began) * (steps / points[-1][0] - 1), 1)


@dataclass(frozen=True)
class Made:
    """A model trained here: its name on the shelf, and its bundle with its card."""

    name: str
    archive: bytes


class Workshop:
    """Trains for the visitors of one page, one at a time.

    Args:
        shelf: where finished models go.
        minutes: the budgets to choose from; MINUTES when not given.
        limits: what the system and the clock allow.

    Attributes:
        command: what is run for each training.
    """

    def __init__(
        self, shelf: Shelf, minutes: tuple[float, ...] | None = None, limits: Limits | None = None
    ) -> None:
        self.shelf, self.minutes, self.limits = shelf, minutes or MINUTES, limits or Limits()
        self.command = (sys.executable, "-m", "demo.training")
        self._lock = threading.Lock()
        self._waiting: deque[Job] = deque()
        self._at_work: Job | None = None
        self._made: dict[str, Made] = {}
        self._is_closed = False
        self._home: Path | None = None
        self._hold: int | None = None
        sweep()
        atexit.register(self.close)

    def read(self, asked: object) -> dict[str, Any]:
        """What a browser's list holds, as it would be trained on.

        Raises:
            Refusal: it cannot be read.
        """
        return describe(check_wish(asked, self.minutes))

    def enter(self, asked: object) -> Job:
        """Put the training that a browser asks for in the queue.

        Raises:
            Refusal: the list cannot be read, or too many wait.
        """
        wish = check_wish(asked, self.minutes)
        job = Job(wish, describe(wish)["kind"], wish.minutes * 60)
        with self._lock:
            if len(self._waiting) >= MAX_WAITING or self._is_closed:
                raise Refusal("train.refusal.busy", count=len(self._waiting))
            self._waiting.append(job)
            if self._at_work is None:
                self._at_work = self._next()
                threading.Thread(target=self._work, daemon=True).start()
        return job

    def tell(self, job: Job) -> dict[str, Any]:
        """How a training goes, and how many are before it; whoever asks is still there."""
        with self._lock:
            waiting = list(self._waiting)
        return job.tell(waiting.index(job) + 1 if job in waiting else 0)

    def leave(self, job: Job) -> None:
        """End a training, wherever it stands; one that is over stays what it is."""
        job.is_cancelled = True
        with self._lock, contextlib.suppress(ValueError):
            self._waiting.remove(job)
            job.end("cancelled")

    def cancel(self, number: object) -> None:
        """`leave` by a job's id."""
        with self._lock:
            jobs = [*self._waiting, self._at_work]
        for job in jobs:
            if job is not None and isinstance(number, str) and job.id == number:
                self.leave(job)

    def made(self, number: object) -> Made:
        """What a finished training made, by its job's id.

        Raises:
            Refusal: it is not kept any more, or never was.
        """
        made = self._made.get(number) if isinstance(number, str) else None
        if made is None:
            raise Refusal("train.refusal.gone")
        return made

    def close(self) -> None:
        """End the training at work and remove every folder."""
        self._is_closed = True
        with self._lock:
            jobs = [*self._waiting, self._at_work]
        for job in jobs:
            if job is not None:
                self.leave(job)
        deadline = time.monotonic() + 5
        while self._at_work is not None and time.monotonic() < deadline:
            time.sleep(0.02)
        if self._home is not None:
            shutil.rmtree(self._home, ignore_errors=True)
        if self._hold is not None:
            os.close(self._hold)
            self._hold = None

    def _next(self) -> Job | None:
        """The first in the queue whose visitor is still there; the lock is held."""
        while self._waiting:
            job = self._waiting.popleft()
            if time.monotonic() - job.asked_at < self.limits.alone_s and not job.is_cancelled:
                return job
            job.end("cancelled")
        return None

    def _work(self) -> None:
        """Train until nobody waits."""
        while (job := self._at_work) is not None:
            try:
                self._train(job)
            except Exception:  # a full disk, say: told and logged, and the next one begins
                traceback.print_exc()
                job.end("failed", refused=told_in_all(Refusal("train.refusal.failed")))
            finally:
                with self._lock:
                    self._at_work = self._next()

    def _train(self, job: Job) -> None:
        folder = Path(tempfile.mkdtemp(dir=self._own_home()))
        try:
            reason = self._watch(job, folder)
            if job.is_cancelled:
                job.end("cancelled")
            elif reason is None:
                self._keep(job, folder / BUNDLE)
            else:
                job.end("failed", refused=told_in_all(reason))
        except CharModelError as error:
            job.end("failed", refused=told_in_all(error))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _watch(self, job: Job, folder: Path) -> Refusal | None:
        """Run the process to its end, or end it; why there is no bundle."""
        limits, wish = self.limits, job.wish
        order = Order(
            folder=str(folder),
            file=wish.file,
            size=len(wish.data),
            kind=job.kind,
            lowercase=wish.lowercase,
            private=wish.private,
            seconds=job.seconds,
            most_seconds=job.seconds + limits.spare_s,
            memory=limits.memory,
        )
        deadline = time.monotonic() + limits.slowness * order.most_seconds
        lines: queue.SimpleQueue[Told | None] = queue.SimpleQueue()
        reason: Refusal | None = Refusal("train.refusal.failed")
        process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[1],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,  # a group of its own: what it starts ends with it
        )
        told_by = (process, order, wish.data, lines)
        reader = threading.Thread(target=_read, args=told_by, daemon=True)
        reader.start()
        try:
            while True:
                with contextlib.suppress(queue.Empty):
                    told = lines.get(timeout=_TURN_S)
                    if told is None:
                        break
                    job.hear(told)
                    if "done" in told:
                        reason = None
                    elif "refused" in told:
                        reason = _reason(told["refused"])
                if time.monotonic() > deadline:
                    return Refusal("train.refusal.time")
                if time.monotonic() - job.asked_at > limits.alone_s:
                    job.is_cancelled = True
                if job.is_cancelled:
                    return Refusal("train.refusal.failed")
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            reader.join()
        if process.returncode == -signal.SIGXCPU:
            return Refusal("train.refusal.time")
        return reason

    def _keep(self, job: Job, archive: Path) -> None:
        """Open the bundle, put it on the shelf, and let the oldest go."""
        model = load_bundle(archive, trusted=True)  # our own process wrote it, and proved it
        packed = archive.read_bytes()
        name, size = Path(job.wish.file).stem, model.bundle.files[STEP].bytes
        speaker = self.shelf.add(name, model, size)
        self._made[job.id] = Made(speaker.name, packed)
        while len(self._made) > MAX_KEPT:
            oldest = self._made.pop(next(iter(self._made)))
            self.shelf.remove(oldest.name)
        job.end("done", made={"name": speaker.name, "bytes": len(packed)})

    def _own_home(self) -> Path:
        """This server's folder, held by a lock for as long as it lives."""
        if self._home is None:
            self._home = Path(tempfile.mkdtemp(prefix=_PREFIX))
            self._hold = os.open(self._home / _LOCK, os.O_CREAT | os.O_RDWR)
            fcntl.flock(self._hold, fcntl.LOCK_EX)
        return self._home


def sweep(where: Path | None = None) -> None:
    """Remove the folders of servers that died: nobody holds their lock."""
    for home in (where or Path(tempfile.gettempdir())).glob(f"{_PREFIX}*"):
        try:
            hold = os.open(home / _LOCK, os.O_RDWR)
        except OSError:
            continue  # another's, or just being made
        try:
            fcntl.flock(hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(home, ignore_errors=True)
        except OSError:
            pass  # its server lives
        finally:
            os.close(hold)


def _read(
    process: "subprocess.Popen[bytes]",
    order: Order,
    data: bytes,
    lines: "queue.SimpleQueue[Told | None]",
) -> None:
    """Give the process its order and its list, and pass on what it tells; None is its end."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(asdict(order)).encode() + b"\n" + data)
        process.stdin.flush()  # and left open: its end would be the end of the process
        for line in process.stdout:
            lines.put(json.loads(line))
    except (BrokenPipeError, ValueError):
        pass  # it was killed, perhaps in the middle of a line
    finally:
        lines.put(None)
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()


def _reason(told: object) -> Refusal:
    if told == "memory":
        return Refusal("train.refusal.memory")
    return Refusal("train.refusal.read", reason=str(told)[:300])
