# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from quantvla_ros.control.limits import JointLimits


@pytest.fixture(scope="session")
def limits() -> JointLimits:
    """Three joints of a Panda's size and a gripper finger."""
    return JointLimits(
        ("shoulder", "elbow", "wrist", "finger"),
        np.array([-2.9, -1.76, -0.02, 0.0]),
        np.array([2.9, 1.76, 3.75, 0.04]),
        np.array([2.17, 2.17, 2.61, 0.2]),
        np.array([3.75, 1.875, 5.0, 2.0]),
        np.array([100.0, 60.0, 150.0, 80.0]),
    )


@pytest.fixture(scope="session")
def home() -> np.ndarray:
    """A posture inside the limits of the fixture ``limits``."""
    return np.array([0.0, -0.5, 1.5, 0.02])
