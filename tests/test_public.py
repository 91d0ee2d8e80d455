"""A page that strangers can reach, behind a proxy: floods, visitors who vanish, memory."""

import asyncio
import itertools
import json
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from demo.pages.write import WRITERS
from tests.browser import complaints, open_browser
from tests.serving import served
from tests.test_page import dependency
from tests.tiny import write_tiny

ENDLESS = """
import time
from demo import chat

def noted(stream, sure):
    try:
        while True:
            time.sleep(0.001)
            yield "a"
    finally:
        with open({closed!r}, "a") as closed:
            closed.write(str(time.time()) + "\\n")

chat._noted = noted
"""
"""Replies that never end by themselves, and when each is closed."""


@dataclass(frozen=True)
class Site:
    """A page behind a proxy: each visitor says his address, as a proxy would."""

    address: str
    process: subprocess.Popen[str]

    def visitor(self, address: str) -> httpx.Client:
        headers = {"x-forwarded-for": f"198.51.100.66, {address}"}
        return httpx.Client(base_url=self.address, timeout=20, headers=headers)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("public")
    poem = write_tiny(folder / "poem", "text", seed=1)
    with served([poem, "--behind-proxy"]) as (address, process):
        yield Site(address, process)


def join(site: Site, session: str | None = None, length: int = 200) -> dict[str, Any]:
    """The body of a request for a reply."""
    return {
        "data": ["poem", "a", 0.8, length, 1],
        "fn_index": dependency(site.address, "stream"),
        "session_hash": session or uuid.uuid4().hex,
    }


def test_a_flood_of_300_joins_is_refused_and_others_are_served(site: Site) -> None:
    body = join(site, length=2000)

    async def flood() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=50, keepalive_expiry=1)  # the page closes at 5
        headers = {"x-forwarded-for": "203.0.113.1"}
        async with httpx.AsyncClient(
            base_url=site.address, limits=limits, timeout=60, headers=headers
        ) as http:
            bodies = [body | {"session_hash": uuid.uuid4().hex} for _ in range(300)]
            door = "/gradio_api/queue/join"
            return await asyncio.gather(*(http.post(door, json=each) for each in bodies))

    answers = asyncio.run(flood())
    assert {answer.status_code for answer in answers} <= {200, 429, 503}
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused, "a flood is refused"
    assert all(1 <= int(answer.headers["retry-after"]) <= 60 for answer in refused)
    assert all("try again" in answer.json()["detail"] for answer in refused)
    with site.visitor("203.0.113.2") as other:
        started = other.post("/gradio_api/call/models", json={"data": []})
        assert started.status_code == 200


def test_the_page_says_in_its_language_that_it_was_too_much(site: Site) -> None:
    told = {"es-MX": "Son demasiadas peticiones seguidas", "en-US": "Too many requests in a row"}
    with open_browser() as browser:
        for number, (locale, sentence) in enumerate(told.items()):
            address = f"203.0.113.{10 + number}"
            window = browser.new_context(
                locale=locale, extra_http_headers={"x-forwarded-for": address}
            )
            tab = window.new_page()
            complained = complaints(tab, site.address)
            tab.goto(site.address)
            tab.wait_for_selector("html.ready", state="attached")
            # The same from the network each time: a flood beside would race with the bucket.
            tab.route(
                "**/queue/join*",
                lambda route: route.fulfill(
                    status=429, headers={"retry-after": "7"}, json={"detail": "?"}
                ),
                times=1,
            )
            message = tab.locator("#message textarea")
            message.fill("a")
            message.press("Enter")
            tab.get_by_text(sentence).wait_for()
            assert "7 s" in tab.get_by_text(sentence).inner_text()
            tab.wait_for_selector("html:not(.writing)", state="attached")
            assert message.input_value() == "a", "what was typed stays"
            message.press("Enter")
            tab.locator(".turn:not(.waiting)").wait_for()
            assert [c for c in complained if "429" not in c] == []
            window.close()


