"""A bundle: a folder a person can inspect, `bundle.json` and the graphs it names.

`bundle.json` carries everything about the model but its weights; the same facts, less the files
and the golden vectors, travel inside each graph's metadata, so that a lone .onnx can be used.
"""

import base64
import hashlib
import json
import math
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from charmodels.runtime.balance import MIX, MIX_SIZE
from charmodels.runtime.errors import BundleError, SettingError, VocabularyError
from charmodels.runtime.membership import HASH, Membership
from charmodels.runtime.sampling import Sampling
from charmodels.runtime.vocabulary import Vocabulary

Kind = Literal["names", "text"]

FORMAT = 1
"""The bundle format this version writes and reads."""

STEP = "step.onnx"
"""The graph every bundle has: one character in, logits and the next state out."""

PREFILL = "prefill.onnx"
"""Optional: a whole prompt in, the logits after it and the state the steps would have come to."""

SAMPLE = "sample.onnx"
"""Optional, for other runtimes: the step with its sampler, the next id out."""

GENERATE = "generate.onnx"
"""Optional, for other runtimes: a Loop that writes many characters a call. Never opened here: what
a Loop does cannot be bounded beforehand."""

FP32 = "fp32"
"""The variant of the graph that every bundle has."""

WEIGHTS = "weights.safetensors"
"""Optional: the trainable weights, float16, the model's sizes in the file's own metadata."""

METADATA_KEY = "charmodels"
"""Where a graph's metadata_props keep the bundle's facts, as JSON."""

GRAPH_NAME = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}\.onnx"
"""The regular expression of a graph's file name."""

MAX_JSON_BYTES = 4 * 2**20
"""A vocabulary of 65,535 characters and its golden logits need 3."""

MAX_GRAPH_BYTES = 512 * 2**20
MAX_CHECKED_BYTES = 128 * 2**20
"""All files together of a stranger's archive or repository: none is hashed for longer."""

MAX_DEPTH = 32
"""Objects in objects of bundle.json: whoever shows them calls itself as often."""

MAX_GOLDEN = 256
"""Golden tokens at most: a stranger's are fed before its model is opened."""

MAX_CHARS = 100_000
"""A bundle's default limit may not be higher."""


@dataclass(frozen=True)
class StateSpec:
    """One state of the step graph: its name, its shape without the batch axis, its type."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    initial: float = 0.0


@dataclass(frozen=True)
class GraphFile:
    """What `bundle.json` promises about one graph file."""

    sha256: str
    bytes: int
    opset: int
    variant: str


@dataclass(frozen=True)
class Judgement:
    """How a smaller variant of the step did beside fp32, on text that both read when it was made.

    Both carry their own states along it.
    """

    judged_on: str
    """The text: validation, or the model's own writing where nothing was held out."""
    characters: int
    kl: float
    """Mean KL divergence from fp32, nats a character."""
    kl_limit: float
    """Above this a variant is refused."""
    nats_change: float
    """What a character costs more than with fp32, nats."""
    nats_change_error: float
    """Its standard error, of the differences character by character."""
    greedy_agreement: float
    """Share of characters after which both hold the same one for likeliest."""
    speed: float
    """Steps a second at batch 1, as a multiple of fp32's on the machine that exported."""
    speed_at_64: float
    """The same at batch 64."""
    golden_tolerance: float
    """How far its logits may be from the golden ones, scaled as everywhere."""

    @property
    def accepted(self) -> bool:
        """Whether it is near enough to fp32 to ship."""
        return self.kl <= self.kl_limit


