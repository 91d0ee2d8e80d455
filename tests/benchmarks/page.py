"""How soon the page answers and how much memory it takes: the real server, over loopback.

    python -m tests.benchmarks page

The client speaks raw HTTP as the browser does: join the queue, read the event stream, stop the
clock at the first update.
"""

import asyncio
import json
import statistics
import tempfile
import time
import uuid
from pathlib import Path
from urllib.parse import urlencode

import httpx
import psutil

from demo.shelf import SHIPPED
from tests.benchmarks.rows import Row
from tests.browser import open_browser
from tests.serving import served
from tests.tiny import write_tiny


async def first_characters(
    address: str, model: str, visitors: int, repeats: int = 1, max_chars: int = 500
) -> list[float]:
    """Seconds from sending to the first update, for each of `visitors` who come at once."""
    seconds: list[float] = []
    limits = httpx.Limits(max_connections=2 * visitors)
    async with httpx.AsyncClient(base_url=address, timeout=60, limits=limits) as http:
        config = (await http.get("/config")).json()
        stream = next(d["id"] for d in config["dependencies"] if d["api_name"] == "stream")

        async def visit(seed: int) -> float:
            session = uuid.uuid4().hex
            data = [model, "", 0.8, max_chars, seed]
            body = {"data": data, "fn_index": stream, "session_hash": session}
            start = time.perf_counter()
            (await http.post("/gradio_api/queue/join", json=body)).raise_for_status()
            first = None
            address = f"/gradio_api/queue/data?session_hash={session}"
            async with http.stream("GET", address) as answer:
                async for line in answer.aiter_lines():
                    message = json.loads(line[5:])["msg"] if line.startswith("data:") else ""
                    if message == "process_generating" and first is None:
                        first = time.perf_counter() - start
                    if message == "process_completed":
                        break
            assert first is not None, "the page answered nothing"
            return first

        for _ in range(repeats):
            seconds += await asyncio.gather(*(visit(seed) for seed in range(visitors)))
    return seconds


PATTERN = "(San|Santa) .*(tepec|tlán)"

TEN_NAMES = """() => new Promise((done) => {
  const list = document.querySelector('.sheet .list');
  const watcher = new MutationObserver(() => {
    if (list.querySelectorAll('.word').length < 10) return;
    watcher.disconnect();
    requestAnimationFrame(() => done(performance.now() - start));
  });
  watcher.observe(list, { childList: true });
  const start = performance.now();
  document.querySelector('.names .ten').click();
})"""
"""From the click to the frame that shows the last of ten names, in milliseconds."""


def ten_names(address: str, settings: str, repeats: int) -> list[float]:
    """Seconds from the click to ten names in Chromium, each time of another seed."""
    with open_browser() as browser:
        tab = browser.new_page()
        tab.goto(f"{address}#names?{settings}")
        tab.wait_for_selector("html.ready", state="attached")
        tab.locator(".names .ten").wait_for()
        milliseconds: list[float] = []
        for _ in range(1 + repeats):
            tab.evaluate("document.querySelector('.sheet .list').replaceChildren()")
            milliseconds.append(tab.evaluate(TEN_NAMES))
            tab.wait_for_selector(".names:not(.busy)")
    return [each / 1000 for each in milliseconds[1:]]  # the first is warm-up


def rows() -> list[Row]:
    """The page's figures, measured now: with the shipped bundles, or a stand-in without any."""
    with tempfile.TemporaryDirectory() as folder:
        shipped = (SHIPPED / "shakespeare" / "bundle.json").is_file()
        own = [] if shipped else [write_tiny(Path(folder) / "stand-in", "text", hidden=128)]
        model = "shakespeare" if shipped else "stand-in"
        with served(own) as (address, process):
            asyncio.run(first_characters(address, model, 1, repeats=3))  # warm
            alone = asyncio.run(first_characters(address, model, 1, repeats=30))
            crowd = asyncio.run(first_characters(address, model, 32, repeats=3))
            resident = psutil.Process(process.pid).memory_info().rss
            wish = {"model": "municipios", "pattern": PATTERN, "novel": "1"}
            named = ten_names(address, urlencode(wish), 20) if shipped else []
    note = f"500 characters of {model}"
    invented = "page: ten new names to a pattern, in Chromium"
    return [
        _milliseconds("page: first character, 1 visitor", alone, 100, note),
        _milliseconds("page: first character, 32 visitors", crowd, 1000, note),
        Row(name="page: memory, all bundles open", value=resident / 1e6, unit="MB", limit=300),
        *([_milliseconds(invented, named, 1000, f"{PATTERN} of municipios")] if named else []),
    ]


def _milliseconds(name: str, seconds: list[float], limit: float, note: str) -> Row:
    value = statistics.median(seconds) * 1000
    return Row(name=name, value=value, unit="ms", limit=limit, note=f"median, {note}")