def test_programs_leave_nothing_behind(site: Site) -> None:
    process = psutil.Process(site.process.pid)

    def call(http: httpx.Client) -> None:
        answer = http.post("/gradio_api/call/models", json={"data": []}).json()
        assert "event: complete" in http.get(f"/gradio_api/call/models/{answer['event_id']}").text

    with site.visitor("203.0.113.20") as http:
        for _ in range(30):
            call(http)
    before = process.memory_info().rss
    with site.visitor("203.0.113.21") as http:
        for _ in range(150):
            call(http)
    grown = (process.memory_info().rss - before) / 150
    assert grown < 20_000, f"{grown:,.0f} bytes a call; a session that stays is 70,000"


def test_a_name_of_a_session_is_short(site: Site) -> None:
    with site.visitor("203.0.113.30") as http:
        door = "/gradio_api/queue/join"
        for session in ("a" * 5000, ["a" * 5000]):
            assert http.post(door, json=join(site) | {"session_hash": session}).status_code == 400
        escaped = '{"session\\u005fhash": "' + "a" * 5000 + '"}'
        assert http.post(door, content=escaped).status_code == 400
        assert http.post(door, content="[" * 100_000).status_code == 400
        assert http.post(door, content="9" * 5000).status_code == 400
        long = join(site) | {"data": ["poem", "a" * 5000, 0.8, 10, 1]}
        assert http.post(door, json=long).status_code == 200, "refused later, by its own sentence"


# ---- visitors who vanish ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Path]]:
    """A page whose replies never end, and the file where it notes when one is closed."""
    folder = tmp_path_factory.mktemp("endless")
    poem, closed = write_tiny(folder / "poem", "text"), folder / "closed"
    closed.touch()
    before = ENDLESS.format(closed=str(closed))
    with served([poem, "--behind-proxy"], before=before) as (address, process):
        yield Site(address, process), closed


async def follow(http: httpx.AsyncClient, site: Site, started: asyncio.Event) -> None:
    """A visitor who reads a reply that never ends, until he is cancelled."""
    body = join(site)
    (await http.post("/gradio_api/queue/join", json=body)).raise_for_status()
    door = f"/gradio_api/queue/data?session_hash={body['session_hash']}"
    async with http.stream("GET", door) as answer:
        async for line in answer.aiter_lines():
            if "process_generating" in line:
                started.set()


async def crowd(site: Site, size: int, writing: int) -> float:
    """`size` visitors of whom `writing` are being served vanish together; returns when."""
    started = [asyncio.Event() for _ in range(size)]
    async with httpx.AsyncClient(base_url=site.address, timeout=60) as http:
        following = [asyncio.create_task(follow(http, site, each)) for each in started]
        while sum(each.is_set() for each in started) < writing:
            await asyncio.sleep(0.02)
        for each in following:
            each.cancel()
        await asyncio.gather(*following, return_exceptions=True)
    return time.time()


def seconds_until(closed: Path, count: int, since: float) -> float:
    """From `since` until the `count`th reply of all was closed."""
    deadline = time.monotonic() + 15
    while len(lines := closed.read_text(encoding="utf-8").splitlines()) < count:
        assert time.monotonic() < deadline, f"{len(lines)} of {count} replies were closed"
        time.sleep(0.01)
    return max(map(float, lines[:count])) - since


def settled(closed: Path) -> int:
    """How many replies were closed, once for a second none is."""
    counts = [-1]
    while len(counts) < 11 or len(set(counts[-10:])) > 1:
        counts.append(len(closed.read_text(encoding="utf-8").splitlines()))
        time.sleep(0.1)
    return counts[-1]


