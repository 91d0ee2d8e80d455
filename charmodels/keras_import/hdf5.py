"""HDF5 files from strangers: only plain arrays of floats, in the file itself, are read.

Keras keeps weights in two ways, and each may come with a configuration or without:

    legacy    GROUP/<layer name>/.../kernel      Keras 2, and .h5 files of Keras 3
    Keras 3   layers/<class>_<count>/vars/0      .keras and .weights.h5
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from charmodels.keras_import.containers import MAX_BYTES, to_float32
from charmodels.keras_import.weights import RECURRENT, ROLES, WHOLE, Array, KerasLayer
from charmodels.runtime.errors import RunError

if TYPE_CHECKING:
    import h5py

MAX_MEMBERS = 256
"""Of a group: layers of a model, variables of a layer."""
MAX_DEPTH = 8
"""Of groups inside a legacy layer's group."""

KERAS_3 = {
    "embedding": ("Embedding", ""),
    "simple_rnn": ("SimpleRNN", "/cell"),
    "gru": ("GRU", "/cell"),
    "lstm": ("LSTM", "/cell"),
    "dense": ("Dense", ""),
    "time_distributed": ("Dense", "/layer"),
}
"""From Keras 3's group names to the class, and where inside the group its weights are."""
_WITHOUT_WEIGHTS = ("input_layer", "dropout", "spatial_dropout1d", "activation", "softmax")


class WeightStore(Protocol):
    """The weights of a file, layer by layer."""

    def arrays(self, layer: KerasLayer) -> Mapping[str, Array]:
        """A layer's arrays by role, in the order of ROLES."""

    def layers(self) -> list[KerasLayer]:
        """The layers that have weights, in order, as far as the weights alone can tell."""


class Keras3Store:
    """Weights under `layers/`, the variables of a layer numbered in the order of ROLES."""

    def __init__(self, group: "h5py.Group") -> None:
        self._group = group

    def arrays(self, layer: KerasLayer) -> Mapping[str, Array]:
        """See WeightStore."""
        variables = child(self._group, f"{layer.place}/vars")
        names, roles = members(variables), ROLES[layer.class_name]
        if sorted(names) != [str(index) for index in range(len(names))] or len(names) > len(roles):
            raise RunError(
                f"layer {layer.name!r} has variables {', '.join(names[:6])}; "
                f"expected {', '.join(roles)}, numbered from 0"
            )
        return {role: read_floats(variables, str(i)) for i, role in enumerate(roles[: len(names)])}

    def layers(self) -> list[KerasLayer]:
        """See WeightStore: embeddings, then recurrent layers as they are counted, then the head."""
        found = []
        for name in members(self._group):
            base, count = _counted(name)
            if base in _WITHOUT_WEIGHTS:
                continue
            if base not in KERAS_3:
                raise RunError(
                    f"it has a layer {name!r}; expected embedding, simple_rnn, gru, lstm, dense"
                )
            class_name, inside = KERAS_3[base]
            stage = 0 if class_name == "Embedding" else 1 if class_name in RECURRENT else 2
            found.append((stage, base, count, KerasLayer(name, class_name, name + inside)))
        return [layer for *_, layer in sorted(found, key=lambda entry: entry[:3])]


class LegacyStore:
    """Weights under a group a layer, named by what they do."""

    def __init__(self, group: "h5py.Group") -> None:
        self._group = group

    def arrays(self, layer: KerasLayer) -> Mapping[str, Array]:
        """See WeightStore."""
        found = self._datasets(layer.name)
        roles = [role for role in ROLES[layer.class_name] if role in found]
        return {role: read_floats(*found[role]) for role in roles}

    def layers(self) -> list[KerasLayer]:
        """See WeightStore: the order stands in an attribute."""
        found = []
        for name in strings(self._group, "layer_names"):
            datasets = self._datasets(name)
            if datasets:  # others, such as Dropout, have no weights
                found.append(KerasLayer(name, _class_of(name, datasets), name))
        return found

    def _datasets(self, name: str) -> dict[str, tuple["h5py.Group", str]]:
        """The group and name of each dataset of a layer, by role."""
        found: dict[str, tuple[h5py.Group, str]] = {}
        for group, key in _walk(child(self._group, name)):
            role = key.removesuffix(":0")
            if role in found:
                raise RunError(f"layer {name!r} has {role} twice; {WHOLE}")
            found[role] = group, key
        return found


