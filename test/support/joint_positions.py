# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np


def joint_positions(message, names) -> np.ndarray:
    """Positions [n] of the joints `names` in a joint state."""
    return np.array([message.position[message.name.index(name)] for name in names])
