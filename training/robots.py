# SPDX-License-Identifier: Apache-2.0
"""The simulated robot of each task family, kept by every process that needs it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulation.robot import SimulatedRobot


@cache
def robot_of(family: str) -> SimulatedRobot:
    """The robot before a family's scenes; loading one takes a second."""
    from simulation.robot import SimulatedRobot

    return SimulatedRobot(family)
