"""Merity et al. 2017, "Regularizing and optimizing LSTM language models", arXiv:1708.02182.

Section 2: dropout of the recurrent matrices, after the DropConnect of Wan et al. 2013.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def hidden_weights(matrices: Sequence[nn.Parameter], share: float) -> Iterator[None]:
    """Forward and backward in here see the matrices without a random share of their numbers.

    The same numbers are missing at every character of a training step, so that no path through
    time can be learned by heart; the others are larger by 1 / (1 - share). Afterwards the matrices
    are as they were, and the gradient of what was missing is zero.
    """
    if not share:
        yield
        return
    kept = [matrix.detach().clone() for matrix in matrices]
    scales = [(torch.rand_like(value) >= share) / (1 - share) for value in kept]
    for matrix, scale in zip(matrices, scales, strict=True):
        matrix.data.mul_(scale)
    try:
        yield
    finally:
        for matrix, value, scale in zip(matrices, kept, scales, strict=True):
            matrix.data.copy_(value)
            if matrix.grad is not None:
                matrix.grad.mul_(scale)