@dataclass(frozen=True)
class WeightsFile:
    """What `bundle.json` promises about the trainable weights, if they travel with it."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Golden:
    """Token ids fed from the zero state, and the logits after the last: any runtime can check."""

    tokens: tuple[int, ...]
    logits: tuple[float, ...]


@dataclass(frozen=True)
class Bundle:
    """Everything about a shipped model but its weights."""

    kind: Kind
    vocabulary: Vocabulary
    states: tuple[StateSpec, ...]
    sampling: Sampling
    max_chars: int
    provenance: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, GraphFile] = field(default_factory=dict)
    golden: Golden | None = None
    weights: WeightsFile | None = None
    variants: Mapping[str, Judgement] = field(default_factory=dict)
    """What each smaller variant that was asked for is worth, those refused too."""
    membership: Membership | None = None
    """Of names: which were learned, to be asked one at a time."""
    format: int = FORMAT

    @property
    def sizes(self) -> tuple[str, ...]:
        """The variants of the step that the bundle has: fp32, and smaller ones."""
        return tuple(f.variant for name, f in self.files.items() if name == variant_file(f.variant))

    def facts(self) -> dict[str, Any]:
        """What a lone graph carries: all but files, golden vectors, variants and membership."""
        return {
            "format": self.format,
            "kind": self.kind,
            "vocabulary": list(self.vocabulary.symbols),
            "states": [asdict(state) for state in self.states],
            "sampling": {**asdict(self.sampling), "max_chars": self.max_chars},
            "provenance": dict(self.provenance),
            "metrics": dict(self.metrics),
        }

    def to_json(self) -> str:
        """The text of `bundle.json`."""
        golden = {"golden": asdict(self.golden)} if self.golden else {}
        weights = {"weights": asdict(self.weights)} if self.weights else {}
        files = {name: asdict(file) for name, file in self.files.items()}
        judged = {name: asdict(judgement) for name, judgement in self.variants.items()}
        variants = {"variants": judged} if judged else {}
        learned = {"membership": _membership_facts(self.membership)} if self.membership else {}
        everything = {**self.facts(), "files": files, **weights, **variants, **learned, **golden}
        return json.dumps(everything, ensure_ascii=False, indent=1)


def read_bundle(folder: str | Path) -> Bundle:
    """Read `bundle.json` and check the files it names: size and sha256, nothing is opened.

    Raises:
        BundleError: the folder or a file is missing, too large, changed, or of another format.
    """
    folder = Path(folder)
    path = folder / "bundle.json"
    if not path.is_file():
        raise BundleError(
            f"{folder}: no bundle.json in it; a bundle is made with: "
            f"python -m export RUN --out {folder.name or 'BUNDLE'}"
        )
    if path.stat().st_size > MAX_JSON_BYTES:
        raise BundleError(f"{path}: larger than {MAX_JSON_BYTES:,} bytes; not a bundle of ours")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror})") from error
    bundle = parse_bundle(data, str(path))
    if STEP not in bundle.files:
        raise BundleError(f"{path}: files has no {STEP}; export the run again")
    for name, file in bundle.files.items():
        _check_file(folder / name, file)
    if bundle.weights:
        _check_file(folder / WEIGHTS, bundle.weights)
    return bundle


def copy_bundle(folder: Path, out: Path) -> Bundle:
    """Copy a bundle's own files to `out`, made if missing; whatever lies beside them stays.

    Raises:
        BundleError: as `read_bundle` does.
    """
    bundle = read_bundle(folder)
    out.mkdir(parents=True, exist_ok=True)
    for name in ("bundle.json", *bundle.files, *([WEIGHTS] if bundle.weights else [])):
        shutil.copyfile(folder / name, out / name)
    return bundle


def variant_file(variant: str) -> str:
    """The name of the step graph of a variant: step.onnx is fp32, step.int8.onnx is int8."""
    return STEP if variant == FP32 else STEP.replace(".", f".{variant}.")


def variant_of(name: str) -> str:
    """The variant of a graph's file: what its name says between two dots."""
    return name.split(".")[1] if name.count(".") == 2 else FP32


def write_bundle(folder: Path, bundle: Bundle, graphs: Mapping[str, bytes], opset: int) -> Bundle:
    """Write `graphs` (file name to bytes) and their `bundle.json` into an existing folder."""
    files = {
        name: GraphFile(
            sha256=hashlib.sha256(graph).hexdigest(),
            bytes=len(graph),
            opset=opset,
            variant=variant_of(name),
        )
        for name, graph in graphs.items()
    }
    written = replace(bundle, files=files)
    for name, graph in graphs.items():
        (folder / name).write_bytes(graph)
    (folder / "bundle.json").write_text(written.to_json() + "\n", encoding="utf-8")
    return written


