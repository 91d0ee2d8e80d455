"""The static page in headless Chromium: what is downloaded, how soon and how fast it writes.

    python -m tests.benchmarks web

The page is staged, served from this machine and loaded twice, so that everything is cached. Smaller
variants of the prose model are tried under Node, in the same WebAssembly.
"""

import gzip
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx

from charmodels.corpus.registry import open_corpus
from charmodels.corpus.splitting import split_corpus
from charmodels.runtime import load_bundle
from charmodels.runtime.bundle import STEP, read_bundle, write_bundle
from demo.shelf import SHIPPED
from demo.static_space import stage
from export.variants import VARIANTS
from tests.benchmarks.rows import Row
from tests.browser import open_browser
from tests.staging import ask, hosted

PROSE = "biblia"
REPEATS = 9
CHARACTERS = 2000
TEXTS = 200
JUDGED = 20_000
"""Validation characters on which a variant's cost is read."""

MB = 1e6

ENGINE = """async () => {
  const worker = new Worker("worker.js", { type: "module" });
  await new Promise((resolve) => (worker.onmessage = resolve));
  window.ask = (method, asked, tell = () => {}) => new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => {
      if (data.told !== undefined) tell(data.told);
      else if (data.refused) reject(new Error(data.refused.key));
      else resolve(data.made);
    };
    worker.postMessage({ id: 1, method, asked });
  });
}"""
"""The page's worker, asked as the page asks it."""

FIRST = """async (seed) => {
  const start = performance.now();
  let first = 0;
  const settings = { count: 1, maxChars: 40, seed };
  const asked = { name: "municipios", constraint: { starts: "San " }, settings, first: 0 };
  await ask("names", asked, () => { first ||= performance.now() - start; });
  return first;
}"""

SPEED = """async ([name, maxChars, seed]) => {
  const start = performance.now();
  const asked = { name, said: "", message: "Y dijo ", settings: { maxChars, seed } };
  const { text } = await ask("write", asked);
  return [...text].length / (performance.now() - start) * 1000;
}"""

WISH = """async (seed) => {
  const start = performance.now();
  let told = 0;
  const constraint = { novel: true, judged: true, pattern: ".*(tepec|tl\\u00e1n)" };
  const wish = { name: "municipios", constraint, settings: { seed, count: 10 }, first: 0 };
  const { names } = await ask("names", wish, (found) => {
    if (found.length === 10) told ||= performance.now() - start;
  });
  if (names.length !== 10) throw new Error("only " + names.length);
  return [told, performance.now() - start];
}"""

SHOWN = """async () => {
  const start = performance.now();
  document.querySelector("#beginnings button").click();
  const written = () => document.querySelector(".turn .own")?.textContent;
  while (!written()) await new Promise(requestAnimationFrame);
  return performance.now() - start;
}"""


def rows() -> list[Row]:
    """The page's figures, measured now."""
    with tempfile.TemporaryDirectory() as base:
        staged = stage(Path(base) / "space")
        sizes = staged.sizes()
        own = sum(
            path.stat().st_size
            for path in staged.folder.rglob("*.js")
            if "lib" not in path.parts and path.name != "files.js"
        )
        before = next(value for name, value in sizes.items() if name.startswith("before"))
        prose = before - sizes[f"model {staged.models[0]}"] + sizes[f"model {PROSE}"]
        found = [
            Row(
                name="web: download before the first character", value=before / MB, unit="MB",
                limit=5, note=f"gzip: page, onnxruntime-web, {staged.models[0]}",
            ),
            Row(name=f"web: the same for {PROSE}", value=prose / MB, unit="MB", note="gzip"),
            Row(name="web: JavaScript of our own", value=own / 1e3, unit="kB", limit=60,
                note="unpacked, minified"),
        ]  # fmt: skip
        with hosted(staged.folder) as address, open_browser() as browser:
            found += _in_the_browser(browser, address)
        return found + _variants(staged.folder, Path(base))


