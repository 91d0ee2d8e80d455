"""NVIDIA Triton: a model's folder whose server keeps the states of many texts at once.

Each text is a sequence: the client sends its id with every character and says which is the first.
Triton then feeds zeros for the states, afterwards what came out as `next_`, and batches whatever
texts have a character waiting. The states never travel.

Source: Triton's user guide, "Implicit State Management" and "Model Configuration".
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from charmodels.runtime.bundle import STEP, read_bundle

MAX_BATCH = 64
"""Texts that one step reads together; larger batches cost more cache than they save."""

MAX_STREAMS = 1024
"""Texts that one instance of the model keeps the states of."""

IDLE_SECONDS = 60
"""A text that says nothing for so long is forgotten."""

_TYPES = {"float32": "TYPE_FP32", "int64": "TYPE_INT64"}


def write_triton(bundle: Path, out: Path) -> None:
    """Write OUT/config.pbtxt, OUT/1/model.onnx and, for clients, OUT/bundle.json."""
    (out / "1").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(bundle / STEP, out / "1" / "model.onnx")
    shutil.copyfile(bundle / "bundle.json", out / "bundle.json")
    (out / "config.pbtxt").write_text(triton_config(bundle, out.name), encoding="utf-8")


def triton_config(bundle: Path, name: str) -> str:
    """The text of config.pbtxt: sequence batching, every state zero at the start of a sequence.

    There is no START control: it would have to be an input of the graph. The request's own
    sequence_start does it, because zero_data is said; without that the first state is whatever
    the memory held.
    """
    facts = read_bundle(bundle)
    states = "".join(_state(state.name, _TYPES[state.dtype], state.shape) for state in facts.states)
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f"""name: "{quoted}"
backend: "onnxruntime"
max_batch_size: {MAX_BATCH}
# One id a request: the graph's token is (batch,), Triton's requests are (batch, 1).
input [ {{ name: "token" data_type: TYPE_INT64 dims: [ 1 ] reshape: {{ shape: [ ] }} }} ]
output [ {{ name: "logits" data_type: TYPE_FP32 dims: [ {len(facts.vocabulary)} ] }} ]
sequence_batching {{
  max_sequence_idle_microseconds: {IDLE_SECONDS * 1_000_000}
  oldest {{ max_candidate_sequences: {MAX_STREAMS} }}
{states}}}
instance_group [ {{ kind: KIND_CPU count: 1 }} ]
"""


def _state(name: str, data_type: str, shape: Sequence[int]) -> str:
    dims = ", ".join(map(str, shape))
    return f"""  state {{
    input_name: "{name}"
    output_name: "next_{name}"
    data_type: {data_type}
    dims: [ {dims} ]
    initial_state: {{ name: "zero" data_type: {data_type} dims: [ {dims} ] zero_data: true }}
  }}
"""