def parse_bundle(data: bytes | str, where: str) -> Bundle:
    """A bundle from the JSON of `bundle.json` or of a graph's metadata.

    Raises:
        BundleError: naming `where`, the key and what was expected.
    """
    if len(data) > MAX_JSON_BYTES:
        raise BundleError(f"{where}: facts of more than {MAX_JSON_BYTES:,} bytes; not of ours")
    try:
        facts = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{where}: not valid JSON ({error}); export the run again") from error
    if not isinstance(facts, dict) or "format" not in facts:
        raise BundleError(f"{where}: no key 'format'; this is not a charmodels bundle")
    if _is_deep(facts):
        raise BundleError(f"{where}: facts nested more than {MAX_DEPTH} deep; not a bundle of ours")
    if facts["format"] != FORMAT or isinstance(facts["format"], bool):
        raise BundleError(
            f"{where} has format {_shown(facts['format'])}; this version reads format {FORMAT}. "
            "Upgrade charmodels, or export the run again with: python -m export RUN"
        )
    try:
        return _from_facts(facts)
    except KeyError as error:
        raise BundleError(f"{where}: key {error} is missing; export the run again") from error
    except (TypeError, ValueError, OverflowError) as error:
        if isinstance(error, VocabularyError | SettingError | BundleError):
            raise BundleError(f"{where}: {error}") from error
        raise BundleError(f"{where}: a value has the wrong type or range ({error})") from error


def _is_deep(facts: dict[str, Any]) -> bool:
    """Whether lists and objects lie in each other more than MAX_DEPTH deep."""
    level: list[Any] = [facts]
    for _ in range(MAX_DEPTH):
        inner = (each.values() if isinstance(each, dict) else each for each in level)
        level = [value for values in inner for value in values if isinstance(value, dict | list)]
    return bool(level)


def _from_facts(facts: dict[str, Any]) -> Bundle:
    kind = facts["kind"]
    if kind not in ("names", "text"):
        raise BundleError(f"kind is {_shown(kind)}; expected names or text")
    sampling = dict(_mapping(facts, "sampling"))
    max_chars = _integer(sampling.pop("max_chars"), "sampling.max_chars", 1, MAX_CHARS)
    known = {name: sampling[name] for name in Sampling.__dataclass_fields__ if name in sampling}
    for name, value in known.items():
        _number(value, f"sampling.{name}")
    _integer(known.get("top_k", 0), "sampling.top_k", 0, 1_000_000)
    golden = facts.get("golden")
    files = _mapping(facts, "files") if "files" in facts else {}
    variants = _mapping(facts, "variants") if "variants" in facts else {}
    return Bundle(
        kind=cast(Kind, kind),
        vocabulary=Vocabulary(tuple(_strings(facts["vocabulary"], "vocabulary"))),
        states=_states(facts["states"]),
        sampling=Sampling(**known),
        max_chars=max_chars,
        provenance=_mapping(facts, "provenance"),
        metrics=_mapping(facts, "metrics"),
        files={_file_name(name): _graph_file(file) for name, file in files.items()},
        golden=_golden(golden) if golden is not None else None,
        weights=_weights_file(facts["weights"]) if "weights" in facts else None,
        variants={name: _judgement(each) for name, each in variants.items()},
        membership=_membership(_mapping(facts, "membership")) if "membership" in facts else None,
    )


def _states(facts: list[dict[str, Any]]) -> tuple[StateSpec, ...]:
    states = tuple(_state(state) for state in facts)
    names = [state.name for state in states]
    taken = {"token", "logits", *(f"next_{name}" for name in names)}
    if len(set(names)) < len(names) or taken & set(names):
        raise BundleError(f"states {_shown(names)} repeat a name or take one of another value")
    return states


def _state(facts: dict[str, Any]) -> StateSpec:
    name, dtype = facts["name"], facts["dtype"]
    if not isinstance(name, str) or not name.isidentifier():
        raise BundleError(f"state name {_shown(name)} is not a plain word")
    if dtype not in ("float32", "int64"):
        raise BundleError(f"state {name[:60]} has dtype {_shown(dtype)}; expected float32 or int64")
    if facts.get("initial", 0.0) != 0.0:
        raise BundleError(f"state {name[:60]} starts at {_shown(facts['initial'])}; expected 0")
    if name == MIX and (dtype != "float32" or facts["shape"] != [MIX_SIZE]):
        raise BundleError(f"state {MIX} is {dtype} {_shown(facts['shape'])}; expected [{MIX_SIZE}]")
    shape = tuple(_integer(size, f"shape of {name}", 1, 2**20) for size in facts["shape"])
    return StateSpec(name=name, shape=shape, dtype=dtype)


