"""onnxruntime behind `StepModel`: one step graph, its states named in its own inputs.

Inputs: `token` int64 (batch,), then the states. Outputs: `logits` (batch, vocab), then one
`next_<state>` for each state, in the same order.
"""

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import numpy as np
import onnxruntime as ort

from charmodels.runtime.errors import BundleError, SettingError, VocabularyError
from charmodels.runtime.generation import Array, State
from charmodels.runtime.plain_rnn import PlainRNN, PlainRNNWalker
from charmodels.runtime.prefill import PREFILL_FROM, Prefill, stopped
from charmodels.runtime.sampling import Ids, Logits

DTYPES: dict[str, np.dtype[np.float32] | np.dtype[np.int64]] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(int64)": np.dtype(np.int64),
}
"""The element types a state may have, as onnxruntime names them."""

MAX_STATE_WIDTH = 1 << 20
"""Elements of one state of one text at most: a hostile graph must not make us allocate more."""


def open_session(path: Path, threads: int = 1) -> ort.InferenceSession:
    """Open a graph for the CPU; one thread, no spinning, so that many visitors share the machine.

    Raises:
        BundleError: onnxruntime refuses the file.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors reach us as exceptions
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base but Exception
        reason = str(error).splitlines()[0][:200]
        raise BundleError(f"{path}: onnxruntime cannot open it: {reason}") from error


class OnnxStep:
    """A step graph opened in onnxruntime, and the prompt graph beside it where there is one.

    With `rnn`, the graph's own weights, single texts walk in numpy.

    Raises:
        BundleError: a graph's inputs and outputs are not those of a step, or of its prompt graph.
    """

    def __init__(
        self,
        session: ort.InferenceSession,
        prefill: ort.InferenceSession | None = None,
        rnn: PlainRNN | None = None,
    ) -> None:
        self._session, self._rnn = session, rnn
        inputs, outputs = session.get_inputs(), session.get_outputs()
        names = [value.name for value in inputs]
        if names[:1] != ["token"] or inputs[0].type != "tensor(int64)":
            raise BundleError(f"step graph: first input is {names[:1]}; expected token, int64")
        expected = ["logits", *(f"next_{name}" for name in names[1:])]
        if [value.name for value in outputs] != expected:
            found = ", ".join(value.name for value in outputs)
            raise BundleError(f"step graph: outputs are {found}; expected {', '.join(expected)}")
        self.vocab = _fixed(outputs[0].shape, "logits")[0]
        self.shapes: dict[str, tuple[int, ...]] = {}
        """Shape of each state without its batch axis, in the graph's order."""
        self.dtypes: dict[str, np.dtype[np.float32] | np.dtype[np.int64]] = {}
        for value in inputs[1:]:
            if value.type not in DTYPES:
                raise BundleError(f"step graph: state {value.name} is {value.type}; expected float")
            self.shapes[value.name] = _fixed(value.shape, value.name)
            self.dtypes[value.name] = DTYPES[value.type]
        self._outputs = expected
        self.prefill = Prefill(prefill, session) if prefill else None
        """Reads long prompts at once; its walkers use it by themselves."""

    def initial_state(self, batch: int = 1) -> State:
        """Zeros: the state before the first character of `batch` texts."""
        return {
            name: np.zeros((batch, *shape), dtype=self.dtypes[name])
            for name, shape in self.shapes.items()
        }

    def step(self, tokens: Ids, state: State) -> tuple[Logits, State]:
        """Read tokens (batch,), return logits (batch, vocab) and a new state.

        Raises:
            VocabularyError: an id is outside the vocabulary (onnxruntime would accept -1).
            SettingError: token and state disagree about the batch or the states' names.
            BundleError: the graph stops over them, which no graph of ours does.
        """
        self._check(tokens, state)
        try:
            logits, *states = self._session.run(self._outputs, {"token": tokens, **state})
        except Exception as error:  # onnxruntime's exceptions share no base but Exception
            raise stopped(error) from error
        return logits, dict(zip(self.shapes, states, strict=True))

    def walk(self, state: State) -> "OnnxWalker | PlainRNNWalker":
        """A walker that steps without copying: about a quarter quicker at batch 1."""
        batch = len(next(iter(state.values()))) if state else 1
        self._check(np.zeros(batch, dtype=np.int64), state)
        if self._rnn and batch == 1:
            return PlainRNNWalker(self._rnn, state, self.prefill)
        return OnnxWalker(self._session, state, batch, self.vocab, self.prefill)

    def _check(self, tokens: Ids, state: State) -> None:
        if tokens.ndim != 1 or tokens.dtype != np.int64:
            raise SettingError(f"tokens are {tokens.dtype} {tokens.shape}; expected int64 (batch,)")
        if not len(tokens):
            raise SettingError("tokens of 0 texts; expected at least 1")
        if not (tokens.min() >= 0 and tokens.max() < self.vocab):
            raise VocabularyError(f"token ids {tokens.tolist()}; expected 0 to {self.vocab - 1}")
        if state.keys() != self.shapes.keys():
            raise SettingError(f"states are {list(state)}; expected {list(self.shapes)}")
        for name, value in state.items():
            if value.shape != (len(tokens), *self.shapes[name]):
                wanted = (len(tokens), *self.shapes[name])
                raise SettingError(f"state {name} has shape {value.shape}; expected {wanted}")
            if value.dtype != self.dtypes[name]:
                wanted_type = self.dtypes[name]
                raise SettingError(f"state {name} is {value.dtype}; expected {wanted_type}")


