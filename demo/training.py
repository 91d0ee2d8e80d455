"""One training for the page, in a process of its own: `python -m demo.training`.

Standard input brings the order, one line of JSON, and after it the bytes of the list, which are
never written to a disk; then it stays open, and its end is the end of this process: so nothing
goes on when the page's server dies, however it dies. Standard output tells how it goes, a line of
JSON for each `Told`.
"""

import json
import math
import os
import re
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from charmodels.corpus.reading import Corpus, lowercased, read_corpus
from charmodels.corpus.splitting import Split, split_corpus
from charmodels.runtime.bundle import Kind
from charmodels.runtime.errors import CharModelError

if TYPE_CHECKING:
    from charmodels.runtime.model import Model
    from charmodels.training.checkpoint import Plan
    from charmodels.training.loop import Progress

Told = dict[str, Any]
"""What is told in one line: a `phase`, a `point` of the curve, `samples`, `figures`, a `proof`,
the end (`done`, `refused`)."""

BUNDLE = "bundle.zip"
"""The bundle with its card, in the order's folder, when all is done."""

_POINT_EVERY, _SAMPLES_EVERY = 0.5, 3.0
"""Seconds between two points of the training curve, and between two looks at fresh samples."""

_MEASURED = 1_000
"""Names drawn to see how many are new."""

_NGRAM_BYTES = 1_300_000
"""Of an n-gram at most, as in the models that come with the page."""

_SCALED = re.compile(r"([\d.]+e[+-]\d+) scaled")

_FILE_BYTES = 256 * 2**20
"""Of any file that the training may write."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to train, and how far it may go."""

    folder: str
    """Empty; everything written lies in it."""
    file: str
    """What the list is called: the model's name, with the ending that says how to read it."""
    size: int
    """Bytes of the list."""
    kind: Kind
    lowercase: bool
    private: bool
    """Whether the list must not be readable from the model: no n-gram, no filter of its names."""
    seconds: float
    """The training's budget, CPU seconds."""
    most_seconds: float
    """CPU seconds after which the system ends the process."""
    memory: int
    """Bytes of memory of its own that the system gives the process."""


def main() -> int:
    """Read the order, do it, tell how it goes."""
    order = Order(**json.loads(sys.stdin.buffer.readline()))
    data = sys.stdin.buffer.read(order.size)
    bound(order)
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    try:
        train(order, data, _tell)
    except CharModelError as error:
        _tell({"refused": str(error)})
        return 1
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        _tell({"refused": "memory"})
        return 1
    return 0


