# SPDX-License-Identifier: Apache-2.0
"""What a joint state message says of the wanted joints: one rule for the node and for buffers.

Positions decide. Hardware without velocity or effort sensors leaves those arrays empty, short or
full of NaN, and that makes no message useless.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class JointReading(NamedTuple):
    """The wanted joints of one message, in its order.

    Attributes:
        joints: index of each among the wanted joints.
        positions: rad or m, finite.
        velocities: rad/s or m/s; NaN where the message gives none.
    """

    joints: list[int]
    positions: list[float]
    velocities: list[float]


def read_joints(
    index: Mapping[str, int],
    names: Sequence[str],
    positions: Sequence[float],
    velocities: Sequence[float],
) -> JointReading | str:
    """Read a message, whatever its order of joints and whatever else it names.

    Args:
        index: wanted joint -> its index.
        names: of the message.
        positions: rad or m, one for each name.
        velocities: rad/s or m/s; taken only when there is one for each name.

    Returns:
        The reading, without any joint when the message is of other joints; or why the message
        cannot be used: "wrong_width", "named_twice" or "not_finite".
    """
    places = [i for i, name in enumerate(names) if name in index]
    joints = [index[names[i]] for i in places]
    if not joints:
        return JointReading([], [], [])
    if len(positions) != len(names):
        return "wrong_width"
    if len(set(joints)) < len(joints):
        return "named_twice"
    values = [float(positions[i]) for i in places]
    if not all(map(math.isfinite, values)):
        return "not_finite"
    if len(velocities) != len(names):
        return JointReading(joints, values, [math.nan] * len(joints))
    speeds = [float(velocities[i]) for i in places]
    return JointReading(joints, values, [v if math.isfinite(v) else math.nan for v in speeds])
