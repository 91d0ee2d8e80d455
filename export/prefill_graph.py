"""A whole prompt at once as an ONNX graph, made from the step graph and nothing else.

Only the nodes that a state goes round through must run one character after the other. They become
a Scan over time, or one of ONNX's own recurrent operators. What they read is computed before, what
reads them afterwards, for all characters at once: a step treats the rows of its batch apart, so the
characters of a prompt may stand in one batch of time * batch rows. What only the logits need is
computed for the last character alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from charmodels.runtime.bundle import Bundle
from charmodels.runtime.generation import Array
from export.ngram_graph import Nodes, batch_of, finish_graph

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Kernel:
    """A recurrent operator of ONNX that does what the nodes around some states do.

    Its weights are laid out as the operator wants them, one direction: W (1, gates * hidden,
    input), R (1, gates * hidden, hidden), B (1, 2 * gates * hidden).
    """

    operator: str
    """LSTM or GRU."""
    states: tuple[str, ...]
    """Those it moves: h_0, and for an LSTM c_0."""
    reads: str
    """The value of the step graph (batch, input) it reads; "" is the row of `embedding`."""
    W: Array
    R: Array
    B: Array
    embedding: Array | None = None
    """(vocab, input)"""
    linear_before_reset: int = 0


def build_prefill_graph(
    step: onnx.ModelProto,
    bundle: Bundle,
    *,
    kernels: Sequence[Kernel] = (),
    forgets: Mapping[str, int] | None = None,
) -> onnx.ModelProto:
    """The sequence form of a step graph, as a checked ONNX model.

    Inputs: tokens int64 (batch, time), time at least 1; the states as the step's.
    Outputs: logits (batch, vocab) after the last character; next_<state> as the step's.

    Args:
        step: any step graph.
        bundle: whose facts go into the metadata.
        kernels: operators to use in place of a Scan.
        forgets: states that the last characters alone decide, and how many of them.
    """
    sequence = _Sequence(step, kernels, forgets or {})
    outputs = [sequence.last(value.name) for value in step.graph.output]
    assert outputs == [value.name for value in step.graph.output]
    tokens = helper.make_tensor_value_info("tokens", TensorProto.INT64, ["batch", "time"])
    read = {name for node in _all_nodes(sequence.graph.nodes) for name in node.input}
    weights = [*step.graph.initializer, *sequence.graph.weights]
    return finish_graph(
        sequence.graph.nodes,
        [tokens, *step.graph.input[1:]],
        step.graph.output,
        [weight for weight in weights if weight.name in read],
        bundle,
        name="prefill",
    )


class _Sequence:
    """The nodes written so far; each value of the step is asked for in one of three forms.

    each        of all characters, (time * batch, ...)
    stacked     the same, (time, batch, ...)
    last        of the last character, (batch, ...)
    """

    def __init__(
        self, step: onnx.ModelProto, kernels: Sequence[Kernel], forgets: Mapping[str, int]
    ) -> None:
        self.graph = Nodes(prefix="prefill.")
        self._nodes = list(step.graph.node)
        self._maker = {name: i for i, node in enumerate(self._nodes) for name in node.output}
        self._kernels, self._forgets = kernels, forgets
        self._states = [value.name for value in step.graph.input[1:]]
        self._kinds, self._shapes = _kinds_and_shapes(step)
        self._reaches = self._closure()
        goes_round = np.diagonal(self._reaches)
        self._goes_round: list[bool] = list(goes_round)
        self._feeds_memory: list[bool] = list(np.any(self._reaches[:, goes_round], axis=1))
        self._written: dict[tuple[str, str], str] = {}
        """From form and value of the step to the value of this graph."""
        self._tokens = self.graph.node("Transpose", "tokens", perm=[1, 0])  # (time, batch)
        self._written["stacked", "token"] = self._tokens

    def each(self, value: str) -> str:
        """The value of all characters, (time * batch, ...)."""
        return self._written.get(("each", value)) or self._write("each", value, self._each(value))

    def stacked(self, value: str) -> str:
        """The value of all characters, (time, batch, ...)."""
        if ("stacked", value) not in self._written:
            if self._is_remembered(value):
                self._go_round(self._circle_of(value))
            else:
                return self._write("stacked", value, self._stack(self.each(value), value))
        return self._written["stacked", value]

    def last(self, value: str) -> str:
        """The value of the last character, (batch, ...)."""
        return self._written.get(("last", value)) or self._write("last", value, self._last(value))

    def _write(self, form: str, value: str, written: str) -> str:
        self._written[form, value] = written
        return written

    def _each(self, value: str) -> str:
        if self._is_constant(value):
            return self._constant(value)
        if value == "token" or self._is_remembered(value):
            shape = self.graph.whole(-1, *self._shapes[value])
            return self.graph.node("Reshape", self.stacked(value), shape)
        self._copy("each", self._nodes[self._maker[value]])
        return self._written["each", value]

    def _last(self, value: str) -> str:
        if self._is_constant(value):
            return self._constant(value)
        if value in self._states and self._passes(value):
            return value
        if value.startswith("next_") and self._is_remembered(value):
            self._go_round(self._circle_of(value))
            return self._written["last", value]
        is_each = value in self._maker and self._feeds_memory[self._maker[value]]
        if value == "token" or self._is_remembered(value) or is_each:
            newest = self.graph.weight("newest", np.array(-1))
            return self.graph.node("Gather", self.stacked(value), newest, axis=0)
        self._copy("last", self._nodes[self._maker[value]])
        return self._written["last", value]

    def _constant(self, value: str) -> str:
        """A weight, or what is made of weights alone: the same for every character."""
        if value in self._maker and ("each", value) not in self._written:
            node = self._nodes[self._maker[value]]
            for name in node.input:
                self._constant(name)
            self.graph.nodes.append(node)
            for name in node.output:
                self._written["each", name] = self._written["last", name] = name
        return value

    def _copy(self, form: str, node: onnx.NodeProto) -> None:
        """Write a node in the form asked for, from its inputs in that form."""
        ask = self.each if form == "each" else self.last
        names = {name: ask(name) for name in node.input}
        prefix = "" if form == "last" else "each."
        names |= {name: prefix + name for name in node.output}
        self.graph.nodes.append(renamed(node, names))
        self._written |= {(form, name): prefix + name for name in node.output}

    def _stack(self, each: str, value: str) -> str:
        """From (time * batch, ...) to (time, batch, ...)."""
        sizes = (
            [
                self.graph.node("Shape", "tokens", name="prefill.time", start=1),
                self.graph.node("Shape", "tokens", name="prefill.batch", start=0, end=1),
            ]
            if ("sizes", "") not in self._written
            else ["prefill.time", "prefill.batch"]
        )
        self._written["sizes", ""] = "prefill.time"
        rest = [self.graph.whole(*self._shapes[value])] if self._shapes[value] else []
        return self.graph.node("Reshape", each, self.graph.node("Concat", *sizes, *rest, axis=0))

    def _go_round(self, circle: list[int]) -> None:
        """Write the nodes of a circle, by its operator if it has one, or as a Scan."""
        states = [name for name in self._states if self._maker_of_next(name) in circle]
        for kernel in self._kernels:
            if set(kernel.states) == set(states):
                return self._run(kernel)
        return self._scan(circle, states)

    def _run(self, kernel: Kernel) -> None:
        graph, own = self.graph, f"{kernel.operator.lower()}_{kernel.states[0]}"
        if kernel.embedding is None:
            x = self.stacked(kernel.reads)
        else:
            table = graph.weight("embedding", kernel.embedding)
            x = graph.node("Gather", table, self._tokens)  # (time, batch, input)
        weights = [graph.weight(f"{own}.{n}", getattr(kernel, n)) for n in "WRB"]
        start = [graph.node("Unsqueeze", name, graph.whole(0)) for name in kernel.states]
        names = [f"prefill.{own}.{n}" for n in ("said", *kernel.states)]
        attributes: dict[str, Any] = {"hidden_size": self._shapes[kernel.states[0]][0]}
        if kernel.linear_before_reset:
            attributes["linear_before_reset"] = 1
        inputs = [x, *weights, "", *start]
        graph.nodes.append(helper.make_node(kernel.operator, inputs, names, **attributes))
        said = graph.node("Squeeze", names[0], graph.whole(1))  # (time, batch, hidden)
        self._written["stacked", f"next_{kernel.states[0]}"] = said
        for name, after in zip(kernel.states, names[1:], strict=True):
            graph.node("Squeeze", after, graph.whole(0), name=f"next_{name}")
            self._written["last", f"next_{name}"] = f"next_{name}"

    def _scan(self, circle: list[int], states: list[str]) -> None:
        nodes = [self._nodes[i] for i in circle]
        made = {name for node in nodes for name in node.output if name}
        read = list(dict.fromkeys(name for node in nodes for name in node.input if name))
        outside = [name for name in read if name not in made and name not in states]
        over_time = [name for name in outside if not self._is_constant(name)]
        for name in outside:
            if self._is_constant(name):
                self._constant(name)
        readers = {name: self._readers(name, circle) for name in (*states, *made)}
        stacks = [name for name, reading in readers.items() if reading]
        scanned = [self.stacked(name) for name in over_time]
        is_last_enough = not any(self._feeds_memory[i] for name in stacks for i in readers[name])
        if len(states) == 1 and states[0] in self._forgets and is_last_enough:
            begin = self.graph.whole(-self._forgets[states[0]])
            end = self.graph.whole(np.iinfo(np.int64).max)
            time = self.graph.whole(0)
            scanned = [self.graph.node("Slice", name, begin, end, time) for name in scanned]
        own = f"circle_{states[0]}."
        inside = {name: own + name for name in (*states, *over_time, *made)}
        body_nodes = [renamed(node, inside) for node in nodes]
        identity = [
            helper.make_node("Identity", [inside[name]], [f"{inside[name]}.said"])
            for name in stacks  # an output of its own, for a state may be asked for too
        ]
        body = helper.make_graph(
            [*body_nodes, *identity],
            own + "body",
            [self._value(inside[name], name) for name in (*states, *over_time)],
            [self._value(inside[f"next_{name}"], name) for name in states]
            + [self._value(f"{inside[name]}.said", name) for name in stacks],
        )
        after = [f"next_{name}" for name in states]
        said = [f"{own}{name}.all" for name in stacks]
        self.graph.nodes.append(
            helper.make_node(
                "Scan",
                [*states, *scanned],
                [*after, *said],
                body=body,
                num_scan_inputs=len(scanned),
            )
        )
        self._written |= {("last", name): name for name in after}
        self._written |= {("stacked", name): all_ for name, all_ in zip(stacks, said, strict=True)}

    def _value(self, name: str, like: str) -> onnx.ValueInfoProto:
        return batch_of(name, self._kinds[like], *self._shapes[like])

    def _readers(self, name: str, circle: list[int]) -> list[int]:
        """Nodes outside the circle that read this value, and not only as the last state."""
        return [
            i
            for i, node in enumerate(self._nodes)
            if i not in circle
            and name in node.input
            and (self._feeds_memory[i] or not name.startswith("next_"))
        ]

    def _is_constant(self, value: str) -> bool:
        """Whether it hangs neither on the token nor on a state."""
        if value in self._states or value == "token":
            return False
        return value not in self._maker or all(
            self._is_constant(name) for name in self._nodes[self._maker[value]].input
        )

    def _is_remembered(self, value: str) -> bool:
        """Whether a state goes round through it, or is it."""
        if value in self._states:
            return not self._passes(value)
        return value in self._maker and self._goes_round[self._maker[value]]

    def _circle_of(self, value: str) -> list[int]:
        i = self._maker_of_next(value) if value in self._states else self._maker[value]
        return np.flatnonzero(self._reaches[i] & self._reaches[:, i]).tolist()

    def _maker_of_next(self, state: str) -> int:
        return self._maker[f"next_{state}"]

    def _passes(self, state: str) -> bool:
        """Whether a state comes out as it went in, as the balance does."""
        node = self._nodes[self._maker_of_next(state)]
        return node.op_type == "Identity" and list(node.input) == [state]

    def _closure(self) -> Bools:
        """Whether node i has a say in node j, of this character or of a later one."""
        size = len(self._nodes)
        reaches = np.zeros((size, size), dtype=np.bool_)
        for j, node in enumerate(self._nodes):
            for name in node.input:
                if name in self._states and not self._passes(name):
                    reaches[self._maker_of_next(name), j] = True
                elif name in self._maker:
                    reaches[self._maker[name], j] = True
        while True:
            further = reaches | (reaches.astype(np.float32) @ reaches > 0)
            if (further == reaches).all():
                return reaches
            reaches = further


def renamed(node: onnx.NodeProto, names: Mapping[str, str]) -> onnx.NodeProto:
    """A copy of a node whose values have other names."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.name = ""
    copy.input[:] = [names.get(name, name) for name in node.input]
    copy.output[:] = [names.get(name, name) for name in node.output]
    return copy


def _all_nodes(nodes: Sequence[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """The nodes, and those of the Scans among them."""
    bodies = [a.g.node for node in nodes for a in node.attribute if a.name == "body"]
    return [*nodes, *(node for body in bodies for node in body)]


def _kinds_and_shapes(step: onnx.ModelProto) -> tuple[dict[str, int], dict[str, tuple[int, ...]]]:
    """Element type, and shape after the batch axis, of every value of the step."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(step)
    del fixed.graph.value_info[:]
    for value in fixed.graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = 2
    for value in fixed.graph.output:
        value.type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(fixed, strict_mode=True).graph
    tensors = {
        value.name: value.type.tensor_type
        for value in (*inferred.input, *inferred.value_info, *inferred.output)
    }
    kinds = {name: tensor.elem_type for name, tensor in tensors.items()}
    return kinds, {
        name: tuple(dim.dim_value for dim in tensor.shape.dim[1:])
        for name, tensor in tensors.items()
    }
