"""How much one address may ask of the page, so that nobody can keep it from the others.

Three bounds hold for each address: a token bucket for its requests, how many replies it may wait
for, and how many connections it may hold. A person never meets them, nor does a class behind one
router; who does is answered with 429, the seconds to wait and the reason.
"""

import json
import math
import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass(frozen=True)
class Limits:
    """What one address may do."""

    burst: int
    """Requests at once, after a while of silence."""
    per_second: float
    """Requests for as long as it likes; typing in a tab that follows each letter sends ten."""
    waiting: int
    """Replies asked for that are not finished; the queue holds 128 for everybody."""
    open: int
    """Connections; a browser holds six at most."""

    def times(self, factor: int) -> "Limits":
        """The same for an address that speaks for many."""
        return Limits(
            factor * self.burst,
            factor * self.per_second,
            factor * self.waiting,
            factor * self.open,
        )


VISITOR = Limits(burst=400, per_second=20, waiting=32, open=128)

THIS_MACHINE = VISITOR.times(10)
"""For the machine itself: programs on it, or a proxy in front that nobody told us of."""

MAX_ADDRESSES = 10_000
"""Buckets kept; the one used longest ago is forgotten, which fills it."""

FREE = ("/assets/", "/static/", "/svelte/", "/theme.css", "/queue/data", "/heartbeat/", "/call/")
"""What a GET may fetch without a token: the page's files, and the streams of what was paid for."""

WORK = ("/gradio_api/queue/join", "/gradio_api/call/")
"""Where a POST asks for a reply."""

MCP = "/gradio_api/mcp"
STAMP = b"x-charmodels-visitor"
"""What a tool is asked for, the MCP server asks the page itself, under our own address: with this
header we tell ourselves for whom. Beside the address it holds a secret of this process."""

_PROXIES = [
    *map(ip_network, ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")),
    *map(ip_network, ("100.64.0.0/10", "169.254.0.0/16", "::1/128", "fc00::/7", "fe80::/10")),
]
"""Where proxies stand that a request passed through on its way here; visitors come from outside."""


class Buckets:
    """A bucket of tokens for each address, that fills with time and never above `burst`."""

    def __init__(self, size: int = MAX_ADDRESSES) -> None:
        self._size = size
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._left)

    def take(self, address: str, limits: Limits, now: float) -> float:
        """Take a token at `now`, in seconds; returns the seconds until there is one, 0 if taken."""
        tokens, then = self._left.pop(address, (float(limits.burst), now))
        tokens = min(limits.burst, tokens + limits.per_second * max(0.0, now - then))
        wait = max(0.0, (1 - tokens) / limits.per_second)
        self._left[address] = (tokens if wait else tokens - 1, now)
        if len(self._left) > self._size:
            self._left.popitem(last=False)
        return wait


class Limiter:
    """The bounds themselves, around an ASGI application."""

    def __init__(self, app: ASGIApp, behind_proxy: bool, visitor: Limits = VISITOR) -> None:
        self._app, self._behind_proxy, self._visitor = app, behind_proxy, visitor
        self._secret = secrets.token_hex(16)
        self._buckets = Buckets()
        self._open: Counter[str] = Counter()
        self._joining: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on under its visitor's address, or answer it with 429."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        address = self._visitor_of(scope)
        limits = THIS_MACHINE if _is_local(address) else self._visitor
        headers = [header for header in scope["headers"] if header[0] != STAMP]
        if MCP in scope["path"]:
            headers.append((STAMP, f"{self._secret} {address}".encode()))
        scope = {**scope, "client": (address, 0), "headers": headers}
        refusal = self._refusal(scope, address, limits)
        if refusal is not None:
            await _refuse(send, *refusal)
            return
        with _counted(self._open, address), _counted(self._joining, address, is_work(scope)):
            await self._app(scope, receive, send)

    def _visitor_of(self, scope: Scope) -> str:
        """The address a request counts for."""
        stamp: str = dict(scope["headers"]).get(STAMP, b"").decode("latin-1")
        secret, _, address = stamp.partition(" ")
        if secrets.compare_digest(secret.encode(), self._secret.encode()):
            return address
        peer, _ = scope.get("client") or ("127.0.0.1", 0)
        return group(address_of(peer, scope["headers"], self._behind_proxy))

    def _refusal(self, scope: Scope, address: str, limits: Limits) -> tuple[float, str] | None:
        """Seconds to wait and why, or None."""
        if self._open[address] >= limits.open:
            return 5, f"Your address holds {limits.open} connections; close some."
        if _is_free(scope):
            return None
        wait = self._buckets.take(address, limits, time.monotonic())
        if wait:
            return wait, "Too many requests from your address."
        if is_work(scope):
            waiting = self._joining[address] + _waiting(scope["app"], address)
            if waiting >= limits.waiting:
                return 5, f"Your address waits for {waiting} replies already."
        return None


def address_of(peer: str, headers: list[tuple[bytes, bytes]], behind_proxy: bool) -> str:
    """Where a request came from: who connected, or behind a proxy the last hop outside.

    Each proxy adds to the right of X-Forwarded-For whom it heard from, so what a visitor writes
    there himself stands to the left of his true address. Hops on private networks are proxies of
    ours; where all are, the last one counts.
    """
    if not behind_proxy:
        return peer
    told = b",".join(value for name, value in headers if name.lower() == b"x-forwarded-for")
    hops = [hop for hop in map(_hop, told.decode("latin-1").split(",")) if hop]
    if not hops:
        return peer
    return next((hop for hop in reversed(hops) if not _is_proxy(hop)), hops[-1])


def group(address: str) -> str:
    """An address as it is counted: of IPv6 the /64, which is what one customer is given."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)


def _hop(text: str) -> str:
    """An address of X-Forwarded-For without its port; "" if it is none."""
    text = text.strip()
    bare = text[1:].partition("]")[0] if text.startswith("[") else text
    bare = bare.partition(":")[0] if bare.count(":") == 1 else bare
    return "" if group(bare) == "unknown" else bare


def _is_proxy(address: str) -> bool:
    parsed = ip_address(group(address).partition("/")[0])
    return any(parsed in network for network in _PROXIES)


def _is_local(address: str) -> bool:
    return address == "::/64" or address.startswith("127.")


def _is_free(scope: Scope) -> bool:
    return scope["method"] in ("GET", "HEAD") and any(part in scope["path"] for part in FREE)


def is_work(scope: Scope) -> bool:
    """Whether a request asks for a reply."""
    return scope["method"] == "POST" and any(part in scope["path"] for part in WORK)


def _waiting(app: Any, address: str) -> int:
    """Replies that Gradio's queue holds or writes for an address."""
    events = app.get_blocks()._queue.event_ids_to_events.values()
    return sum(event.request.client.host == address for event in events)


@contextmanager
def _counted(counter: Counter[str], address: str, counts: bool = True) -> Iterator[None]:
    """One more for as long as it lasts; an address with none takes no memory."""
    counter[address] += counts
    try:
        yield
    finally:
        counter[address] -= counts
        if not counter[address]:
            del counter[address]


async def _refuse(send: Send, wait: float, reason: str) -> None:
    seconds = math.ceil(wait)
    body = json.dumps({"detail": f"{reason} Wait {seconds} s and try again."}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"retry-after", str(seconds).encode()),
    ]
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": body})
