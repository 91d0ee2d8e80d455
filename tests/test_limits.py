"""How much one address may ask: the rules by themselves, then before an application."""

import asyncio
import json
from typing import Any

import pytest

from demo.limits import Buckets, Limiter, Limits, address_of, group

NARROW = Limits(burst=5, per_second=2, waiting=3, open=4)


def test_a_bucket_gives_its_burst_then_its_rate() -> None:
    buckets = Buckets()
    assert [buckets.take("a", NARROW, 0.0) for _ in range(5)] == [0.0] * 5
    assert buckets.take("a", NARROW, 0.0) == pytest.approx(0.5)
    assert buckets.take("b", NARROW, 0.0) == 0.0, "another address has its own"
    taken = sum(not buckets.take("a", NARROW, 0.1 * tick) for tick in range(1, 101))
    assert taken == 20, "two a second for ten seconds, however often asked"


def test_a_bucket_never_holds_more_than_its_burst_and_time_never_goes_back() -> None:
    buckets = Buckets()
    assert [buckets.take("a", NARROW, 1e6) for _ in range(6)].count(0.0) == 5
    assert buckets.take("a", NARROW, 0.0) > 0


def test_many_addresses_take_no_more_memory() -> None:
    buckets = Buckets(size=100)
    for number in range(10_000):
        buckets.take(f"10.0.{number // 256}.{number % 256}", NARROW, float(number))
    assert len(buckets) == 100


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (None, "10.0.0.1"),
        ("", "10.0.0.1"),
        ("203.0.113.7", "203.0.113.7"),
        ("198.51.100.9, 203.0.113.7", "203.0.113.7"),  # the left one is what the visitor wrote
        ("198.51.100.9, 203.0.113.7, 10.1.2.3, 127.0.0.1", "203.0.113.7"),
        ("192.168.1.5", "192.168.1.5"),
        ("10.9.9.9, 192.168.1.5", "192.168.1.5"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("unknown, <b>, 203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, unknown", "203.0.113.7"),
        ("nonsense", "10.0.0.1"),
    ],
)
def test_behind_a_proxy_the_last_hop_outside_is_believed(told: str | None, expected: str) -> None:
    headers = [] if told is None else [(b"x-forwarded-for", told.encode())]
    assert address_of("10.0.0.1", headers, behind_proxy=True) == expected
    assert address_of("10.0.0.1", headers, behind_proxy=False) == "10.0.0.1"


def test_several_headers_are_one_list() -> None:
    headers = [(b"x-forwarded-for", b"198.51.100.9"), (b"X-Forwarded-For", b"203.0.113.7")]
    assert address_of("10.0.0.1", headers, behind_proxy=True) == "203.0.113.7"


def test_an_ipv6_customer_is_one_address() -> None:
    assert group("2001:db8:1:2:aaaa::1") == group("2001:db8:1:2::9") == "2001:db8:1:2::/64"
    assert group("2001:db8:1:3::1") != group("2001:db8:1:2::1")
    assert group("::ffff:203.0.113.7") == "203.0.113.7"
    assert group("fe80::1%eth0") == "fe80::/64"
    assert group("testclient") == "unknown"


# ---- before an application ----------------------------------------------------------------------


class Queue:
    """As much of Gradio's as the limits look at: nothing in it."""

    event_ids_to_events: dict[str, Any] = {}  # noqa: RUF012
    _queue = property(lambda self: self)

    def get_blocks(self) -> "Queue":
        return self


class Page:
    """An application that answers when it is let; remembers what reached it."""

    def __init__(self) -> None:
        self.let = asyncio.Event()
        self.let.set()
        self.scopes: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        await self.let.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def ask(
    app: Any, method: str = "GET", path: str = "/", peer: str = "203.0.113.7", **headers: str
) -> tuple[int, dict[bytes, bytes], str]:
    """One request: its status, headers and reason."""
    said: list[Any] = []

    async def send(message: Any) -> None:
        said.append(message)

    sent = [(n.replace("_", "-").encode(), v.encode()) for n, v in headers.items()]
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "client": (peer, 5),
        "headers": sent,
        "app": Queue(),
    }
    await app(scope, None, send)
    body = said[1]["body"]
    return said[0]["status"], dict(said[0]["headers"]), json.loads(body)["detail"] if body else ""


