"""A prompt read at once: the optional graph of a bundle that ends where the steps would have.

Inputs: `tokens` int64 (batch, time), then the states. Outputs: `logits` (batch, vocab) after the
last character, then `next_<state>` in the same order.
"""

from collections.abc import Mapping

import numpy as np
import onnxruntime as ort

from charmodels.runtime.errors import BundleError
from charmodels.runtime.generation import State
from charmodels.runtime.sampling import Ids, Logits

PREFILL_FROM = 6
"""Ids, the one before the prompt counted, from which on one call is quicker than as
many steps. Twenty models of hidden 128, each recurrence alone and in two blocks, crossed over
between the second id and the fourth; at the sixth all were at least 1.2 times as quick."""

PREFILL_AT_ONCE = 256
"""Characters read by one call at most, so that its memory is bounded whatever the prompt."""


class Prefill:
    """A prompt graph opened in onnxruntime; what it is given was checked by the step's walker.

    Raises:
        BundleError: its inputs and outputs are not those of the step beside it.
    """

    def __init__(self, session: ort.InferenceSession, step: ort.InferenceSession) -> None:
        self._session = session
        _, *states = _signature(step.get_inputs())
        found = _signature(session.get_inputs()), _signature(session.get_outputs())
        tokens = ("tokens", "tensor(int64)", (None, None))
        wanted = [tokens, *states], _signature(step.get_outputs())
        if found != wanted:
            raise BundleError(f"prefill graph: its values are {found}; the step's ask for {wanted}")
        self._names = [name for name, _, _ in states]

    def read(self, tokens: Ids, state: State) -> tuple[Logits, State]:
        """Read tokens (batch, time), time at least 1: logits (batch, vocab) and the state after."""
        given: Mapping[str, object] = state
        for start in range(0, tokens.shape[1], PREFILL_AT_ONCE):
            piece = np.ascontiguousarray(tokens[:, start : start + PREFILL_AT_ONCE])
            try:
                logits, *states = self._session.run(None, {"tokens": piece, **given})
            except Exception as error:  # onnxruntime's exceptions share no base but Exception
                raise stopped(error) from error
            given = dict(zip(self._names, states, strict=True))
        return logits, dict(zip(self._names, states, strict=True))


def stopped(error: Exception) -> BundleError:
    """What to say when onnxruntime gives up in the middle of a graph.

    One that passed its check may still look up what is not in its tables.
    """
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return BundleError(f"onnxruntime cannot run the graph: {reason}; export the run again")


def _signature(values: list[ort.NodeArg]) -> list[tuple[str, str, tuple[int | None, ...]]]:
    """Name, type and shape of graph inputs or outputs; None is a symbolic axis."""
    return [
        (v.name, v.type, tuple(n if isinstance(n, int) else None for n in v.shape)) for v in values
    ]
