"""What stands before Gradio on a page that strangers can reach.

It shuts doors this page never uses, sends the headers that keep a browser from asking any other
host, and believes what a proxy says of the address only when told that there is one.
"""

import json

from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from demo.limits import Limiter, is_work
from demo.sessions import Sessions

OPEN = (
    *("queue/join", "queue/data", "call/", "run/", "cancel", "reset", "heartbeat/"),
    *("info", "openapi.json", "startup-events", "theme.css", "app_id", "user", "login_check"),
)
"""The doors of /gradio_api/ that the page and its clients use. The others (upload, file, proxy,
recordings, code editing, saved settings) are shut; a tab that needs one opens it here."""

MCP = ("mcp", "mcp/")
"""The door for MCP clients, open with --mcp; what else Gradio offers them stays shut."""

FORWARDED = (b"x-forwarded-", b"forwarded", b"x-gradio-server")
"""Headers by which a proxy says where the visitor came from; anybody can send them."""

MAX_BODY = 2 * 2**20
"""Bytes of a request at most: the longest chat is a tenth of it."""

MAX_SESSION = 4096
"""Bytes of a session's name at most; it is kept, so in longer requests we look for it."""

HEADERS = {
    # Gradio evaluates its own script, hence unsafe-inline and unsafe-eval; what matters is that
    # whatever runs can only talk to this server.
    b"content-security-policy": (
        b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
        b"base-uri 'self'; form-action 'self'; object-src 'none'"
    ),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
}


class Guard:
    """The check itself, around an ASGI application."""

    def __init__(self, app: ASGIApp, behind_proxy: bool, mcp: bool) -> None:
        self._app, self._behind_proxy, self._mcp = app, behind_proxy, mcp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with 400, 403, 411 or 413."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if not self._behind_proxy:
            kept = [h for h in scope["headers"] if not h[0].lower().startswith(FORWARDED)]
            scope = {**scope, "headers": kept}
        if _is_shut(scope["path"], self._mcp):
            await _answer(send, 403, b"This page has no such door.")
        elif any(name.lower() == b"transfer-encoding" for name, _ in scope["headers"]):
            await _answer(send, 411, b"Say how long the request is.")
        elif _declared_length(scope) > MAX_BODY:
            await _answer(send, 413, b"That is too long.")
        elif is_work(scope) and _declared_length(scope) > MAX_SESSION:
            body = await _read(receive)
            if _is_fair(body):
                await self._app(scope, _again(body, receive), _with_headers(send))
            else:
                await _answer(send, 400, b"That is no request this page understands.")
        else:
            await self._app(scope, receive, _with_headers(send))


def guard(behind_proxy: bool, mcp: bool = False) -> list[Middleware]:
    """The guard, the limits behind it and the end of sessions, in the form FastAPI wants them."""
    return [
        Middleware(Guard, behind_proxy=behind_proxy, mcp=mcp),
        Middleware(Limiter, behind_proxy=behind_proxy),
        Middleware(Sessions),
        Middleware(GZipMiddleware, minimum_size=1000),  # streams of events are left as they are
    ]


def _is_shut(path: str, mcp: bool) -> bool:
    _, api, door = path.partition("/gradio_api/")
    return bool(api) and not door.startswith(OPEN) and not (mcp and door in MCP)


def _declared_length(scope: Scope) -> int:
    declared = dict(scope["headers"]).get(b"content-length", b"0")
    return int(declared) if declared.isdigit() else MAX_BODY + 1


async def _read(receive: Receive) -> bytes:
    """A request's body, as long as it said it is; shorter if its sender left."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """Receive a body that was read already, then what comes after it."""
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive_again() -> Message:
        return next(messages, None) or await receive()

    return receive_again


def _is_fair(body: bytes) -> bool:
    """Whether it is JSON that names a session in few bytes, or none."""
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        return False
    session = asked.get("session_hash", "") if isinstance(asked, dict) else ""
    return len(str(session)) <= MAX_SESSION


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *HEADERS.items()]}
        await send(message)

    return send_with_headers


async def _answer(send: Send, status: int, text: bytes) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *HEADERS.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
