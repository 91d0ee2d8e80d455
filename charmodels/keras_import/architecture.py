"""The configuration Keras wrote beside the weights: understood, or refused by layer and reason.

Nothing of it is run or built. Of each layer only its class and the settings that change what is
computed are read; what only matters in training (initializers, regularizers, dropout) is not.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from charmodels.keras_import.hdf5 import KERAS_3
from charmodels.keras_import.weights import RECURRENT, ROLES, KerasLayer
from charmodels.runtime.errors import RunError

_READ_THROUGH = ("InputLayer", "Dropout", "SpatialDropout1D")
"""Layers that change nothing once a model is trained."""

_EXPECTED: dict[str, dict[str, Any]] = {
    "Embedding": {"mask_zero": False},
    "SimpleRNN": {"activation": "tanh", "go_backwards": False},
    "GRU": {"activation": "tanh", "recurrent_activation": "sigmoid", "go_backwards": False},
    "LSTM": {"activation": "tanh", "recurrent_activation": "sigmoid", "go_backwards": False},
}
"""Settings with one value that is understood; a switch that is not mentioned is off."""

_REASONS = {
    "Lambda": "it is code, and code from a file is never run",
    "Bidirectional": "it reads the text to come, so it cannot write",
    "Masking": "characters that are skipped have no counterpart here",
    "Functional": "it is a model inside the model",
    "Sequential": "it is a model inside the model",
    "RNN": "only SimpleRNN, GRU and LSTM layers are known, no cells of their own",
}

_UNDERSTOOD = (
    "Embedding (or one-hot input), SimpleRNN, GRU or LSTM, Dropout, Dense and a softmax; if only "
    "the other layers matter, give np.savez(file, *model.get_weights())"
)

MAX_LAYERS = 256


@dataclass(frozen=True)
class _Node:
    """A layer as the configuration has it."""

    name: str
    class_name: str
    settings: Mapping[str, Any]
    place: str
    sources: tuple[tuple[str, int], ...]
    """The layers it reads, and which of their outputs."""


@dataclass(frozen=True)
class Architecture:
    """The layers that have weights, first to last, and what is worth saying."""

    layers: tuple[KerasLayer, ...]
    notes: tuple[str, ...]


def read_architecture(config: object) -> Architecture:
    """Understand the configuration of a whole model.

    Raises:
        RunError: it has a layer, a setting or a way through its layers that is not understood.
    """
    model = _object(config, "the configuration")
    class_name, inside = model.get("class_name"), model.get("config")
    if isinstance(inside, list):  # a Sequential model of the first Keras 2
        inside = {"layers": inside}
    inside = _object(inside, "the configuration's config")
    _refuse_custom(model, "the model")
    entries = inside.get("layers")
    if not isinstance(entries, list) or not 0 < len(entries) <= MAX_LAYERS:
        raise RunError(f"the configuration holds no list of 1 to {MAX_LAYERS} layers")
    if class_name == "Sequential":
        return Architecture(tuple(_with_weights(_nodes(entries, with_sources=False))), ())
    if class_name in ("Functional", "Model"):
        nodes = _nodes(entries, with_sources=True)
        chain = _chain(nodes, inside.get("output_layers"))
        inputs = [node for node in nodes if node.class_name == "InputLayer"]
        notes = ("memory begins at zero, not with what the model's other inputs were given",)
        return Architecture(tuple(_with_weights(chain)), notes if len(inputs) > 1 else ())
    raise RunError(
        f"the model is a {class_name!r:.60}; expected a Sequential or functional one (a class of "
        "your own is code): give np.savez(file, *model.get_weights())"
    )


def _object(found: object, what: str) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise RunError(f"{what} is {found!r:.60}; expected an object")
    return found


def _refuse_custom(entry: Mapping[str, Any], what: str) -> None:
    """Objects of the student's own: a name like Keras's would not make them so."""
    registered, module = entry.get("registered_name"), entry.get("module")
    is_keras = module is None or (isinstance(module, str) and module.split(".")[0] == "keras")
    if registered not in (None, entry.get("class_name")) or not is_keras:
        raise RunError(
            f"{what} is a custom {registered or entry.get('class_name')!r:.60}, which is code; "
            f"expected {_UNDERSTOOD}"
        )


def _nodes(entries: Sequence[object], *, with_sources: bool) -> list[_Node]:
    counts: dict[str, int] = {}
    nodes = []
    for entry in entries:
        layer = _object(entry, "a layer")
        settings = _object(layer.get("config"), "a layer's config")
        class_name = layer.get("class_name")
        name = layer.get("name", settings.get("name"))
        if not isinstance(name, str) or not isinstance(class_name, str):
            raise RunError(f"a layer is {name!r:.60} of class {class_name!r:.60}; expected texts")
        _refuse_custom(layer, f"layer {name!r:.60}")
        count = counts[class_name] = counts.get(class_name, -1) + 1
        place = _place(class_name, count)
        if class_name == "TimeDistributed":  # the same layer at every character, as here anyway
            inner = _object(settings.get("layer"), f"layer {name!r:.60}: its layer")
            _refuse_custom(inner, f"layer {name!r:.60}")
            class_name = inner.get("class_name")
            if class_name != "Dense":
                raise RunError(f"layer {name!r:.60} is TimeDistributed; expected a Dense inside")
            settings = _object(inner.get("config"), f"layer {name!r:.60}: its layer's config")
        sources = tuple(_sources(layer, name)) if with_sources else ()
        nodes.append(_Node(name, class_name, settings, place, sources))
    if len({node.name for node in nodes}) < len(nodes):
        raise RunError("two layers have one name")
    return nodes


def _place(class_name: str, count: int) -> str:
    """Where Keras 3 keeps the weights of the layer that is number `count` of its class."""
    groups = {"SimpleRNN": "simple_rnn", "TimeDistributed": "time_distributed"}
    group = groups.get(class_name, class_name.lower())
    inside = KERAS_3.get(group, ("", ""))[1]
    return f"{group}_{count}{inside}" if count else f"{group}{inside}"


def _sources(layer: Mapping[str, Any], name: str) -> Iterator[tuple[str, int]]:
    calls = layer.get("inbound_nodes")
    if not isinstance(calls, list):
        raise RunError(f"layer {name!r:.60}: inbound_nodes is no list")
    if len(calls) > 1:
        raise RunError(f"layer {name!r:.60} is used {len(calls)} times; expected once")
    return _tensors(calls)


def _tensors(value: object) -> Iterator[tuple[str, int]]:
    """Layer and output number of every tensor that a call mentions, its arguments first.

    Keras 3 writes {"class_name": "__keras_tensor__", "config": {"keras_history": [name, node,
    output]}}; Keras 2 writes [name, node, output] or [name, node, output, arguments].
    """
    if isinstance(value, dict):
        history = value.get("config")
        if value.get("class_name") == "__keras_tensor__" and isinstance(history, dict):
            yield from _tensors(history.get("keras_history"))
            return
        for key, item in value.items():
            found = list(_tensors(item))
            if found and key == "mask":
                raise RunError("a layer is given a mask; characters that are skipped are not read")
            yield from found
    elif isinstance(value, list):
        match value:
            case [str(name), int(), int(output)]:
                yield name, output
            case [str(name), int(), int(output), dict(arguments)]:
                yield name, output
                yield from _tensors(arguments)
            case _:
                for item in value:
                    yield from _tensors(item)


def _chain(nodes: Sequence[_Node], outputs: object) -> list[_Node]:
    """The one way from input to scores; memories may come in and go out beside it."""
    by_name = {node.name: node for node in nodes}
    given = {name: _node(by_name, name) for name, _ in _tensors(outputs)}
    ends = [node for node in given.values() if node.class_name not in RECURRENT]
    if len(ends) != 1:
        raise RunError(
            f"the model gives {len(ends)} outputs besides memories; expected one, the scores"
        )
    chain = ends
    while chain[-1].sources:
        here = chain[-1]
        (name, output), *memories = here.sources
        source = _node(by_name, name)
        if output > (1 if source.class_name in RECURRENT else 0):
            raise RunError(f"layer {here.name!r} reads output {output} of {name!r}; expected its h")
        for memory, _ in memories:
            is_input = _node(by_name, memory).class_name == "InputLayer"
            if here.class_name not in RECURRENT or not is_input:
                raise RunError(f"layer {here.name!r} also reads {memory!r}; expected one input")
        if source in chain:
            raise RunError(f"layer {name!r} reads what it says itself")
        chain.append(source)
    if chain[-1].class_name != "InputLayer":
        raise RunError(f"layer {chain[-1].name!r} reads nothing; expected an input before it")
    for node in nodes:
        if node not in chain and node.class_name not in _READ_THROUGH:
            raise RunError(f"layer {node.name!r} is not on the way from the input to the scores")
    return chain[::-1]


def _node(by_name: Mapping[str, _Node], name: str) -> _Node:
    if name not in by_name:
        raise RunError(f"a layer {name!r:.60} is read, but not there")
    return by_name[name]


def _with_weights(chain: Sequence[_Node]) -> Iterator[KerasLayer]:
    """The layers with weights, every layer's settings checked on the way."""
    softmaxes, has_head = 0, False
    for node in chain:
        if node.class_name in _READ_THROUGH:
            continue
        if node.class_name in ("Activation", "Softmax"):
            softmaxes += _is_softmax(node)
            if not has_head and _is_softmax(node):
                raise RunError(f"layer {node.name!r} is a softmax; expected one only at the end")
        elif node.class_name in ROLES:
            if node.class_name == "Dense":
                has_head = True
                softmaxes += _is_softmax(node)
            yield _layer(node)
        else:
            reason = _REASONS.get(node.class_name, "it is not known here")
            raise RunError(
                f"layer {node.name!r:.60} is a {node.class_name:.60}: {reason}; "
                f"expected {_UNDERSTOOD}"
            )
    if softmaxes > 1:
        raise RunError("the scores go through softmax twice; expected once, or not at all")


