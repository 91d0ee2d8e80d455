"""How soon the page is there and answers, what it transfers, and how much memory it takes.

    python -m tests.benchmarks page

The real server, over loopback. One client speaks raw HTTP as the browser does: join the queue, read
the event stream, stop the clock at the first update. The other is Chromium.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import time
import uuid
from urllib.parse import urlencode

import httpx
import psutil

from tests.benchmarks.rows import Row
from tests.browser import open_browser
from tests.serving import ROOT, served


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


MODEL = "shakespeare"
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


READY_ROUNDS = 3

STEPS = """
import json, time
start = time.perf_counter()
seconds = {}

def mark(step):
    global start
    seconds[step], start = time.perf_counter() - start, time.perf_counter()

from demo.shelf import open_shelf
mark("import onnxruntime")
speakers = open_shelf()
mark("bundles")
import gradio
mark("import gradio")
from demo.__main__ import choose_port
from demo.app import build_app, serve
app = build_app(speakers)
mark("build")
serve(app, "127.0.0.1", choose_port("127.0.0.1", None))
mark("launch")
print(json.dumps(seconds))
app.close(verbose=False)
"""
"""What `python -m demo` does until the page is there, a clock after each step."""

CLICK = """() => {
  const start = performance.now();
  window.written = new Promise((done) => {
    const look = () => {
      const cells = document.querySelectorAll(".turn.last .cell").length;
      const isOver = !document.documentElement.classList.contains("writing");
      if (cells < CHARACTERS || !isOver) return requestAnimationFrame(look);
      requestAnimationFrame(() => done(performance.now() - start)); // painted
    };
    requestAnimationFrame(look);
  });
  document.querySelector("#send").click();
}"""

CHARACTERS, BROWSER_ROUNDS = 600, 7


def ready() -> Row:
    """Seconds from the command to the address it prints; where they go stands beside."""

    def once() -> float:
        start = time.perf_counter()
        with served():
            return time.perf_counter() - start

    seconds = statistics.median(once() for _ in range(READY_ROUNDS))
    command = [sys.executable, "-c", STEPS]
    parts = [
        json.loads(subprocess.run(command, check=True, capture_output=True, cwd=ROOT).stdout)
        for _ in range(READY_ROUNDS)
    ]
    spent = {step: statistics.median(part[step] for part in parts) for step in parts[0]}
    note = ", ".join(f"{step} {value:.1f}" for step, value in spent.items())
    return Row(name="page: ready from python -m demo", value=seconds, unit="s", limit=8, note=note)


def transferred(address: str) -> Row:
    """The document and the icon, Gradio's own frame of some kB included, as they are sent."""
    total = 0
    for path in ("/", "/favicon.ico"):
        with httpx.stream("GET", address + path, headers={"accept-encoding": "gzip"}) as answer:
            answer.read()
            total += answer.num_bytes_downloaded
    return Row(
        name="page: first load, our own parts",
        value=total / 1000,
        unit="kB",
        limit=200,
        note="the document with all that we put in it, and the icon",
    )


def typed(address: str, model: str) -> Row:
    """Milliseconds from the click to the last letter on the screen, coloured."""
    milliseconds: list[float] = []
    with open_browser() as browser:
        tab = browser.new_page(viewport={"width": 1280, "height": 860}, locale="en-US")
        tab.goto(address)
        tab.wait_for_selector("html.ready", state="attached")
        tab.locator(f"#model input[value={model}]").check(force=True)
        tab.wait_for_function("charmodels.kind === 'text'")
        length = tab.locator("#length input[type=number]")
        length.fill(str(CHARACTERS))
        length.press("Tab")
        for _ in range(BROWSER_ROUNDS + 1):
            tab.wait_for_timeout(300)
            tab.evaluate(CLICK.replace("CHARACTERS", str(CHARACTERS)))
            milliseconds.append(tab.evaluate("window.written"))
            tab.locator(".memory button").click()
            tab.wait_for_selector(".turn", state="detached")
    return Row(
        name="page: 600 characters in Chromium, all visualisations",
        value=statistics.median(milliseconds[1:]) / 1000,
        unit="s",
        limit=1.0,
        note=f"median, {CHARACTERS} characters of {model}, typing effect and confidence on",
    )


def rows() -> list[Row]:
    """The page's figures, measured now."""
    with served() as (address, process):
        asyncio.run(first_characters(address, MODEL, 1, repeats=3))  # warm
        alone = asyncio.run(first_characters(address, MODEL, 1, repeats=30))
        crowd = asyncio.run(first_characters(address, MODEL, 32, repeats=3))
        resident = psutil.Process(process.pid).memory_info().rss
        wish = {"model": "municipios", "pattern": PATTERN, "novel": "1"}
        named = ten_names(address, urlencode(wish), 20)
        first_load, browser = transferred(address), typed(address, MODEL)
    note = f"500 characters of {MODEL}"
    invented = "page: ten new names to a pattern, in Chromium"
    return [
        ready(),
        first_load,
        browser,
        _milliseconds("page: first character, 1 visitor", alone, 100, note),
        _milliseconds("page: first character, 32 visitors", crowd, 1000, note),
        Row(name="page: memory, all bundles open", value=resident / 1e6, unit="MB", limit=300),
        _milliseconds(invented, named, 1000, f"{PATTERN} of municipios"),
    ]


def _milliseconds(name: str, seconds: list[float], limit: float, note: str) -> Row:
    value = statistics.median(seconds) * 1000
    return Row(name=name, value=value, unit="ms", limit=limit, note=f"median, {note}")
