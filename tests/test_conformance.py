"""The same bundle says the same in runtimes that share no code: logits over 200 carried steps, and
the greedy text. The README's Python and JavaScript are two of them, as they stand there.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from charmodels.models import MODELS
from charmodels.runtime import load_bundle
from charmodels.runtime.bundle import STEP, read_bundle, write_bundle
from charmodels.runtime.sampling import log_softmax
from export.parity import TOLERANCE, written_tokens
from export.variants import LIMITS, VARIANTS
from export.writer import export_run
from tests.browser import complaints, open_browser
from tests.engines import ENGINES, GREEDY, ROOT, Spoken, has_web, ours
from tests.test_parity import SHAPES, quiet, write_run_folder

SHIPPED = ROOT / "demo" / "bundles"
KINDS = {
    "names with n-gram": "municipios",
    "names, network alone": "dinosaurs",
    "text with n-gram": "shakespeare",
}
STEPS = 200
EXAMPLES = sorted((ROOT / "export" / "examples").glob("stream.*"))


@cache
def walked(folder: Path) -> tuple[list[int], Spoken]:
    """A text the model itself writes, and what our runtime says on the way."""
    step = load_bundle(folder, trusted=True).step
    tokens = written_tokens(step, STEPS, 1)[:, 0].tolist()
    return tokens, ours(folder, tokens)


def scaled(a: Spoken, b: Spoken) -> float:
    """The worst difference of logits, as house.md scales it."""
    assert a.logits.shape == b.logits.shape
    return float((np.abs(a.logits - b.logits) / np.maximum(1, np.abs(a.logits))).max())


def divergence(a: Spoken, b: Spoken) -> float:
    """Mean KL divergence of b's chances from a's, nats a character."""
    p, q = log_softmax(a.logits), log_softmax(b.logits)
    return float((np.exp(p) * (p - q)).sum(axis=1).mean())


def agree(name: str, folder: Path) -> None:
    tokens, expected = walked(folder)
    found = ENGINES[name](folder, tokens)
    worst = scaled(expected, found)
    assert worst <= TOLERANCE, f"{name}, {folder.name}: logits differ by {worst:.1e}, scaled"
    assert found.text == expected.text
    assert found.text


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("name", ENGINES)
def test_a_shipped_bundle_speaks_the_same(name: str, kind: str) -> None:
    if name == "tract" and "with n-gram" in {v: k for k, v in KINDS.items()}[kind]:
        tract_cannot_return_contexts(SHIPPED / kind)
    else:
        agree(name, SHIPPED / kind)


@pytest.fixture(scope="module")
def smaller(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """A shipped bundle whose step is one of its smaller variants, made once."""
    base = tmp_path_factory.mktemp("smaller")

    def make(name: str, variant: str) -> Path:
        folder = base / f"{name}-{variant}"
        if not folder.exists():
            folder.mkdir()
            graph = VARIANTS[variant](onnx.load(str(SHIPPED / name / STEP)))
            bundle = replace(read_bundle(SHIPPED / name), weights=None, golden=None)
            write_bundle(folder, bundle, {STEP: graph.SerializeToString()}, 18)
        return folder

    return make


QUICK = "dinosaurs"
"""The others' smaller variants take a minute together."""

SMALLER = [
    pytest.param(engine, kind, marks=[] if kind == QUICK else pytest.mark.slow)
    for engine in ENGINES
    for kind in KINDS.values()
    if engine != "tract" or kind == QUICK  # see tract_cannot_return_contexts
]


@pytest.mark.parametrize(("name", "kind"), SMALLER)
def test_its_fp16_speaks_the_same(
    name: str, kind: str, smaller: Callable[[str, str], Path]
) -> None:
    """Weights are stored in float16 and widened, so that the tolerance is that of fp32."""
    agree(name, smaller(kind, "fp16"))


