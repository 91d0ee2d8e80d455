"""The learning rate: up in a line, down along a cosine.

Source: Loshchilov and Hutter 2016, "SGDR", arXiv:1608.03983, equation 5, without restarts.
"""

import math


def learning_rate(step: int, steps: int, peak: float, warmup: float) -> float:
    """The rate of training step `step` (from 0) of `steps`; `warmup` is a share of the steps."""
    rising = max(1, round(warmup * steps))
    if step < rising:
        return peak * (step + 1) / rising
    return peak * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))
