"""Smaller steps beside fp32: bytes, speed and likeness, for a large LSTM and for every recurrence.

The large one is the notebook's prose model, LSTM 1024 with embedding 256, from runs/notebooks, or
trained for a quarter of an hour into runs/variants. The small ones are trained for some seconds
each on Mexican municipalities, the last one with its n-gram. onnxruntime's own dynamic quantiser
works on the same fp32 graphs and is judged on the same validation text in the same run.
"""

import contextlib
import logging
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

from charmodels.models import MODELS
from charmodels.runtime.bundle import STEP, variant_file
from charmodels.runtime.errors import BundleError
from charmodels.runtime.generation import StepModel
from charmodels.runtime.onnx_step import OnnxStep, open_session
from charmodels.training.checkpoint import read_run
from export.variants import LIMITS, VARIANTS
from export.variants.held_out import held_out
from export.variants.judge import Likeness, compare_on, speeds
from export.writer import export_run
from tests.benchmarks.rows import Row

LARGE = (Path("runs/notebooks/seed-prose"), Path("runs/variants/seed-prose"))
SPEEDS = {"int8": 2.5, "int4": 3.5}
"""Times fp32's steps a second at batch 1."""

SMALL = ("--hidden-size", "128", "--embedding-size", "64", "--max-seconds", "6")
BLOCK = ("--block", "--hidden-size", "96", "--embedding-size", "96", "--max-seconds", "8")
STOCK = "onnxruntime's quantiser"


def rows() -> list[Row]:
    """The large model against its limits, then one row a variant of every small one."""
    found = _large()
    for arch in MODELS:
        needs_block = arch in ("gated_deltanet", "transformer")
        size = BLOCK if needs_block else SMALL
        found += _small(arch, ("--arch", arch, "--ngram", "none", *size))
    return found + _small("default with n-gram", ("--max-seconds", "20"))


def _large() -> list[Row]:
    run = next((folder for folder in LARGE if _is_finished(folder)), LARGE[-1])
    if not _is_finished(run):
        _train(run, "--recipe", "seed-prose", "--max-seconds", "900", "--no-test")
    with _engines(run) as (engines, sizes, likeness):
        fp32 = engines.pop("fp32")
        at_one, at_64 = (speeds(fp32, engines, batch) for batch in (1, 64))
        found = []
        for name, limit in SPEEDS.items():
            note = f"{at_64[name]:.2f} x at batch 64; {_worth(likeness[name])}"
            label = f"LSTM 1024: {name} / fp32 at batch 1"
            value = at_one[name]
            found.append(
                Row(name=label, value=value, unit="x", limit=limit, at_least=True, note=note)
            )
        for name in (*VARIANTS, STOCK):
            found.append(_size_row("LSTM 1024", name, sizes, likeness, at_one))
            if name in LIMITS:
                kl = float(likeness[name].kl.mean())
                label = f"LSTM 1024: {name}, KL divergence from fp32"
                found.append(Row(name=label, value=kl, unit="nats", limit=LIMITS[name]))
        return found


def _small(label: str, flags: tuple[str, ...]) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        _train(run, "mx_municipios", *flags, "--no-test")
        with _engines(run) as (engines, sizes, likeness):
            fp32 = engines.pop("fp32")
            at_one = speeds(fp32, engines, 1)
            return [
                _size_row(label, name, sizes, likeness, at_one)
                for name in (*VARIANTS, STOCK)
                if name in engines
            ]


def _size_row(
    label: str,
    name: str,
    sizes: dict[str, int],
    likeness: dict[str, Likeness],
    at_one: dict[str, float],
) -> Row:
    kl = float(likeness[name].kl.mean())
    refused = ", refused" if name in LIMITS and not kl <= LIMITS[name] else ""
    return Row(
        name=f"{label}: {name}",
        value=sizes[name] / sizes["fp32"],
        unit="of fp32's bytes",
        note=f"KL {kl:.1e}{refused}; {_worth(likeness[name])}; {at_one[name]:.2f} x at batch 1",
    )


def _worth(like: Likeness) -> str:
    change = f"{like.nats_change.mean():+.5f} (standard error {like.nats_change_error:.5f})"
    same = f"{like.agrees.mean():.1%} of {len(like.kl):,} likeliest the same"
    return f"{change} nats/character; {same}"


@contextlib.contextmanager
def _engines(
    run: Path,
) -> Iterator[tuple[dict[str, StepModel], dict[str, int], dict[str, Likeness]]]:
    """Every variant of a run opened, refused ones too; their bytes; and how near they are."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = export_run(run, Path(folder) / "bundle", weights=False, report=lambda line: None)
        step, paths = onnx.load(bundle / STEP), {"fp32": bundle / STEP}
        for name, make in VARIANTS.items():
            paths[name] = Path(folder) / variant_file(name)
            paths[name].write_bytes(make(step).SerializeToString())
        paths[STOCK] = _quantise_stock(step, Path(folder))
        engines: dict[str, StepModel] = {}
        for name, path in paths.items():
            try:
                engines[name] = OnnxStep(open_session(path))
            except BundleError as error:
                if name != STOCK:
                    raise
                print(f"  {run}: {STOCK} made what onnxruntime does not open: {error}")
        others = {name: engine for name, engine in engines.items() if name != "fp32"}
        text = held_out(read_run(run), engines["fp32"])
        likeness = compare_on(text, engines["fp32"], others)
        yield engines, {name: path.stat().st_size for name, path in paths.items()}, likeness


def _quantise_stock(step: onnx.ModelProto, folder: Path) -> Path:
    """onnxruntime's dynamic quantiser, per channel as ours."""
    bare = onnx.ModelProto()
    bare.CopyFrom(step)
    bare.graph.ClearField("value_info")  # it turns weights round, and then shapes contradict
    given, made = folder / "bare.onnx", folder / "stock.onnx"
    given.write_bytes(bare.SerializeToString())
    logging.disable(logging.WARNING)  # it advises to run its shape inference first
    quantize_dynamic(given, made, weight_type=QuantType.QInt8, per_channel=True)
    logging.disable(logging.NOTSET)
    return made


def _is_finished(run: Path) -> bool:
    return (run / "run.json").is_file() and read_run(run).metrics is not None


def _train(out: Path, *words: str) -> None:
    command = [sys.executable, "-m", "charmodels", "train", *words, "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True)
