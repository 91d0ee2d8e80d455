"""Do two engines agree? Walk them over the same text and compare every number on the way."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from charmodels.runtime.generation import Array, State, StepModel
from charmodels.runtime.prefill import Prefill
from charmodels.runtime.sampling import Ids, Sampling, pick, uniforms
from charmodels.runtime.vocabulary import BOUNDARY_ID

TOLERANCE = 1e-5
"""Floats agree when |a - b| <= TOLERANCE * max(1, |a|); integers when they are equal.

Scaled, because float32 itself loses that much: an LSTM-128 over 1,000 steps differed by 9.5e-6
between two torch kernels, with cell states up to 39.
"""


_SIDE_BY_SIDE = 256
"""Ids of a vocabulary walked at once: a table of thousands a row would fill the memory."""


@dataclass(frozen=True)
class Difference:
    """The worst disagreement about one output over a whole walk."""

    output: str
    raw: float
    """Largest |a - b|."""
    scaled: float
    """Largest |a - b| / max(1, |a|); infinite for integers that differ, for nan and for shapes."""
    step: int
    """Character at which the scaled difference was largest, counted from 0."""

    @property
    def agrees(self) -> bool:
        """Whether it is within TOLERANCE."""
        return self.scaled <= TOLERANCE


def compare(a: StepModel, b: StepModel, tokens: Ids, *, restart: bool = False) -> list[Difference]:
    """Walk two engines over tokens (steps, batch), each carrying its own states from zero.

    Args:
        a: one engine.
        b: the other.
        tokens: ids (steps, batch).
        restart: begin a row again from zero where its token is the boundary, as names are read.
            Past its end a names model was never trained: its memory may then be chaotic, and
            every rounding error grows.

    Returns:
        The worst difference of the logits and of each state, in order.
    """
    batch = tokens.shape[1]
    state_a, state_b = a.initial_state(batch), b.initial_state(batch)
    worst: dict[str, Difference] = {}
    for step, token in enumerate(tokens):
        if restart:
            begins = token == BOUNDARY_ID
            state_a = _afresh(state_a, a.initial_state(batch), begins)
            state_b = _afresh(state_b, b.initial_state(batch), begins)
        logits_a, state_a = a.step(token, state_a)
        logits_b, state_b = b.step(token, state_b)
        outputs_a, outputs_b = {"logits": logits_a, **state_a}, {"logits": logits_b, **state_b}
        for name in outputs_a.keys() | outputs_b.keys():
            new = _difference(name, outputs_a.get(name), outputs_b.get(name), step)
            old = worst.get(name, new)
            kept = new if new.scaled > old.scaled else old
            worst[name] = Difference(name, max(new.raw, old.raw), kept.scaled, kept.step)
    return sorted(worst.values(), key=lambda difference: list(outputs_a).index(difference.output))


def _afresh(state: State, first: State, begins: npt.NDArray[np.bool_]) -> State:
    """The state, as it was at first in the rows that begin."""
    return {
        name: np.where(begins.reshape(-1, *[1] * (value.ndim - 1)), first[name], value)
        for name, value in state.items()
    }


def _difference(name: str, a: Array | None, b: Array | None, step: int) -> Difference:
    if a is None or b is None or a.shape != b.shape or a.dtype != b.dtype:
        return Difference(name, np.inf, np.inf, step)
    if not np.issubdtype(a.dtype, np.floating):
        gap = 0.0 if np.array_equal(a, b) else np.inf
        return Difference(name, gap, gap, step)
    raw = np.abs(a.astype(np.float64) - b)
    scaled = raw / np.maximum(1.0, np.abs(a))
    if not np.isfinite(scaled).all():
        return Difference(name, np.inf, np.inf, step)
    return Difference(name, float(raw.max()), float(scaled.max()), step)


@dataclass(frozen=True)
class Proof:
    """One line of a parity table."""

    batch: int
    steps: int
    difference: Difference

    def __str__(self) -> str:
        d = self.difference
        verdict = "agrees" if d.agrees else f"DIFFERS at character {d.step}"
        return (
            f"{d.output:<10} batch {self.batch}  {self.steps} steps  worst {d.raw:.1e} raw, "
            f"{d.scaled:.1e} scaled  (tolerance {TOLERANCE:.0e})  {verdict}"
        )


def written_tokens(
    model: StepModel, steps: int, batch: int, seed: int = 0, *, restart: bool = False
) -> Ids:
    """Ids (steps, batch) of texts the model itself writes at temperature 1, one after another.

    Not random ids: on text no model would meet, torch's own float32 strays from float64 by more
    than TOLERANCE, so two right engines would seem to disagree.
    """
    state, token = model.initial_state(batch), np.full(batch, BOUNDARY_ID)
    drawn = uniforms(seed, np.arange(batch), 0, steps)
    tokens = np.empty((steps, batch), dtype=np.int64)
    for step in range(steps):
        tokens[step] = token
        if restart:
            state = _afresh(state, model.initial_state(batch), token == BOUNDARY_ID)
        logits, state = model.step(token, state)
        token = pick(logits, drawn[:, step], Sampling(), may_end=restart)
    return tokens


def prove(
    a: StepModel, b: StepModel, vocab: int, steps: int = 200, *, restart: bool = False
) -> Iterator[Proof]:
    """Compare two engines: every id from the zero state and after another, then carried text.

    The text is `steps` characters at batch 1, 2 and 5; `restart` as in `compare`, for names.
    """
    ids = np.arange(vocab)
    pairs = np.stack([ids, ids[::-1]])
    every_id = [pairs[:, start : start + _SIDE_BY_SIDE] for start in range(0, vocab, _SIDE_BY_SIDE)]
    written = (written_tokens(a, steps, batch, restart=restart) for batch in (1, 2, 5))
    for tokens in itertools.chain(every_id, written):
        for difference in compare(a, b, tokens, restart=restart):
            yield Proof(tokens.shape[1], len(tokens), difference)


_PROMPT = 300
"""Characters of the longest prompt that is tried: more than are read at once."""


def prove_prefill(step: StepModel, prefill: Prefill, *, restart: bool = False) -> Iterator[Proof]:
    """Compare a prompt read at once with as many steps: logits and every state after it.

    Prompts of 1, 9 and 300 characters the model itself writes, five side by side and one alone;
    the longest also from the middle on. With `restart`, for names, each is one name, and the
    longest prompt the longest that five names have in common.
    """
    texts = 64 if restart else 5
    tokens = written_tokens(step, _PROMPT, texts, restart=restart)
    ends = (tokens[1:] == BOUNDARY_ID) & restart
    lengths = np.where(ends.any(axis=0), ends.argmax(axis=0) + 1, len(tokens))
    longest = np.argsort(-lengths, kind="stable")[:5]
    tokens = tokens[: lengths[longest].min(), longest]
    for batch, end in itertools.product((1, 5), sorted({1, min(9, len(tokens)), len(tokens)})):
        state = step.initial_state(batch)
        for start in (0, end // 2) if end == len(tokens) > 1 else (0,):
            prompt = tokens[start:end, :batch]
            if start:
                for token in tokens[:start, :batch]:
                    _, state = step.step(token, state)
            read, after = prefill.read(prompt.T, state)
            stepped = state
            for token in prompt:
                logits, stepped = step.step(token, stepped)
            at_once, by_steps = {"logits": read, **after}, {"logits": logits, **stepped}
            for name, value in by_steps.items():
                yield Proof(batch, len(prompt), _difference(name, value, at_once.get(name), 0))
