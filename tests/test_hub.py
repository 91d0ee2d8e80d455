"""hf://user/name[@revision]: a bundle through Hugging Face's cache, from a stand-in of its server.

The stand-in answers the three questions the library asks, on loopback: what a repository holds,
what a file is, and its bytes. It counts them.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from charmodels.runtime import BundleError, load_bundle
from charmodels.runtime.sources import bundle_files
from tests.tiny import write_tiny

COMMITS = {"main": "a" * 40, "v1": "b" * 40}


class Hub(ThreadingHTTPServer):
    """Repositories of one user: name to revision to folder."""

    def __init__(self, folders: dict[str, dict[str, Path]]) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.folders = folders
        self.fetched: list[str] = []
        self.claimed: dict[str, int] = {}
        """Sizes it lies about."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = urlsplit(self.path).path.strip("/").split("/")
        if parts[:3] == ["api", "models", "someone"]:
            name, revision = parts[3], parts[5] if parts[4:5] == ["revision"] else "main"
            self._describe(name, revision, parts[4] if len(parts) > 4 else "")
        elif parts[0] == "someone" and parts[2] == "resolve":
            self._file(parts[1], parts[3], "/".join(parts[4:]))
        else:
            self._send(404, b"{}")

    def _folder(self, name: str, revision: str) -> tuple[str, Path] | None:
        folders = self.server.folders.get(name, {})
        wanted = {commit: r for r, commit in COMMITS.items()}.get(revision, revision)
        return (COMMITS[wanted], folders[wanted]) if wanted in folders else None

    def _describe(self, name: str, revision: str, what: str) -> None:
        found = self._folder(name, revision)
        if found is None:
            code = "RepoNotFound" if name not in self.server.folders else "RevisionNotFound"
            self._send(404, b"{}", {"X-Error-Code": code, "X-Error-Message": "no such thing"})
            return
        commit, folder = found
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        sizes = {str(p.relative_to(folder)): p.stat().st_size for p in files}
        siblings = [
            {"rfilename": name, "size": self.server.claimed.get(name, size)}
            for name, size in sizes.items()
        ]
        facts = {"id": f"someone/{name}", "sha": commit, "siblings": siblings}
        tree = [
            {"type": "file", "path": name, "size": size, "oid": _etag(folder / name)}
            for name, size in sizes.items()
        ]
        self._send(200, json.dumps(tree if what == "tree" else facts).encode())

    def _file(self, name: str, revision: str, path: str) -> None:
        found = self._folder(name, revision)
        if found is None or not (found[1] / path).is_file():
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        if self.command == "GET":
            self.server.fetched.append(path)
        data = (found[1] / path).read_bytes()
        headers = {"ETag": f'"{_etag(found[1] / path)}"', "X-Repo-Commit": found[0]}
        self._send(200, data, headers)

    def _send(self, code: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)


def _etag(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    first = write_tiny(tmp_path / "first", seed=1)
    second = write_tiny(tmp_path / "second", seed=2)
    (second / "README.md").write_text("# a card", encoding="utf-8")
    (second / "training.bin").write_bytes(bytes(1000))
    (second / "deep").mkdir()
    (second / "deep" / "other.onnx").write_bytes(b"not ours")
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "README.md").write_text("words", encoding="utf-8")
    with Hub({"names": {"v1": first, "main": second}, "empty": {"main": empty}}) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


OPEN = """
import sys
from charmodels.runtime import CharModelError, load_bundle
try:
    print(load_bundle(sys.argv[1]).generate(3, seed=1))
except CharModelError as error:
    print("refused:", error)
"""


def said(hub: Hub, cache: Path, where: str, **settings: Any) -> str:
    """What a fresh process says that loads from the stand-in."""
    names = {"HF_ENDPOINT": hub.address, "HF_HOME": str(cache), "HF_HUB_DISABLE_TELEMETRY": "1"}
    answer = subprocess.run(
        [sys.executable, "-c", OPEN, where],
        capture_output=True, text=True, env={**os.environ, **names, **settings}, timeout=60,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert "\n" not in answer.stdout.strip()
    return answer.stdout.strip()


def spoken(folder: Path) -> str:
    return str(load_bundle(folder).generate(3, seed=1))


def test_a_repository_opens_and_only_its_bundle_is_fetched(hub: Hub, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert said(hub, cache, "hf://someone/names") == spoken(tmp_path / "second")
    assert sorted(hub.fetched) == ["bundle.json", "step.onnx"]
    hub.fetched.clear()
    assert said(hub, cache, "hf://someone/names") == spoken(tmp_path / "second")
    assert hub.fetched == []  # the cache has it
    offline = said(hub, cache, "hf://someone/names", HF_HUB_OFFLINE="1")
    assert offline == spoken(tmp_path / "second")


def test_a_revision_is_another_bundle(hub: Hub, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert said(hub, cache, "hf://someone/names@v1") == spoken(tmp_path / "first")
    assert said(hub, cache, "hf:/someone/names@" + COMMITS["v1"]) == spoken(tmp_path / "first")


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("hf://someone/nothing", "hf://someone/nothing: "),
        ("hf://someone/names@v9", "hf://someone/names@v9: "),
        ("hf://someone/empty", "no bundle.json in it"),
        ("hf://someone", "expected hf://user/name"),
    ],
)
def test_what_is_not_there_is_said(hub: Hub, tmp_path: Path, where: str, reason: str) -> None:
    message = said(hub, tmp_path / "cache", where)
    assert message.startswith("refused:")
    assert reason in message


def test_what_is_too_large_is_not_fetched(hub: Hub, tmp_path: Path) -> None:
    hub.claimed["step.onnx"] = 2**40
    message = said(hub, tmp_path / "cache", "hf://someone/names")
    assert "step.onnx has 1,099,511,627,776 bytes" in message
    assert hub.fetched == []


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"bundle.json": 10, "step.onnx": 501}, "step.onnx has 501 bytes; expected 500"),
        ({"bundle.json": 10, "step.onnx": 300, "more.onnx": 300}, "610 bytes; expected at most"),
        ({"step.onnx": 10}, "no bundle.json in it"),
    ],
    ids=["larger", "more", "gone"],
)
def test_what_came_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, int], reason: str
) -> None:
    """The branch moved after its sizes were asked for."""
    for name, size in files.items():
        (tmp_path / name).write_bytes(bytes(size))
    listed = [SimpleNamespace(rfilename=n, size=10) for n in ("bundle.json", "step.onnx")]
    about = SimpleNamespace(siblings=listed)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *_, **__: about)
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(tmp_path))
    with (
        pytest.raises(BundleError, match=reason),
        bundle_files("hf://someone/names", limit=500),
    ):
        pass


def test_nobody_answers_and_nothing_is_kept(hub: Hub, tmp_path: Path) -> None:
    message = said(hub, tmp_path / "cache", "hf://someone/names", HF_HUB_OFFLINE="1")
    assert "nor has its cache it" in message


def test_a_hostile_repository_is_checked_like_any_bundle(hub: Hub, tmp_path: Path) -> None:
    graph = tmp_path / "second" / "step.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"\0")
    assert "changed since it was made" in said(hub, tmp_path / "cache", "hf://someone/names")