def _in_the_browser(browser: Any, address: str) -> list[Row]:
    context = browser.new_context(locale="es-ES")
    context.set_default_timeout(60_000)
    tab = context.new_page()
    tab.goto(f"{address}/index.html")
    tab.wait_for_selector("html.ready")
    tab.evaluate("() => navigator.serviceWorker.ready.then(() => undefined)")
    tab.evaluate(ENGINE)
    tab.evaluate(SPEED, [PROSE, 50, 0])  # keeps that model too
    ready = []
    for _ in range(3):
        tab.goto("about:blank")
        tab.goto(f"{address}/index.html")
        tab.wait_for_selector("html.ready")
        ready.append(tab.evaluate("() => performance.now()"))
    shown = tab.evaluate(SHOWN)
    tab.evaluate(ENGINE)
    first = [tab.evaluate(FIRST, seed) for seed in range(REPEATS)]
    tab.evaluate(SPEED, [PROSE, CHARACTERS, 0])
    speed = [tab.evaluate(SPEED, [PROSE, CHARACTERS, seed]) for seed in range(1, 6)]
    once = tab.evaluate(WISH, 100)
    wishes = [tab.evaluate(WISH, seed) for seed in range(REPEATS)]
    context.close()
    told, judged = (statistics.median(each) for each in zip(*wishes, strict=True))
    return [
        Row(name="web: ready, cached", value=statistics.median(ready), unit="ms",
            note="from the address to a model that can be asked, median of 3"),
        Row(name="web: first character after load, shown", value=shown, unit="ms", limit=250,
            note="from the click to the letter in the page, once, nothing written before"),
        Row(name="web: first character, later", value=statistics.median(first), unit="ms",
            limit=250, note=f"told by the worker, median of {REPEATS}"),
        Row(name=f"web: {PROSE}, one thread", value=statistics.median(speed), unit="characters/s",
            limit=2000, at_least=True, note=f"{CHARACTERS} characters, median of 5"),
        Row(name="web: ten names, pattern and new only", value=told, unit="ms", limit=150,
            note=f"median of {REPEATS}; the first ever {once[0]:.0f}; with badges {judged:.0f}"),
    ]  # fmt: skip


def _variants(folder: Path, base: Path) -> list[Row]:
    """Characters a second of the prose model's variants, and their bytes packed."""
    found = []
    for name in ("fp32", "fp16", "int8"):
        made = base / name
        made.mkdir()
        graph = onnx.load(str(SHIPPED / PROSE / STEP))
        data = (graph if name == "fp32" else VARIANTS[name](graph)).SerializeToString()
        write_bundle(made, replace(read_bundle(SHIPPED / PROSE), weights=None), {STEP: data}, 18)
        request = {"ask": "speed", "folder": str(made), "steps": 1500, "repeats": 5}
        (speeds,) = ask(folder, [request])
        note = f"under Node, median of 5; {len(data) / MB:.2f} MB"
        found.append(
            Row(name=f"web: {PROSE} as {name}", value=statistics.median(speeds),
                unit="characters/s", note=note)
        )  # fmt: skip
    return found + costs(base)


def costs(base: Path) -> list[Row]:
    """What a smaller variant of the prose model in `base` changes beside fp32, in onnxruntime."""
    models = {name: load_bundle(base / name, trusted=True) for name in ("fp32", "fp16", "int8")}
    corpus = open_corpus(str(models["fp32"].bundle.provenance["dataset"]))
    text = split_corpus(corpus).validation[0][:JUDGED]
    nats = {name: float(model.score(text).mean()) for name, model in models.items()}
    texts = {name: model.generate(TEXTS, max_chars=500, seed=0) for name, model in models.items()}
    found = []
    for name in ("fp16", "int8"):
        pairs = zip(texts["fp32"], texts[name], strict=True)
        differ = sum(one != other for one, other in pairs)
        packed = len(gzip.compress((base / name / STEP).read_bytes(), 9))
        found += [
            Row(name=f"web: {PROSE} as {name}, cost", value=nats[name] - nats["fp32"],
                unit="nats/character", note=f"{len(text):,} validation characters"),
            Row(name=f"web: {PROSE} as {name}, texts unlike fp32's", value=differ, unit="texts",
                note=f"of {TEXTS}, 500 characters each, seed 0; {packed / MB:.2f} MB packed"),
        ]  # fmt: skip
    return found
