"""The balance of a hybrid: how much its network and its n-gram are heard, chosen by the reader.

A hybrid weighs the scores of both with weights of its own, (network, n-gram). A state entry of its
step, `mix_0` (batch, 3) float32, moves them:

    weights = own (1 + mix_0[0]) + mix_0[1:]

Zeros leave them as they were fitted, (-1, 1, 0) is the network alone, (-1, 0, 1) the n-gram alone.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from charmodels.runtime.errors import SettingError

MIX, MIX_SIZE = "mix_0", 3
"""The state entry's name, and its numbers for one text."""


def balanced(
    state: Mapping[str, npt.NDArray[Any]], balance: float
) -> Mapping[str, npt.NDArray[Any]]:
    """The state with its balance set, for a text from here on.

    Args:
        state: of any step model.
        balance: -1 the network alone, 0 as fitted, 1 the n-gram alone; in between, in between.

    Raises:
        SettingError: a balance other than 0 for a model without an n-gram.
    """
    if MIX not in state:
        if balance:
            raise SettingError(f"balance is {balance:g}, but this model has no n-gram; expected 0")
        return state
    share = abs(balance)
    mix = np.array([-share, share * (balance < 0), share * (balance > 0)], dtype=np.float32)
    return {**state, MIX: np.broadcast_to(mix, state[MIX].shape).copy()}