def test_a_flood_is_told_to_wait_and_others_are_not() -> None:
    async def flood() -> None:
        app = Limiter(Page(), behind_proxy=False, visitor=NARROW)
        statuses = [(await ask(app))[0] for _ in range(8)]
        assert statuses == [200] * 5 + [429] * 3
        status, headers, reason = await ask(app)
        assert (status, headers[b"retry-after"]) == (429, b"1")
        assert reason == "Too many requests from your address. Wait 1 s and try again."
        assert (await ask(app, peer="203.0.113.8"))[0] == 200
        assert (await ask(app, path="/assets/a.js"))[0] == 200, "the page's files are free"
        assert (await ask(app, path="/gradio_api/queue/data"))[0] == 200

    asyncio.run(flood())


@pytest.mark.parametrize(("behind_proxy", "expected"), [(False, 429), (True, 200)])
def test_a_forwarded_address_counts_only_behind_a_proxy(behind_proxy: bool, expected: int) -> None:
    async def flood() -> None:
        app = Limiter(Page(), behind_proxy, visitor=NARROW)
        for number in range(8):
            status, _, _ = await ask(app, x_forwarded_for=f"198.51.100.{number}")
        assert status == expected
        for _ in range(8):  # what a visitor writes himself helps him to nothing
            spoofed = f"198.51.100.{_}, 192.0.2.1"
            status, _, _ = await ask(app, x_forwarded_for=spoofed)
        assert status == 429

    asyncio.run(flood())


def test_another_session_is_no_other_visitor() -> None:
    async def flood() -> None:
        app = Limiter(Page(), behind_proxy=False, visitor=NARROW)
        for number in range(8):
            path = "/gradio_api/queue/join"
            status, _, _ = await ask(app, "POST", path, cookie=f"session={number}")
        assert status == 429

    asyncio.run(flood())


def test_connections_and_joins_in_flight_are_bounded_and_given_back() -> None:
    async def flood() -> None:
        page = Page()
        app = Limiter(page, behind_proxy=False, visitor=NARROW)
        page.let.clear()
        held = [asyncio.create_task(ask(app, path="/gradio_api/heartbeat/a")) for _ in range(4)]
        await asyncio.sleep(0)
        status, _, reason = await ask(app, path="/gradio_api/heartbeat/a")
        assert (status, reason.startswith("Your address holds 4 connections")) == (429, True)
        page.let.set()
        assert {status for status, _, _ in await asyncio.gather(*held)} == {200}
        page.let.clear()
        path = "/gradio_api/queue/join"
        held = [asyncio.create_task(ask(app, "POST", path)) for _ in range(3)]
        await asyncio.sleep(0)
        status, _, reason = await ask(app, "POST", path)
        assert (status, reason.startswith("Your address waits for 3 replies")) == (429, True)
        page.let.set()
        await asyncio.gather(*held)
        assert not app._open, "an address that holds nothing takes no memory"
        assert not app._joining

    asyncio.run(flood())


def test_what_a_tool_asks_counts_for_who_called_it_and_nobody_can_claim_that() -> None:
    async def flood() -> None:
        page = Page()
        app = Limiter(page, behind_proxy=False, visitor=NARROW)
        await ask(app, "POST", "/gradio_api/mcp", peer="203.0.113.7")
        stamp = dict(page.scopes[-1]["headers"])[b"x-charmodels-visitor"].decode()
        await ask(app, "POST", "/run", peer="127.0.0.1", x_charmodels_visitor=stamp)
        assert page.scopes[-1]["client"][0] == "203.0.113.7"
        assert b"x-charmodels-visitor" not in dict(page.scopes[-1]["headers"])
        claimed = "0" * 32 + " 198.51.100.1"
        await ask(app, "POST", "/run", peer="203.0.113.9", x_charmodels_visitor=claimed)
        assert page.scopes[-1]["client"][0] == "203.0.113.9"

    asyncio.run(flood())
