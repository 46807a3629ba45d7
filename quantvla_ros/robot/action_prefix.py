# SPDX-License-Identifier: Apache-2.0
"""What the robot does while a chunk is computed, for policies that continue it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.robot.interface import Interface


@dataclass(frozen=True)
class ActionPrefix:
    """The beginning of the chunk asked for, as the chunk in execution has it.

    Attributes:
        actions: float64 [K, actions], 1 <= K <= horizon, in SI as in `Chunk`; row
            ``k`` is due at the observation's ``stamp + (k + 1) * dt``.
        committed: number of first rows that the arm executes in any case; the others are what the
            chunk in execution goes on to ask for.
    """

    actions: NDArray[np.float64]
    committed: int


def check_prefix(interface: Interface, prefix: ActionPrefix) -> None:
    """Refuse a prefix that is not what the interface says.

    Raises:
        QuantVLAError: it has no row, too many rows or rows of another width, more rows are
            committed than there are, or a value is not finite.
    """
    shape, width = np.shape(prefix.actions), len(interface.action.entries)
    if len(shape) != 2 or shape[1] != width or not 1 <= shape[0] <= interface.horizon:
        raise QuantVLAError(
            f"a prefix of actions has shape {shape}, the policy takes 1 to {interface.horizon} "
            f"rows of {width}"
        )
    if not 0 <= prefix.committed <= shape[0]:
        raise QuantVLAError(
            f"a prefix of {shape[0]} actions cannot have {prefix.committed} committed ones"
        )
    if not np.isfinite(prefix.actions).all():
        raise QuantVLAError("a prefix of actions has a value that is not finite")