def _class_of(name: str, datasets: Mapping[str, tuple["h5py.Group", str]]) -> str:
    """What has such weights; a recurrent layer by how many gates it has."""
    if set(datasets) == {"embeddings"}:
        return "Embedding"
    if set(datasets) in ({"kernel"}, {"kernel", "bias"}):
        return "Dense"
    if "recurrent_kernel" in datasets:
        group, key = datasets["recurrent_kernel"]
        shape: tuple[int, ...] = group[key].shape or ()
        for gates, class_name in ((1, "SimpleRNN"), (3, "GRU"), (4, "LSTM")):
            if len(shape) == 2 and shape[1] == gates * shape[0]:
                return class_name
    raise RunError(
        f"layer {name!r} has weights {', '.join(sorted(datasets)[:6])}; expected those of an "
        "Embedding, SimpleRNN, GRU, LSTM or Dense layer"
    )


def _counted(name: str) -> tuple[str, int]:
    """`lstm_2` is the third `lstm`."""
    base, _, count = name.rpartition("_")
    is_count = count.isascii() and count.isdigit() and len(count) < 6
    return (base, int(count)) if base and is_count else (name, 0)


def members(group: "h5py.Group") -> list[str]:
    """The names in a group.

    Raises:
        RunError: more than MAX_MEMBERS.
    """
    if len(group) > MAX_MEMBERS:
        raise RunError(f"{group.name} has {len(group):,} members; expected at most {MAX_MEMBERS}")
    return list(group)


def child(group: "h5py.Group", path: str) -> "h5py.Group":
    """The group at `path`, reached by plain links only.

    Raises:
        RunError: it is missing, or a link leads elsewhere.
    """
    import h5py

    for name in path.split("/"):
        found = _linked(group, name)
        if not isinstance(found, h5py.Group):
            raise RunError(f"{group.name}/{name}: expected a group")
        group = found
    return group


def _linked(group: "h5py.Group", name: str) -> Any:
    """What `name` is in `group` itself: never what a soft or external link would lead to."""
    import h5py

    link = group.get(name, getlink=True) if name else None
    if link is None:
        raise RunError(f"{group.name} has no {name!r} in it; save the model again")
    if not isinstance(link, h5py.HardLink):
        raise RunError(
            f"{group.name}/{name} is a link to somewhere else; expected weights in the file itself"
        )
    return group[name]


def _walk(group: "h5py.Group", depth: int = 0) -> Iterator[tuple["h5py.Group", str]]:
    """Every dataset below a group, as its group and name."""
    import h5py

    if depth > MAX_DEPTH:
        raise RunError(f"{group.name}: groups within groups; expected at most {MAX_DEPTH} deep")
    for name in members(group):
        found = _linked(group, name)
        if isinstance(found, h5py.Group):
            yield from _walk(found, depth + 1)
        else:
            yield group, name


def read_floats(group: "h5py.Group", name: str) -> Array:
    """A dataset as float32; its size is checked before memory is taken.

    Raises:
        RunError: it is no plain array of floats that stands whole in this file.
    """
    import h5py

    found = _linked(group, name)
    where = f"{group.name}/{name}"
    if not isinstance(found, h5py.Dataset) or found.shape is None:
        raise RunError(f"{where}: expected an array of floats")
    if found.dtype.kind != "f" or found.dtype.itemsize > 8:
        raise RunError(f"{where} holds {found.dtype}; expected floats")
    is_plain = found.chunks is None and not found.is_virtual and not found.external
    if not is_plain or found.id.get_storage_size() != found.nbytes or found.nbytes > MAX_BYTES:
        raise RunError(
            f"{where}, of shape {found.shape}, does not stand whole and unpacked in this file, as "
            "Keras writes it; save the model again"
        )
    return to_float32(found[()])


def strings(group: "h5py.Group", name: str) -> list[str]:
    """A list of names in an attribute.

    Raises:
        RunError: it is missing, too long, or holds anything else.
    """
    if name not in group.attrs:
        raise RunError(f"attribute {name} is missing; {WHOLE}")
    shape = group.attrs.get_id(name).shape
    if len(shape) != 1 or shape[0] > MAX_MEMBERS:
        raise RunError(f"attribute {name} has shape {shape}; expected a short list of names")
    return [_text(each) for each in group.attrs[name]]


def string(group: "h5py.Group", name: str) -> str | None:
    """A text in an attribute; None when there is no such attribute."""
    return _text(group.attrs[name]) if name in group.attrs else None


def _text(value: object) -> str:
    if isinstance(value, bytes):  # so Keras 2 wrote it
        return value.decode("utf-8")
    if not isinstance(value, str):
        raise RunError(f"an attribute holds {value!r:.60}; expected text")
    return value