@pytest.mark.parametrize(("name", "kind"), SMALLER)
def test_its_int8_speaks_as_nearly_as_rounding_lets_it(
    name: str, kind: str, smaller: Callable[[str, str], Path]
) -> None:
    """Each step rounds its activations to 8 bits: a last bit of difference between two runtimes
    may round one of them the other way, which the memory then carries. So not the tolerance of
    fp32, but a divergence far below what int8 itself may cost; and the same greedy text."""
    folder = smaller(kind, "int8")
    tokens, expected = walked(folder)
    found = ENGINES[name](folder, tokens)
    assert found.text == expected.text
    assert divergence(expected, found) <= LIMITS["int8"] / 10


def tract_cannot_return_contexts(folder: Path) -> None:
    """tract reads a Cast to int64 as one to its own symbolic dimensions, and its Python package
    cannot give those back; its logits would agree. This fails once it can."""
    with pytest.raises(Exception, match="Unsupported DatumType in the public API TDim"):
        agree("tract", folder)


def test_the_javascript_works_in_a_browser() -> None:
    """The same file in Chromium, the bundle fetched, onnxruntime-web from an import map."""
    has_web()
    page = """<link rel="icon" href="data:,">
        <script type="importmap">{"imports": {"onnxruntime-web":
        "/node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs"}}</script>
        <script type="module">
        import { openBundle } from "/export/examples/stream.mjs";
        let text = "";
        const { stream } = await openBundle("/demo/bundles/shakespeare");
        for await (const character of stream("", 0, %d)) text += character;
        window.written = text;
        </script>"""
    with files_served(ROOT) as address, open_browser() as browser:
        tab = browser.new_page()
        told = complaints(tab, address)
        html = page % GREEDY
        tab.route("**/page", lambda route: route.fulfill(body=html, content_type="text/html"))
        tab.goto(f"{address}/page")
        written = tab.wait_for_function("() => window.written").json_value()
    assert told == []
    assert written == walked(SHIPPED / "shakespeare")[1].text


@contextmanager
def files_served(folder: Path) -> Iterator[str]:
    """A folder's files over loopback."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small bundle of each recurrence, weights random but as large as trained ones."""
    folder = tmp_path_factory.mktemp("untrained")
    for arch in MODELS:
        shape = "1-block" if arch in ("gated_deltanet", "transformer") else "1"
        write_run_folder(folder / f"run-{arch}", arch, **SHAPES[shape])
        export_run(folder / f"run-{arch}", folder / arch, report=quiet)
    return {arch: folder / arch for arch in MODELS}


@pytest.mark.slow
@pytest.mark.parametrize("arch", MODELS)
@pytest.mark.parametrize("name", ENGINES)
def test_every_recurrence_speaks_the_same(name: str, arch: str, untrained: dict[str, Path]) -> None:
    agree(name, untrained[arch])


@pytest.mark.parametrize("name", ENGINES)
def test_one_weight_changed_a_little_is_seen(name: str, tmp_path: Path) -> None:
    """The check can fail: each engine reads the file it is given, and 1e-3 is too much."""
    folder = SHIPPED / "dinosaurs"
    tokens, expected = walked(folder)
    graph = onnx.load(str(folder / STEP))
    largest = max(graph.graph.initializer, key=lambda tensor: np.prod(tensor.dims))
    weights = numpy_helper.to_array(largest).copy()
    weights[0] += 1e-3
    largest.CopyFrom(numpy_helper.from_array(weights, largest.name))
    bundle = replace(read_bundle(folder), weights=None)
    write_bundle(tmp_path, bundle, {STEP: graph.SerializeToString()}, 18)
    assert scaled(expected, ENGINES[name](tmp_path, tokens)) > TOLERANCE


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_are_short_and_stand_in_the_readme(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 40
    assert text.strip() in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_example_needs_onnxruntime_and_numpy_alone(tmp_path: Path) -> None:
    code = (
        "import runpy, sys; "
        f"sys.argv = ['stream.py', {str(SHIPPED / 'municipios')!r}, 'San ']; "
        f"runpy.run_path({str(EXAMPLES[1])!r}, run_name='__main__'); "
        "print('', {name.partition('.')[0] for name in sys.modules} & "
        "{'charmodels', 'export', 'onnx', 'torch', 'gradio'})"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    name, others = answer.stdout.rsplit(" ", 1)
    assert others.strip() == "set()"
    assert name
    assert not load_bundle(SHIPPED / "municipios", trusted=True).vocabulary.unknown(name)
