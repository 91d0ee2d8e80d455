"""The runtimes that must speak as ours does: each reads a bundle's folder and computes its logits
without `charmodels.runtime`.

An engine gives the logits after each token of a walk from the zero state, and a greedy text.
"""

import importlib
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from charmodels.runtime import Model, load_bundle
from charmodels.runtime.bundle import STEP
from export.examples.stream import Bundle
from tests.browser import missing

ROOT = Path(__file__).resolve().parents[1]
ONNXRUNTIME_WEB = "1.30.0"
GREEDY = 80
"""Characters of greedy text at most."""


@dataclass(frozen=True)
class Spoken:
    """What an engine said."""

    logits: Any
    """(steps, vocab)"""
    text: str
    """Greedy."""


def ours(folder: Path, tokens: list[int]) -> Spoken:
    """charmodels.runtime, what the others are held to."""
    model = load_bundle(folder, trusted=True)
    return _walk(model, model.step, tokens)


def consumer(folder: Path, tokens: list[int]) -> Spoken:
    """The README's Python: onnxruntime and numpy."""
    bundle = Bundle(str(folder))
    state, walked = bundle.zero, []
    for token in tokens:
        logits, state = bundle.step(token, state)
        walked.append(logits)
    return Spoken(np.array(walked), "".join(bundle.stream("", 0.0, GREEDY)))


def has_web() -> None:
    """Skip the test, or fail it under CI, where onnxruntime-web of our version is missing."""
    package = ROOT / "node_modules" / "onnxruntime-web" / "package.json"
    found = json.loads(package.read_text(encoding="utf-8"))["version"] if package.is_file() else ""
    if shutil.which("node") is None or found != ONNXRUNTIME_WEB:
        missing(f"no node with: npm install --no-save onnxruntime-web@{ONNXRUNTIME_WEB}")


def web(folder: Path, tokens: list[int]) -> Spoken:
    """The README's JavaScript: onnxruntime-web, here under Node."""
    has_web()
    request = json.dumps({"folder": str(folder), "tokens": tokens, "maxChars": GREEDY})
    command = ["node", str(ROOT / "tests" / "walk.mjs")]
    answer = subprocess.run(command, input=request, capture_output=True, text=True, timeout=120)
    assert answer.returncode == 0, answer.stderr
    said = json.loads(answer.stdout)
    return Spoken(np.array(said["logits"]), said["text"])


class ReferenceStep:
    """onnx's own evaluator: each operator as its definition has it, in numpy."""

    def __init__(self, graph: Path) -> None:
        from onnx.reference import ReferenceEvaluator

        self._evaluator = ReferenceEvaluator(str(graph))

    def step(self, tokens: Any, state: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        logits, *after = self._evaluator.run(None, {"token": tokens, **state})
        return logits, dict(zip(state, after, strict=True))


class OpenVinoStep:
    """OpenVINO on the processor; it takes bfloat16 by itself unless it is told not to."""

    def __init__(self, graph: Path) -> None:
        openvino = _library("openvino")
        exactly = {"INFERENCE_PRECISION_HINT": "f32"}
        self._request = openvino.compile_model(str(graph), "CPU", exactly).create_infer_request()

    def step(self, tokens: Any, state: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        self._request.infer({"token": tokens, **state})
        logits, *after = (
            self._request.get_tensor(name).data.copy()
            for name in ("logits", *(f"next_{name}" for name in state))
        )
        return logits, dict(zip(state, after, strict=True))


class TractStep:
    """tract, in Rust."""

    def __init__(self, graph: Path) -> None:
        model = _library("tract").onnx().load(str(graph)).into_model()
        self._model = model.into_runnable()

    def step(self, tokens: Any, state: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        logits, *after = (out.to_numpy() for out in self._model.run([tokens, *state.values()]))
        return logits, dict(zip(state, after, strict=True))


def reference(folder: Path, tokens: list[int]) -> Spoken:
    return _other(ReferenceStep, folder, tokens)


def openvino(folder: Path, tokens: list[int]) -> Spoken:
    return _other(OpenVinoStep, folder, tokens)


def tract(folder: Path, tokens: list[int]) -> Spoken:
    return _other(TractStep, folder, tokens)


ENGINES: dict[str, Callable[[Path, list[int]], Spoken]] = {
    "consumer": consumer,
    "reference": reference,
    "web": web,
    "openvino": openvino,
    "tract": tract,
}


def _other(make: Callable[[Path], Any], folder: Path, tokens: list[int]) -> Spoken:
    model = load_bundle(folder, trusted=True)
    engine = make(folder / STEP)
    engine.initial_state = model.step.initial_state
    return _walk(Model(engine, model.bundle), engine, tokens)


def _walk(model: Model, step: Any, tokens: list[int]) -> Spoken:
    state, walked = step.initial_state(), []
    for token in tokens:
        logits, state = step.step(np.array([token]), state)
        walked.append(logits[0])
    return Spoken(np.array(walked), "".join(model.stream(temperature=0.0, max_chars=GREEDY)))


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        missing(f"{name} is not installed: pip install -e '.[conformance]'")
