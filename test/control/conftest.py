# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from motion_rig import Rig

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


@pytest.fixture
def rig(limits, home) -> Rig:
    return Rig(limits, home)


@pytest.fixture
def moving(rig) -> Rig:
    rig.c.arm(rig.now)
    rig.run(1.4, feed=True)
    assert rig.speed() > 0.2
    return rig
