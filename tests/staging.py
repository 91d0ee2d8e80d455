"""The static page staged once for all tests that look at it, and its modules run under Node."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from charmodels.runtime import SettingError
from demo.static_space import WEB, Staged, stage
from tests.browser import missing

ROOT = Path(__file__).resolve().parents[1]

_STAGED: list[Staged] = []


def staged(base: Path) -> Staged:
    """`python -m demo.space` into a folder of `base`, once; skips where there is no npm."""
    if not _STAGED:
        if shutil.which("node") is None or shutil.which("npm") is None:
            missing("no Node with npm, which bring the static page's libraries")
        try:
            _STAGED.append(stage(base / "space"))
        except SettingError as error:
            if "npm" not in str(error):
                raise
            missing(str(error))
    return _STAGED[0]


def ask(folder: Path, requests: list[dict[str, Any]]) -> list[Any]:
    """What the page's own modules answer, each request to one of `vectors.mjs`.

    They stand as `demo/web` has them, beside what was staged with them.
    """
    beside = folder.with_name(f"{folder.name}-modules")
    if not beside.exists():
        shutil.copytree(WEB / "engine", beside / "engine")
        for name in ("lib", "models", "limits.json"):
            (beside / name).symlink_to(folder / name)
    command = ["node", str(ROOT / "tests" / "vectors.mjs"), str(beside)]
    text = json.dumps(requests)
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    answers: list[Any] = json.loads(done.stdout)
    return answers


@contextmanager
def hosted(folder: Path, cors: bool = False, frame: str = "") -> Iterator[str]:
    """The folder on a plain web server that packs nothing; gives its address.

    `cors` lets any origin read it; /frame.html shows the page in an iframe of the sandbox `frame`.
    """

    class Handler(SimpleHTTPRequestHandler):
        def end_headers(self) -> None:
            if cors:
                self.send_header("Access-Control-Allow-Origin", "*")
            super().end_headers()

        def do_GET(self) -> None:
            if self.path != "/frame.html":
                super().do_GET()
                return
            page = f'<iframe src="index.html" sandbox="{frame}" width="1000" height="800"></iframe>'
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f"<!doctype html><link rel=icon href=favicon.svg>{page}".encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
