"""The command that opens the page: `python -m demo [BUNDLE ...]`."""

import importlib.util
import socket
import sys
import threading
import webbrowser
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

_FIRST_PORT = 7860
_PORTS_TRIED = 100


@dataclass(frozen=True)
class Options:
    """A chat page for small character models, in Spanish and English.

    Without arguments it opens on the models that come with it.
    """

    bundles: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[BUNDLE ...]")
    ] = ()
    """Bundles of your own, made with python -m export; they come first on the page."""
    host: str = "127.0.0.1"
    """Where to listen: 127.0.0.1 is this machine only, 0.0.0.0 is the whole network."""
    port: int | None = None
    """The port to listen on; without it, 7860 or the next free one."""
    behind_proxy: bool = False
    """Believe what a reverse proxy says of the page's address (X-Forwarded-Host and -Proto) and of
    its visitors' (X-Forwarded-For), who are limited one by one."""
    mcp: bool = False
    """Also offer the models as tools to MCP clients, at /gradio_api/mcp/."""
    training: Literal["auto", "on", "off"] = "auto"
    """Let visitors train models on their own lists. auto does where torch is installed and the page
    is this machine's alone: a host such as 127.0.0.1, no proxy before it. Never on a Space."""
    open: bool = True
    """Open the page in a browser, when started from a terminal."""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve the page until Ctrl-C; returns the exit code."""
    return run(tyro.cli(Options, args=argv, prog="python -m demo"))


def run(options: Options) -> int:
    """Open the models, serve the page, wait."""
    from charmodels.runtime import CharModelError, SettingError

    if options.mcp and importlib.util.find_spec("mcp") is None:
        asked = "error: --mcp needs mcp, which is not installed"
        print(f'{asked}; install it with: pip install "charmodels[mcp]"', file=sys.stderr)
        return 1
    from demo.shelf import open_shelf
    from demo.trainable import open_workshop

    try:
        speakers = open_shelf(options.bundles)
        port = choose_port(options.host, options.port)
        proxied = options.behind_proxy
        workshop = open_workshop(options.training, options.host, proxied, speakers)
    except (CharModelError, SettingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for speaker in speakers:
        kind, size = speaker.model.bundle.kind, speaker.size / 1000
        print(f"loaded {speaker.name} ({kind}, {size:,.0f} kB)", file=sys.stderr)

    if workshop:
        print("visitors can train on their own lists; --training off to stop that", file=sys.stderr)

    from demo.app import build_app, serve  # after the bundles: a wrong path is told at once

    app = build_app(speakers, workshop)
    with redirect_stdout(sys.stderr):  # Gradio says where its tools are
        address = serve(app, options.host, port, options.behind_proxy, options.mcp)
    print(address, flush=True)
    print("Ctrl-C stops the page", file=sys.stderr)
    if options.open and sys.stdout.isatty():
        webbrowser.open(address)
    try:
        while True:
            threading.Event().wait(3600)
    except KeyboardInterrupt:
        app.close(verbose=False)
        return 0


def choose_port(host: str, port: int | None) -> int:
    """The port asked for, or the first free one from 7860.

    Raises:
        SettingError: the port is taken or no port at all, or nothing can listen on the host.
    """
    from charmodels.runtime import SettingError

    if port is not None and not 1 <= port <= 65535:
        raise SettingError(f"port is {port}; expected 1 to 65535")
    wanted = [port] if port is not None else range(_FIRST_PORT, _FIRST_PORT + _PORTS_TRIED)
    reason = ""
    for number in wanted:
        try:
            family = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0][0]
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, number))
            return number
        except OSError as error:
            reason = error.strerror or str(error)
    shown = f"port {port}" if port is not None else f"ports from {_FIRST_PORT}"
    raise SettingError(f"cannot listen on {host}, {shown}: {reason}; try another --port or --host")


if __name__ == "__main__":
    sys.exit(main())