def _graph_file(facts: dict[str, Any]) -> GraphFile:
    sha256, variant = _strings([facts["sha256"], facts["variant"]], "files")
    size = _integer(facts["bytes"], "bytes", 1, MAX_GRAPH_BYTES)
    opset = _integer(facts["opset"], "opset", 1, 1000)
    return GraphFile(sha256=sha256, bytes=size, opset=opset, variant=variant)


def _weights_file(facts: dict[str, Any]) -> WeightsFile:
    (sha256,) = _strings([facts["sha256"]], "weights")
    return WeightsFile(sha256=sha256, bytes=_integer(facts["bytes"], "bytes", 1, MAX_GRAPH_BYTES))


def _judgement(facts: dict[str, Any]) -> Judgement:
    (judged_on,) = _strings([facts["judged_on"]], "variants")
    characters = _integer(facts["characters"], "variants.characters", 0, 2**53)
    figures = {
        name: _number(facts[name], f"variants.{name}")
        for name in Judgement.__dataclass_fields__
        if name not in ("judged_on", "characters")
    }
    return Judgement(judged_on=judged_on, characters=characters, **figures)


def _membership_facts(filter_: Membership) -> dict[str, Any]:
    """A filter as bundle.json keeps it, and how often it errs."""
    return {
        "hash": HASH,
        "key": filter_.key.hex(),
        **{name: getattr(filter_, name) for name in _MEMBERSHIP_SIZES},
        "false_positive_rate": filter_.false_positive_rate,
        "near_false_positive_rate": filter_.near_false_positive_rate,
        "low": base64.b64encode(filter_.low).decode(),
        "high": base64.b64encode(filter_.high).decode(),
    }


_MEMBERSHIP_SIZES = ("bits", "low_bits", "entries", "near_look_ups")


def _membership(facts: dict[str, Any]) -> Membership:
    """A filter from bundle.json; its rates follow from its sizes, whatever is said of them."""
    if facts["hash"] != HASH:
        raise BundleError(f"membership.hash is {_shown(facts['hash'])}; expected {HASH}")
    key, low, high = _strings([facts[name] for name in ("key", "low", "high")], "membership")
    sizes = {
        name: _integer(facts[name], f"membership.{name}", 0, 2**53) for name in _MEMBERSHIP_SIZES
    }
    return Membership(
        key=bytes.fromhex(key),
        low=base64.b64decode(low, validate=True),
        high=base64.b64decode(high, validate=True),
        **sizes,
    )


def _golden(facts: dict[str, Any]) -> Golden:
    logits = tuple(_number(value, "golden.logits") for value in facts["logits"])
    ids = [_integer(token, "golden.tokens", 0, 2**31) for token in facts["tokens"]]
    if len(ids) > MAX_GOLDEN:
        raise BundleError(f"golden.tokens: {len(ids)} of them; expected at most {MAX_GOLDEN}")
    return Golden(tokens=tuple(ids), logits=logits)


def _file_name(name: str) -> str:
    if not re.fullmatch(GRAPH_NAME, name):
        raise BundleError(f"file name {_shown(name)} is not a plain NAME.onnx")
    return name


def _mapping(facts: dict[str, Any], key: str) -> dict[str, Any]:
    if not isinstance(facts[key], dict):
        raise BundleError(f"{key} is {type(facts[key]).__name__}; expected an object")
    return cast(dict[str, Any], facts[key])


def _strings(values: Any, key: str) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise BundleError(f"{key}: expected strings")
    return values


def _integer(value: Any, key: str, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise BundleError(f"{key} is {_shown(value)}; expected an integer from {low} to {high}")
    return value


def _number(value: Any, key: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise BundleError(f"{key} holds {_shown(value)}; expected a finite number")
    return float(np.float64(value))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"


def _check_file(path: Path, promised: GraphFile | WeightsFile) -> None:
    if path.is_symlink() or not path.is_file():
        raise BundleError(f"{path}: named in bundle.json but missing; copy the whole folder again")
    size = path.stat().st_size
    if size != promised.bytes:
        raise BundleError(f"{path}: {size} bytes; bundle.json says {promised.bytes}; copy it again")
    if sha256_of(path) != promised.sha256:
        raise BundleError(f"{path}: changed since it was made (sha256 differs from bundle.json)")


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