class OnnxWalker:
    """Two sets of state buffers, bound once, read and written in turn.

    A state's output is never bound onto its own input: onnxruntime may write the one before it has
    read the other, and then the text is silently wrong.
    """

    def __init__(
        self,
        session: ort.InferenceSession,
        state: State,
        batch: int,
        vocab: int,
        prefill: Prefill | None = None,
    ) -> None:
        self._run, self._prefill = session.run_with_iobinding, prefill
        self._token = np.zeros(batch, dtype=np.int64)
        self._logits = np.zeros((batch, vocab), dtype=np.float32)
        self._now: dict[str, Array] = {name: np.array(v, order="C") for name, v in state.items()}
        self._next: dict[str, Array] = {name: np.empty_like(v) for name, v in self._now.items()}
        self._turns = self._bindings(session, self._now, self._next)

    def _bindings(
        self, session: ort.InferenceSession, now: dict[str, Array], after: dict[str, Array]
    ) -> Iterator[ort.IOBinding]:
        """The two in turn, each made at its first: a prompt read at once needs neither."""
        yield (here := self._bind(session, now, after))
        yield (there := self._bind(session, after, now))
        yield from cycle((here, there))

    def _bind(
        self, session: ort.InferenceSession, now: dict[str, Array], after: dict[str, Array]
    ) -> ort.IOBinding:
        """Bind our own arrays by address; they live as long as this walker does."""
        binding = session.io_binding()
        inputs = {"token": self._token, **now}
        outputs = {"logits": self._logits, **{f"next_{name}": v for name, v in after.items()}}
        for name, v in inputs.items():
            binding.bind_input(name, "cpu", 0, v.dtype.type, v.shape, v.ctypes.data)
        for name, v in outputs.items():
            binding.bind_output(name, "cpu", 0, v.dtype.type, v.shape, v.ctypes.data)
        return binding

    def advance(self, tokens: Ids) -> Logits:
        """Read tokens (batch,); the logits are overwritten by the next call."""
        self._token[:] = tokens
        try:
            self._run(next(self._turns))
        except Exception as error:
            raise stopped(error) from error
        self._now, self._next = self._next, self._now
        return self._logits

    def read(self, tokens: Ids) -> Logits:
        """Read tokens (time,) one after another, or at once where that pays; batch 1."""
        if self._prefill is None or len(tokens) < PREFILL_FROM:
            for token in tokens:
                self.advance(token)
        else:
            self._logits[:], after = self._prefill.read(tokens[None], self._now)
            for name, value in after.items():
                self._now[name][:] = value
        return self._logits

    def restart(self, places: Ids, state: State) -> None:
        """Go on from `state`, of one text, at some places (any,) of the batch."""
        for name, value in self._now.items():
            value[places] = state[name]

    def state(self) -> State:
        """A copy of the state after the tokens read so far."""
        return {name: value.copy() for name, value in self._now.items()}


def _fixed(shape: list[int | str | None], name: str) -> tuple[int, ...]:
    """The shape after a symbolic batch axis."""
    batch, *rest = shape or [None]
    if not isinstance(batch, str) or not rest:
        raise BundleError(f"step graph: {name} has shape {shape}; expected a symbolic batch first")
    if any(not isinstance(n, int) or n < 1 for n in rest):
        raise BundleError(f"step graph: {name} has shape {shape}; expected fixed sizes after batch")
    fixed = tuple(int(n) for n in rest if n is not None)
    if np.prod([float(n) for n in fixed]) > MAX_STATE_WIDTH:
        raise BundleError(f"step graph: {name} has shape {shape}; expected <= {MAX_STATE_WIDTH:,}")
    return fixed