def _is_softmax(node: _Node) -> bool:
    if node.class_name == "Softmax":
        if node.settings.get("axis", -1) != -1:
            raise RunError(f"layer {node.name!r}: axis is not -1, the characters")
        return True
    activation = node.settings.get("activation")
    if activation not in ("softmax", "linear"):
        raise RunError(
            f"layer {node.name!r} ({node.class_name}): activation is {activation!r:.60}; "
            "expected softmax or linear"
        )
    return bool(activation == "softmax")


def _layer(node: _Node) -> KerasLayer:
    for key, expected in _EXPECTED.get(node.class_name, {}).items():
        found = node.settings.get(key, False if expected is False else None)
        if found != expected:
            raise RunError(
                f"layer {node.name!r} ({node.class_name}): {key} is {found!r:.60}; "
                f"expected {str(expected).lower() if expected is False else expected}"
            )
    switches = ["use_bias"] if node.class_name != "Embedding" else []
    switches += ["reset_after"] if node.class_name == "GRU" else []
    for switch in switches:
        if not isinstance(node.settings.get(switch), bool):
            raise RunError(
                f"layer {node.name!r} ({node.class_name}): {switch} is "
                f"{node.settings.get(switch)!r:.60}; expected true or false"
            )
    width = node.settings.get("output_dim" if node.class_name == "Embedding" else "units")
    if not isinstance(width, int) or isinstance(width, bool):
        raise RunError(f"layer {node.name!r}: its width is {width!r:.60}; expected a whole number")
    return KerasLayer(
        name=node.name,
        class_name=node.class_name,
        place=node.place,
        use_bias=node.settings.get("use_bias"),
        reset_after=node.settings.get("reset_after"),
        width=width,
    )
