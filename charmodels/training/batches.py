"""Corpus to tensors: which characters a training step reads. A pure function of (seed, step).

Because nothing is remembered between steps, a killed run finds its place again from the step's
number alone. The whole corpus is one integer tensor on the device; there is no loader.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from charmodels.models.base import IGNORE
from charmodels.runtime.vocabulary import BOUNDARY_ID, Ids

_POOL = 32
"""Batches whose records are sorted by length together: little padding, still a good shuffle."""


@dataclass(frozen=True)
class Batch:
    """One training step's characters.

    `targets` are `inputs` moved by one; `fresh` (batch,) tells which rows start from the zero
    state, the others carry on where the batch before left them.
    """

    inputs: Tensor
    """(batch, time) int64"""
    targets: Tensor
    """(batch, time) int64, IGNORE where there is padding"""
    fresh: Tensor
    """(batch,) bool"""
    chars: int
    """Targets that are not padding."""
    share: float = 1.0
    """`chars` over those of an average batch. A batch's mean loss is multiplied by it, so that
    every character of the corpus weighs the same: without it, bucketing by length would favour
    the characters of short names, and the model would end its names too early."""


class Batches(Protocol):
    """Training batches by number."""

    chars_per_epoch: int
    steps_per_epoch: int

    def batch(self, step: int) -> Batch:
        """The batch of training step `step`, counted from 0."""
        ...


class NameBatches:
    """Whole records, padded, bucketed by length; every record once an epoch, or by its weight.

    Args:
        records: ids of each name, without boundaries.
        chances: (records,) summing to 1, to draw with replacement; None for each once.
        batch_size: records a step.
        seed: of the order.
        device: where the tensors live.
    """

    def __init__(
        self,
        records: Sequence[Ids],
        chances: npt.NDArray[np.float64] | None,
        batch_size: int,
        seed: int,
        device: torch.device,
    ) -> None:
        lengths = np.array([len(record) for record in records])
        self._lengths, self._chances, self._seed = lengths, chances, seed
        self._batch_size = min(batch_size, len(records))
        self.steps_per_epoch = -(-len(records) // self._batch_size)
        self.chars_per_epoch = int(lengths.sum() + len(records))  # end marks included
        end = np.array([BOUNDARY_ID])
        flat = np.concatenate([part for record in records for part in (end, record)] + [end])
        self._flat = torch.from_numpy(flat).to(device)  # boundary, record, boundary, record, ...
        starts = np.concatenate([[0], np.cumsum(lengths + 1)[:-1]])
        self._starts = torch.from_numpy(starts).to(device)
        self._sizes = torch.from_numpy(lengths + 1).to(device)
        self._epoch, self._plan = -1, [np.empty(0, dtype=np.int64)]

    def batch(self, step: int) -> Batch:
        """Records of equal length as far as possible; every row is fresh."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._plan = epoch, self._plan_epoch(epoch)
        chosen = torch.from_numpy(self._plan[place]).to(self._flat.device)
        sizes = self._sizes[chosen]
        time = torch.arange(int(self._lengths[self._plan[place]].max()) + 1, device=sizes.device)
        index = (self._starts[chosen, None] + time).clamp(max=len(self._flat) - 2)  # (batch, time)
        real = time < sizes[:, None]
        targets = torch.where(real, self._flat[index + 1], IGNORE)
        fresh = torch.ones(len(chosen), dtype=torch.bool, device=sizes.device)
        chars = int(self._lengths[self._plan[place]].sum()) + len(chosen)
        share = chars * self.steps_per_epoch / self.chars_per_epoch
        return Batch(self._flat[index] * real, targets, fresh, chars, share)

    def _plan_epoch(self, epoch: int) -> list[Ids]:
        """Which records stand in each batch of an epoch."""
        rng = np.random.default_rng([self._seed, epoch])
        count = len(self._lengths)
        if self._chances is None:
            order = rng.permutation(count)
        else:
            order = rng.choice(count, size=count, p=self._chances)
        pool = _POOL * self._batch_size
        batches: list[Ids] = []
        for start in range(0, count, pool):
            some = order[start : start + pool]
            some = some[np.argsort(self._lengths[some], kind="stable")]
            batches += [
                some[i : i + self._batch_size] for i in range(0, len(some), self._batch_size)
            ]
        return [batches[i] for i in rng.permutation(len(batches))]


