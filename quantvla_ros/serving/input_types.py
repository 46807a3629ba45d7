# SPDX-License-Identifier: Apache-2.0
"""What the inputs of the policy node are made of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Frame:
    """A camera message as it came in, not decoded."""

    stamp: float
    data: bytes


@dataclass(frozen=True)
class JointSample:
    """Positions and velocities of all joints in the policy's order (rad, m; rad/s, m/s)."""

    stamp: float
    positions: FloatArray
    velocities: FloatArray


class Gates(NamedTuple):
    """Limits for the inputs, in s; made anew for every message, so a tuple.

    Attributes:
        camera_age: oldest frame that is used.
        joint_age: oldest joint state that is used.
        skew: largest difference of the stamps of one observation.
        future: how far a stamp may be ahead of the ROS clock.
        frozen: how long a picture may stay the same to the last bit; 0 allows it for ever.
        jump: a joint may be measured as far from where it was as its velocity limit covers between
            the stamps and in this time; infinite: anywhere.
    """

    camera_age: float
    joint_age: float
    skew: float
    future: float
    frozen: float
    jump: float = math.inf


class InstructionState(NamedTuple):
    """Why an instruction may not move the arm, or what is doubtful in it; a sentence or empty."""

    refusal: str = ""
    warning: str = ""


@dataclass(frozen=True)
class Choice:
    """One frame of each camera and the joint state of their time."""

    frames: Mapping[str, Frame]
    joints: JointSample
    instruction: str
    generation: int