def bound(order: Order) -> None:
    """Low priority, and limits that the system itself holds."""
    import resource  # of Unix alone, as the tab is

    os.nice(10)
    processor = math.ceil(order.most_seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (processor, processor + 5))  # told first, then killed
    resource.setrlimit(resource.RLIMIT_DATA, (order.memory, order.memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_BYTES, _FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def read_list(data: bytes, file: str, kind: Kind | None, lowercase: bool) -> tuple[Corpus, Split]:
    """The list as it will be trained on; the page shows the same before it begins.

    Raises:
        CorpusError: what the visitor must mend.
    """
    corpus = read_corpus(file, kind, data=data)
    corpus = lowercased(corpus) if lowercase else corpus
    return corpus, split_corpus(corpus)


def train(order: Order, data: bytes, tell: Callable[[Told], None]) -> None:
    """From the list's bytes to the bundle: read, train, measure, export, prove, pack.

    Raises:
        CharModelError: the list cannot be read, or the bundle is not the model's equal.
    """
    tell({"phase": "start"})
    from charmodels.recipes import default_recipe
    from charmodels.training.plan import Began
    from charmodels.training.speaker import read_speaker
    from charmodels.training.train import new_facts, train_run
    from export.writer import export_run

    began = Began()
    corpus, split = read_list(data, order.file, order.kind, order.lowercase)
    recipe = default_recipe(corpus, order.seconds)
    training = replace(
        recipe.training,
        max_seconds=order.seconds,
        max_steps=None,
        device="cpu",
        threads=1,
        ngram="none" if order.private else recipe.training.ngram,
        ngram_bytes=_NGRAM_BYTES,
    )
    run, bundle = Path(order.folder, "run"), Path(order.folder, "bundle")
    facts = new_facts(corpus, split, recipe.model, training)
    tell({"phase": "plan"})
    outcome = train_run(
        run,
        facts,
        corpus,
        split,
        began=began,
        display=lambda write: _Teller(tell, write, facts.training.ngram),
    )
    metrics = outcome.facts.metrics or {}
    tell({"phase": "measure", "ngram": metrics.get("ngram_validation_nats_per_char")})
    speaker = read_speaker(run, outcome.facts)
    tell({"samples": _sample(speaker)})
    tell({"figures": measure(run, speaker, metrics, split)})
    tell({"phase": "export"})
    lines: list[str] = []
    export_run(run, bundle, membership=not order.private, split=split, report=lines.append)
    tell({"proof": summary(lines)})
    pack(bundle, Path(order.folder, BUNDLE), corpus.name)
    tell({"done": sum(path.stat().st_size for path in bundle.iterdir())})


def _sample(speaker: "Model") -> list[str]:
    return speaker.generate(1, max_chars=300) if speaker.endless else speaker.generate(12)


def measure(
    run: Path, speaker: "Model", metrics: Mapping[str, Any], split: Split
) -> dict[str, float]:
    """Bits, and of names how many are new and how many the n-gram gives away; for page and card.

    A small part of what `evaluate` measures, which takes a minute for a long list. Nothing is held
    out of a very short one: then nothing is claimed.
    """
    from charmodels.evaluation.balance import measure_given_away
    from charmodels.evaluation.measure import records_read
    from charmodels.evaluation.report import sha256_of_weights, write_evaluation

    figures = dict(metrics)
    if split.test and not speaker.endless:
        drawn = speaker.generate(_MEASURED, temperature=1.0, seed=0)
        known = {*records_read(speaker, split)}
        measured = {"novel_share": sum(name not in known for name in drawn) / _MEASURED}
        measured |= measure_given_away(speaker, split)
        write_evaluation(run, measured, sha256_of_weights(run))
        figures |= measured
    wanted = ("bits_per_char", "novel_share", "spelled_share", "parameters")
    return {name: figures[name] for name in wanted if isinstance(figures.get(name), int | float)}


def summary(lines: list[str]) -> dict[str, Any]:
    """The parity table with its worst figure, and what is allowed, both scaled."""
    from export.parity import TOLERANCE

    table = [line for line in lines if "(tolerance" in line]
    worst = max(float(number) for line in table for number in _SCALED.findall(line))
    return {"lines": lines, "worst": f"{worst:.1e}", "tolerance": f"{TOLERANCE:.0e}"}


def pack(bundle: Path, archive: Path, name: str) -> None:
    """The bundle's files and its card in one zip, in a folder of the model's name."""
    from charmodels.runtime.bundle import read_bundle
    from export.neighbours.hub import CARD, hub_card

    card = hub_card(read_bundle(bundle), name).replace(f"hf://USER/{name}", name)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(bundle.iterdir()):
            packed.write(path, f"{name}/{path.name}")
        packed.writestr(f"{name}/{CARD}", card)


class _Teller:
    """Tells the page what `TrainingDisplay` tells a terminal: points, samples, phases."""

    def __init__(
        self, tell: Callable[[Told], None], write_samples: Callable[[], list[str]], ngram: str
    ) -> None:
        self._tell, self._write_samples, self._ngram = tell, write_samples, ngram
        self._pointed = self._sampled = -math.inf
        self._last_step = 0

    def __enter__(self) -> Self:
        self._tell({"phase": "train"})
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def say(self, text: str) -> None:
        """Sentences are the terminal's; the page has its own."""

    def update(self, step: int, steps: int, nats: float, chars_per_second: float) -> None:
        """A point of the training curve, and now and then what the model writes by now."""
        now = time.monotonic()
        if now - self._pointed >= _POINT_EVERY:
            self._point(step, steps, nats)
        if now - self._sampled >= _SAMPLES_EVERY:
            self._sample()

    def validation(
        self, progress: "Progress", plan: "Plan", train: float, validation: float
    ) -> None:
        """A point of the validation curve, and of the training curve above the same step."""
        if progress.step > self._last_step and math.isfinite(train):
            self._point(progress.step, plan.steps, train)
        if math.isfinite(validation):
            self._tell({"held": [progress.step, round(validation, 4)], "steps": plan.steps})
        if progress.stopped:
            self._sample()
            self._tell({"phase": "count" if self._ngram == "auto" else "measure"})

    def _point(self, step: int, steps: int, nats: float) -> None:
        self._pointed, self._last_step = time.monotonic(), step
        self._tell({"point": [step, round(nats, 4)], "steps": steps})

    def _sample(self) -> None:
        self._tell({"samples": self._write_samples()})
        self._sampled = time.monotonic()


def _tell(told: Told) -> None:
    print(json.dumps(told), flush=True)


def _end_with_the_server() -> None:
    while os.read(sys.stdin.fileno(), 1):  # past Python's own buffer, whose lock this would hold
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
