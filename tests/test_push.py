"""`--push`: to a stand-in of Hugging Face's server on loopback, by the library's own requests.

The stand-in keeps what it is given, as the real one would show it: a tree with git's hashes.
"""

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest

from tests.serving import ROOT
from tests.tiny import write_tiny

TOKEN = "hf_this_is_a_secret"


class Hub(ThreadingHTTPServer):
    """Repositories: name to path to bytes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.created: list[dict[str, object]] = []
        self.commits: list[list[str]] = []
        self.large: set[str] = set()
        """Paths that go to large storage, whose files are shown by sha256."""
        self.stored: dict[str, bytes] = {}
        """Large storage: sha256 to bytes."""
        self.forbidden = False

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        kind, name, what = self._asked()
        if kind not in ("models", "spaces") or name not in self.server.repositories:
            self._send(404, {}, {"X-Error-Code": "RepoNotFound"})
        elif what.startswith("tree/main"):
            files = self.server.repositories[name]
            self._send(200, [self._entry(path, data) for path, data in files.items()])
        else:
            self._send(200, {"id": name, "sha": "a" * 40})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._send(401, {"error": "who are you"})
        if self.server.forbidden:
            return self._send(403, {"error": "read only"})
        if self.path.endswith("/info/lfs/objects/batch"):
            return self._send(200, self._places(json.loads(body)["objects"]))
        kind, name, what = self._asked()
        if (kind, name) == ("repos", "create"):
            asked = json.loads(body)
            made = f"{asked.get('organization', 'someone')}/{asked['name']}"
            self.server.created.append(asked)
            self.server.repositories.setdefault(made, {".gitattributes": b"*.bin"})
            return self._send(200, {"url": f"{self.server.address}/{made}", "id": made})
        if what.startswith("preupload"):
            paths = [file["path"] for file in json.loads(body)["files"]]
            modes = {True: "lfs", False: "regular"}
            files = [
                {"path": p, "uploadMode": modes[p in self.server.large], "shouldIgnore": False}
                for p in paths
            ]
            return self._send(200, {"files": files})
        if what.startswith("commit"):
            lines = [json.loads(line) for line in body.splitlines() if line]
            there, told = self.server.repositories[name], []
            for key, value in ((line["key"], line["value"]) for line in lines):
                if key == "file":
                    there[value["path"]] = base64.b64decode(value["content"])
                elif key == "lfsFile":
                    there[value["path"]] = self.server.stored[value["oid"]]
                elif key == "deletedFile":
                    del there[value["path"]]
                else:
                    continue
                told.append(value["path"] if key != "deletedFile" else f"- {value['path']}")
            self.server.commits.append(told)
            address = f"{self.server.address}/{name}/commit/{'b' * 40}"
            return self._send(200, {"commitUrl": address, "commitOid": "b" * 40})
        return self._send(200, {"errors": [], "warnings": []})

    def do_PUT(self) -> None:
        self.server.stored[self.path.rpartition("/")[2]] = self.rfile.read(
            int(self.headers["Content-Length"])
        )
        self._send(200, {})

    def _places(self, asked: list[dict[str, object]]) -> dict[str, object]:
        """Where each large file goes that is not in storage yet."""
        objects = []
        for each in asked:
            upload = {"upload": {"href": f"{self.server.address}/storage/{each['oid']}"}}
            actions = {} if each["oid"] in self.server.stored else {"actions": upload}
            objects.append({**each, **actions})
        return {"transfer": "basic", "objects": objects}

    def _entry(self, path: str, data: bytes) -> dict[str, object]:
        oid = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        entry: dict[str, object] = {"type": "file", "path": path, "size": len(data), "oid": oid}
        if path in self.server.large:
            sha256 = hashlib.sha256(data).hexdigest()
            entry |= {"oid": "c" * 40}
            entry |= {"lfs": {"oid": sha256, "size": len(data), "pointerSize": 130}}
        return entry

    def _asked(self) -> tuple[str, str, str]:
        """models, someone/name, tree/main"""
        parts = urlsplit(self.path).path.removeprefix("/api/").split("/")
        if parts[0] == "repos":
            return parts[0], parts[1], ""
        return parts[0], "/".join(parts[1:3]), "/".join(parts[3:])

    def _send(self, code: int, body: object, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def hub() -> Iterator[Hub]:
    server = Hub()
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def push(
    hub: Hub, home: Path, *arguments: str | Path, token: str = TOKEN, by: str = "export"
) -> subprocess.CompletedProcess[str]:
    """`python -m export ARGUMENTS`, or another, of a person with this token and nothing else."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    environment |= {"HF_ENDPOINT": hub.address, "HF_HOME": str(home), "NO_PROXY": "127.0.0.1"}
    environment["HF_HUB_DISABLE_XET"] = "1"  # large files by the older way, which is plain HTTP
    if token:
        environment["HF_TOKEN"] = token
    return subprocess.run(
        [sys.executable, "-m", by, *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


def test_a_bundle_is_pushed_with_its_card_and_then_only_what_differs(
    hub: Hub, tmp_path: Path
) -> None:
    bundle = write_tiny(tmp_path / "tiny")
    said = push(hub, tmp_path, bundle, "--push", "someone/small", "--private")
    assert said.returncode == 0, said.stderr
    there = hub.repositories["someone/small"]
    assert there["step.onnx"] == (bundle / "step.onnx").read_bytes()
    assert there["bundle.json"] == (bundle / "bundle.json").read_bytes()
    assert b'load_bundle("hf://someone/small")' in there["README.md"]
    assert hub.created[0]["visibility"] == "private"
    assert f"{hub.address}/someone/small" in said.stderr
    assert TOKEN not in said.stdout + said.stderr
    assert not any(TOKEN in p.read_text("utf-8", "ignore") for p in tmp_path.rglob("*.json"))

    hub.large.add("step.onnx")
    there["README.md"], there["picture.png"] = b"old", b"theirs"
    again = push(hub, tmp_path, bundle, "--push", "someone/small", "--json")
    told = json.loads(again.stdout)
    assert told["files"] == {
        "README.md": "changed",
        "bundle.json": "same",
        "step.onnx": "same",
        ".gitattributes": "stays",
        "picture.png": "stays",
    }
    assert hub.commits[1:] == [["README.md"]]
    assert there["picture.png"] == b"theirs"


def test_a_large_file_goes_to_large_storage(hub: Hub, tmp_path: Path) -> None:
    bundle = write_tiny(tmp_path / "tiny")
    hub.large.add("step.onnx")
    said = push(hub, tmp_path, bundle, "--push", "someone/small")
    assert said.returncode == 0, said.stderr
    graph = (bundle / "step.onnx").read_bytes()
    assert hub.stored == {hashlib.sha256(graph).hexdigest(): graph}
    assert hub.repositories["someone/small"]["step.onnx"] == graph
    again = push(hub, tmp_path, bundle, "--push", "someone/small", "--json")
    assert set(json.loads(again.stdout)["files"].values()) == {"same", "stays"}
    assert len(hub.commits) == 1


def test_a_dry_run_lists_every_file_and_changes_nothing(hub: Hub, tmp_path: Path) -> None:
    bundle = write_tiny(tmp_path / "tiny")
    said = push(hub, tmp_path, bundle, "--push", "someone/small", "--dry-run", token="")
    assert said.returncode == 0, said.stderr
    lines = said.stdout.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == ["new"] * 3
    assert lines[-1].startswith("3 of 3 files to send, ")
    assert not hub.repositories
    assert not hub.created


@pytest.mark.parametrize(
    ("name", "token", "expected"),
    [
        ("someone/small", "", "not logged in to Hugging Face; run: hf auth login"),
        ("someone/small", "hf_of_a_stranger", "your token may not write there (401)"),
        ("small", TOKEN, "'small' is no repository; expected USER/NAME"),
        ("../../etc/passwd", TOKEN, "is no repository"),
        ("someone/..", TOKEN, "is no repository"),
    ],
)
def test_what_cannot_be_pushed_is_said_in_one_line(
    hub: Hub, tmp_path: Path, name: str, token: str, expected: str
) -> None:
    said = push(hub, tmp_path, write_tiny(tmp_path / "tiny"), "--push", name, token=token)
    assert said.returncode == 1
    assert expected in said.stderr
    assert said.stderr.count("\n") == 1
    assert not hub.commits
    assert not (token and token in said.stderr)


@pytest.mark.slow  # the library asks five times, a little later each time
def test_a_server_that_is_gone_is_said_in_one_line(tmp_path: Path) -> None:
    gone = Hub()
    gone.server_close()
    said = push(gone, tmp_path, write_tiny(tmp_path / "tiny"), "--push", "someone/small")
    assert said.returncode == 1
    assert "Hugging Face does not answer" in said.stderr
    assert said.stderr.count("\n") == 1


def test_flags_of_a_push_go_with_it(hub: Hub, tmp_path: Path) -> None:
    said = push(hub, tmp_path, tmp_path, "--out", tmp_path / "out", "--dry-run")
    assert said.returncode == 2
    assert "--dry-run goes with --push USER/NAME" in said.stderr


def test_a_space_is_made_and_then_only_what_differs_is_sent(hub: Hub, tmp_path: Path) -> None:
    command = (write_tiny(tmp_path / "tiny"), "--only", "--target", "gradio", "--out")
    first = (*command, tmp_path / "first", "--push", "someone/page")
    dry = push(hub, tmp_path, *first, "--dry-run", by="demo.space")
    assert dry.returncode == 0, dry.stderr
    assert not hub.created
    assert all(line.startswith("new") for line in dry.stdout.splitlines()[:-1])
    made = push(hub, tmp_path, *first, "--force", by="demo.space")
    assert made.returncode == 0, made.stderr
    assert hub.created[0]["type"] == "space"
    assert hub.created[0]["sdk"] == "gradio"
    there = hub.repositories["someone/page"]
    assert b'sdk: "gradio"' in there["README.md"]
    assert {"app.py", "requirements.txt", "demo/app.py", "bundles/00/tiny/step.onnx"} <= set(there)

    second = (*command, tmp_path / "second", "--push", "someone/page", "--title", "New name")
    again = push(hub, tmp_path, *second, by="demo.space")
    assert again.returncode == 0, again.stderr
    assert hub.commits[1:] == [["README.md"]]
    assert TOKEN not in dry.stdout + made.stdout + made.stderr + again.stderr

    there["notes/models/mine.txt"] = b"theirs"
    write_tiny(tmp_path / "other", seed=2)
    third = (tmp_path / "other", *command[1:], tmp_path / "third", "--push", "someone/page")
    dry = push(hub, tmp_path, *third, "--dry-run", by="demo.space")
    gone = [line.split()[2] for line in dry.stdout.splitlines() if line.startswith("gone")]
    assert gone == ["bundles/00/tiny/bundle.json", "bundles/00/tiny/step.onnx"]
    assert dry.stdout.splitlines()[-1].endswith(" bytes, 2 to delete")
    assert set(gone) <= set(there)
    assert push(hub, tmp_path, *third, "--force", by="demo.space").returncode == 0
    assert {path for path in there if "bundles/0" in path} == {
        "bundles/00/other/bundle.json",
        "bundles/00/other/step.onnx",
    }
    assert there["notes/models/mine.txt"] == b"theirs"


def test_a_space_is_not_staged_for_a_name_that_is_none(hub: Hub, tmp_path: Path) -> None:
    said = push(hub, tmp_path, "--out", tmp_path / "out", "--push", "page", by="demo.space")
    assert said.returncode == 1
    assert "'page' is no repository; expected USER/NAME" in said.stderr
    assert not (tmp_path / "out").exists()
