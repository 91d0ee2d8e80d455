"""One step of a model as an ONNX graph: token and states in, logits and next states out.

The embedding and the first layer's look at the input know nothing of memory, so they are computed
here for every character at once: a table with one row an id. A step is then one Gather from the
table and the products with the states: fewer bytes to read and standard operators only.
"""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn
from torch.nn.functional import embedding

from charmodels.models import CharModel
from charmodels.runtime.bundle import METADATA_KEY, Bundle

OPSET = 18
"""The widest safe target: older ones get an invalid Split, newer ones lock runtimes out."""


class FoldedStep(nn.Module):
    """A model's step with its first projection turned into a table.

    table = project(embedding)          (vocab, any), computed once
    logits, states = cell(table[token], states)
    """

    def __init__(self, model: CharModel) -> None:
        super().__init__()
        self.model = model
        self.names = list(model.initial_state())
        with torch.no_grad():
            table = model.recurrences()[0].project(model.embedding.weight)
        self.register_buffer("table", table.detach().clone())

    def forward(self, token: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Token (batch,) int64 and the states in order; logits (batch, vocab), next states."""
        projected = embedding(token, self.get_buffer("table"))  # (batch, any)
        state = dict(zip(self.names, states, strict=True))
        logits, after = self.model.step_projected(projected, state)
        return logits, *(after[name] for name in self.names)


def build_step_graph(model: CharModel, bundle: Bundle) -> onnx.ModelProto:
    """The step as a checked ONNX model with symbolic batch and the bundle's facts in its metadata.

    Raises:
        AssertionError: the exporter froze the batch axis or renamed a value.
    """
    folded = FoldedStep(model.eval())
    batch = 2  # an example batch of 1 would be frozen into the graph
    token = torch.zeros(batch, dtype=torch.int64)
    states = tuple(model.initial_state(batch).values())
    axis = torch.export.Dim("batch", min=1, max=1 << 20)
    with _quiet():
        program = torch.onnx.export(
            folded,
            (token, *states),
            input_names=["token", *folded.names],
            output_names=["logits", *(f"next_{name}" for name in folded.names)],
            dynamic_shapes=({0: axis}, tuple({0: axis} for _ in states)),
            opset_version=OPSET,
            external_data=False,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    graph = program.model_proto
    _fold_constants(graph.graph)
    _tidy(graph, bundle)
    onnx.checker.check_model(graph, full_check=True)
    return graph


def _fold_constants(graph: onnx.GraphProto) -> None:
    """Compute what is made of weights alone: the exporter leaves Splits of them in the step."""
    known = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    kept = []
    for node in graph.node:
        if node.input and all(name in known for name in node.input):
            made = ReferenceEvaluator(node).run(None, {name: known[name] for name in node.input})
            assert isinstance(made, list)
            known |= zip(node.output, made, strict=True)
        else:
            kept.append(node)
    read = {name for node in kept for name in node.input}
    for field in ("node", "initializer"):
        graph.ClearField(field)
    graph.node.extend(kept)
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value, order="C"), name)
        for name, value in known.items()
        if name in read
    )


def _tidy(graph: onnx.ModelProto, bundle: Bundle) -> None:
    """Name the batch axis, drop the exporter's notes about source files, add our facts."""
    graph.doc_string = ""
    graph.graph.name = "step"
    graph.producer_name = "charmodels"
    del graph.metadata_props[:]
    for node in graph.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in graph.graph.value_info:
        del value.metadata_props[:]
    del graph.graph.metadata_props[:]
    for value in (*graph.graph.input, *graph.graph.output):
        axis = value.type.tensor_type.shape.dim[0]
        assert axis.dim_param, f"{value.name}: the exporter froze the batch axis"
        axis.dim_param = "batch"
        del value.metadata_props[:]
    onnx.helper.set_model_props(graph, {METADATA_KEY: json.dumps(bundle.facts())})


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter talks to stdout, to loggers and in warnings about its own insides."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