class NameStream:
    """All names in one long stream, a boundary between them, read a window at a time.

    As the notebook read its file, but in a new order each epoch, so that the order teaches nothing.
    The state is carried from window to window, also across names.

    Args:
        records: ids of each name, without boundaries.
        window: characters a step reads.
        seed: of the order.
    """

    def __init__(self, records: Sequence[Ids], window: int, seed: int) -> None:
        self._records, self._seed = records, seed
        self.chars_per_epoch = sum(len(record) + 1 for record in records)
        self._window = min(window, self.chars_per_epoch)
        self.steps_per_epoch = -(-self.chars_per_epoch // self._window)
        self._epoch, self._stream = -1, torch.empty(0, dtype=torch.int64)

    def batch(self, step: int) -> Batch:
        """The next window; an epoch's last one is shorter, its first starts from the zero state."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._stream = epoch, self._one_epoch(epoch)
        start = place * self._window
        chars = self._stream[start : start + self._window + 1]
        inputs, targets = chars[None, :-1], chars[None, 1:]  # (1, time)
        return Batch(inputs, targets, torch.tensor([place == 0]), targets.numel())

    def _one_epoch(self, epoch: int) -> Tensor:
        order = np.random.default_rng([self._seed, epoch]).permutation(len(self._records))
        end = np.array([BOUNDARY_ID])
        parts = [end, *(part for i in order for part in (self._records[i], end))]
        return torch.from_numpy(np.concatenate(parts))


class TextStreams:
    """One long text cut into contiguous streams, read side by side, state carried along them.

    Each epoch starts a little further into the text, so that streams and windows are cut anew.

    Args:
        ids: the text.
        batch_size: streams; fewer when the text is short.
        window: characters a step reads of each stream.
        reset: chance that a stream forgets before a window.
        seed: of shifts and resets.
        device: where the tensors live.
    """

    def __init__(
        self,
        ids: Ids,
        batch_size: int,
        window: int,
        reset: float,
        seed: int,
        device: torch.device,
    ) -> None:
        self._window = min(window, len(ids))
        self._rows = max(1, min(batch_size, len(ids) // (2 * self._window)))
        self._shifts = min(self._window, len(ids) - self._rows * self._window + 1)
        self._stream = (len(ids) - self._shifts + 1) // self._rows
        self._reset, self._seed = reset, seed
        self._ids = torch.from_numpy(ids).to(device)
        self.steps_per_epoch = self._stream // self._window
        self.chars_per_epoch = self.steps_per_epoch * self._rows * self._window

    def batch(self, step: int) -> Batch:
        """The next window of every stream; a fresh row's first input is the boundary."""
        epoch, place = divmod(step, self.steps_per_epoch)
        shift = int(np.random.default_rng([self._seed, epoch]).integers(self._shifts))
        forgets = np.random.default_rng([self._seed, epoch, place]).random(self._rows) < self._reset
        device = self._ids.device
        fresh = torch.from_numpy(forgets | (place == 0)).to(device)
        rows = torch.arange(self._rows, device=device)[:, None] * self._stream
        time = torch.arange(self._window, device=device)
        index = shift + place * self._window + rows + time  # (batch, time)
        inputs = self._ids[(index - 1).clamp(min=0)]
        inputs[:, 0] = torch.where(fresh, BOUNDARY_ID, inputs[:, 0])
        return Batch(inputs, self._ids[index], fresh, inputs.numel())
