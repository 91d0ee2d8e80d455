"""Many visitors at once, for minutes: the real server, over loopback.

    python -m tests.benchmarks load

Each visitor holds a session open as a browser does, asks for a reply of 200 characters, reads it
to its end, thinks for two seconds and asks again. The clients share the machine's two cores with
the server, so the server alone would be quicker.
"""

import asyncio
import contextlib
import json
import statistics
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx
import numpy as np
import psutil

from tests.benchmarks.rows import Row
from tests.serving import served

VISITORS = 64
SECONDS = 300.0
WARM_UP = 120.0
"""Seconds until every visitor has come and the allocator has nearly what it needs."""

GROWTH = 20.0
"""MB an hour that the measurement cannot tell from none: one step of the allocator in its time."""

LENGTH = 200
MODEL = "shakespeare"
THINKING = 2.0


@dataclass
class Visits:
    """What the visitors met."""

    first: list[float] = field(default_factory=list)
    """Seconds from asking to the first character, for each reply."""
    whole: list[float] = field(default_factory=list)
    """Seconds from asking to the last."""
    errors: list[str] = field(default_factory=list)
    resident: list[tuple[float, int]] = field(default_factory=list)
    """Seconds since the start, bytes of the server's memory: once a second."""


async def visit(
    address: str, process: psutil.Process, model: str, visitors: int, seconds: float
) -> Visits:
    """Let so many visitors use the page for so long."""
    visits, start = Visits(), time.monotonic()
    # The page closes a silent connection after 5 s; a client that reuses it just then is cut off.
    limits = httpx.Limits(max_connections=None, keepalive_expiry=3)
    async with httpx.AsyncClient(base_url=address, timeout=60, limits=limits) as http:
        config = (await http.get("/config")).json()
        door = next(d["id"] for d in config["dependencies"] if d["api_name"] == "stream")

        async def watch() -> None:
            while True:
                visits.resident.append((time.monotonic() - start, process.memory_info().rss))
                await asyncio.sleep(1)

        async def stay(session: str) -> None:
            async with http.stream("GET", f"/gradio_api/heartbeat/{session}", timeout=None) as open:
                async for _ in open.aiter_lines():
                    pass

        async def come(number: int) -> None:
            await asyncio.sleep(THINKING * number / visitors)
            session = uuid.uuid4().hex
            staying = asyncio.create_task(stay(session))
            reply = 0
            while time.monotonic() - start < seconds:
                body = {
                    "data": [model, "", 0.8, LENGTH, 1000 * number + reply],
                    "fn_index": door,
                    "session_hash": session,
                }
                try:
                    first, whole = await ask(http, body)
                    visits.first.append(first)
                    visits.whole.append(whole)
                except (httpx.HTTPError, RuntimeError) as error:
                    visits.errors.append(repr(error))
                reply += 1
                await asyncio.sleep(THINKING)
            staying.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await staying

        watching = asyncio.create_task(watch())
        await asyncio.gather(*(come(number) for number in range(visitors)))
        watching.cancel()
    return visits


async def ask(http: httpx.AsyncClient, body: dict[str, object]) -> tuple[float, float]:
    """Seconds to the first and to the last character of one reply.

    Raises:
        RuntimeError: it failed, or was not as long as asked for.
    """
    start = time.perf_counter()
    (await http.post("/gradio_api/queue/join", json=body)).raise_for_status()
    first, text = None, ""
    data = f"/gradio_api/queue/data?session_hash={body['session_hash']}"
    async with http.stream("GET", data) as answer:
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            message = json.loads(line[5:]) if line.startswith("data:") else {"msg": ""}
            if message["msg"] == "process_generating" and first is None:
                first = time.perf_counter() - start
            if message["msg"] == "process_completed":
                if not message["success"]:
                    raise RuntimeError(str(message["output"]))
                text = message["output"]["data"][0]
    if first is None or len(text) != LENGTH:
        raise RuntimeError(f"{len(text)} characters came of {LENGTH}")
    return first, time.perf_counter() - start


def growth(resident: Sequence[tuple[float, int]], after: float) -> tuple[float, float]:
    """The slope of memory from `after` seconds on, and its standard error, in MB/hour."""
    kept = np.array([(t / 3600, size / 1e6) for t, size in resident if t >= after])
    hours, size = kept[:, 0] - kept[:, 0].mean(), kept[:, 1]
    slope = float(hours @ size / (hours @ hours))
    rest = size - size.mean() - slope * hours
    error = float(np.sqrt(rest @ rest / (len(size) - 2) / (hours @ hours)))
    return slope, error


def rows() -> list[Row]:
    """The page under load, measured now."""
    with served() as (address, process):
        server = psutil.Process(process.pid)
        visits = asyncio.run(visit(address, server, MODEL, VISITORS, SECONDS))
    for error in sorted(set(visits.errors)):
        print(f"  {visits.errors.count(error)} times: {error}")
    slope, uncertain = growth(visits.resident, WARM_UP)
    last = visits.resident[-1][1] / 1e6
    note = (
        f"{VISITORS} visitors for {SECONDS:.0f} s, {LENGTH} characters of {MODEL}, "
        f"{THINKING:.0f} s of thinking; the clients on the same 2 cores"
    )
    first = [1000 * seconds for seconds in visits.first]
    told = statistics.quantiles(first, n=20)
    grown = f"± {uncertain:.1f}, after {WARM_UP:.0f} s, of {last:.0f} MB; {note}"

    def row(what: str, value: float, unit: str, limit: float | None = None, on: str = note) -> Row:
        return Row(name=f"load: {what}", value=value, unit=unit, limit=limit, note=on)

    return [
        row("replies", len(first), "replies"),
        row("errors", len(visits.errors), "errors", limit=0),
        row("first character, median", statistics.median(first), "ms"),
        row("first character, 95%", told[18], "ms"),
        row("whole reply, median", 1000 * statistics.median(visits.whole), "ms"),
        row("growth of memory", slope, "MB/hour", limit=GROWTH, on=grown),
    ]
