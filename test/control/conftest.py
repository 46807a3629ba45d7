# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from support.motion_rig import Rig, arm_limits

from quantvla_ros.control.limits import JointLimits


@pytest.fixture(scope="session")
def limits() -> JointLimits:
    """See `arm_limits`."""
    return arm_limits()


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