def test_visitors_who_vanish_free_their_work_within_a_second(endless: tuple[Site, Path]) -> None:
    """All writers are busy and three visitors wait, of whom one may be served before he is missed.

    Another one can only be served when all are gone.
    """
    site, closed = endless
    seconds = []
    for _ in range(3):
        before = settled(closed)
        gone = asyncio.run(crowd(site, size=WRITERS + 3, writing=WRITERS))
        seconds.append(seconds_until(closed, before + WRITERS, gone))
        assert settled(closed) <= before + WRITERS + 3
    assert min(seconds) >= 0
    assert min(seconds) <= 1, f"{seconds} s"
    before = settled(closed)
    gone = asyncio.run(crowd(site, size=1, writing=1))
    assert seconds_until(closed, before + 1, gone) < 15


def test_a_tab_that_is_closed_frees_its_work(endless: tuple[Site, Path]) -> None:
    site, closed = endless
    before = len(closed.read_text(encoding="utf-8").splitlines())
    with open_browser() as browser:
        tab = browser.new_page()
        tab.goto(site.address)
        tab.wait_for_selector("html.ready", state="attached")
        tab.locator("#message textarea").fill("a")
        tab.locator("#message textarea").press("Enter")
        tab.wait_for_function("document.querySelector('.own')?.textContent.length > 2")
        tab.close()
        seconds_until(closed, before + 1, time.time())


# ---- junk ---------------------------------------------------------------------------------------

JUNK = (None, {"a": [1]}, "\x00<b>" * 300, -(2**70))


def test_junk_in_any_event_of_any_tab_is_refused_or_answered(site: Site) -> None:
    """Each input in turn is junk, the others as the page has them; nothing may fall over it."""
    fallen = []
    with httpx.Client(base_url=site.address, timeout=60) as http:
        config = http.get("/config").json()
        values = {each["id"]: each["props"].get("value") for each in config["components"]}
        # Gradio's own slider compares before it looks: not a number is an error with no sentence.
        sliders = {each["id"] for each in config["components"] if each["type"] == "slider"}
        for event in config["dependencies"]:
            if not event["backend_fn"]:
                continue
            proper = [values.get(each) for each in event["inputs"]]
            for place, junk in itertools.product(range(len(proper)), JUNK):
                if event["inputs"][place] in sliders and not isinstance(junk, int):
                    continue
                data = [*proper[:place], junk, *proper[place + 1 :]]
                told = outcome(http, event["id"], data)
                if told is None:
                    fallen.append((event["api_name"], place, junk))
    assert not fallen, "\n".join(str(each)[:80] for each in fallen)


def outcome(http: httpx.Client, event: int, data: list[Any]) -> str | None:
    """What came of an event: "" if it went well, a refusal's sentence, None if it fell over."""
    session = uuid.uuid4().hex
    body = {"data": data, "fn_index": event, "session_hash": session}
    http.post("/gradio_api/queue/join", json=body).raise_for_status()
    said = http.get(f"/gradio_api/queue/data?session_hash={session}").text
    messages = [json.loads(line[5:]) for line in said.splitlines() if line.startswith("data:")]
    done = next(each for each in messages if each["msg"] == "process_completed")
    return "" if done["success"] else done["output"].get("error")


# ---- load ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_16_visitors_at_once_meet_no_error(site: Site) -> None:
    from tests.benchmarks.load import visit

    server = psutil.Process(site.process.pid)
    visits = asyncio.run(visit(site.address, server, "poem", visitors=16, seconds=10))
    assert not visits.errors
    assert len(visits.first) >= 2 * 16
    assert max(visits.whole) <= 20


def test_growth_is_a_slope_and_says_how_sure_it_is() -> None:
    from tests.benchmarks.load import growth

    steady = [(float(t), 200_000_000 + (t % 2) * 10_000) for t in range(180)]
    grown = [(t, size + int(t / 3600 * 50e6)) for t, size in steady]
    slope, error = growth(steady, after=60)
    assert abs(slope) < 3 * error
    assert growth(grown, after=60)[0] == pytest.approx(50, abs=3 * error)
    assert error < 0.1
