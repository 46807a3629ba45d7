# SPDX-License-Identifier: Apache-2.0
"""What the policy observes at one moment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.robot.interface import Interface
from quantvla_ros.robot.kinematics import forward_kinematics
from quantvla_ros.robot.tip_pose import TIP

MOST_PIXELS = 50_000_000
"""Of a picture; no robot's camera has more."""


@dataclass(frozen=True)
class Observation:
    """One synchronised group of inputs.

    Attributes:
        images: uint8 [height, width, 3] in RGB by camera name, as large as the robot's cameras
            give them.
        joints: float32 [len(state.names)] positions in the interface's order, in SI (rad, m).
        instruction: what to do, in words.
        stamp: time of the observation, s.
    """

    images: dict[str, NDArray[np.uint8]]
    joints: NDArray[np.float32]
    instruction: str
    stamp: float


def state_vector(interface: Interface, joints: NDArray[np.float32]) -> NDArray[np.float32]:
    """Proprioception as the policy takes it, before normalization.

    Args:
        interface: of the bundle.
        joints: [len(state.names)] in its order, in SI.

    Returns:
        float32 [state.size] in the policy's units, with kinematics followed by the tip's position
        (3), m, base frame.
    """
    state = interface.state
    values: NDArray[np.float32] = state.from_si(joints).astype(np.float32)
    positions = dict(zip(state.names, joints.astype(float).tolist(), strict=True))
    if state.told:
        own = dict(zip(state.names, values[:, None], strict=True))
        if state.pose is not None:
            posture = np.array([positions[name] for name in state.pose.joints])
            own[TIP] = state.pose.values(posture).astype(np.float32)
        values = np.concatenate([own[part] for part in state.told])
    if state.kinematics is None:
        return values
    xyz, _ = forward_kinematics(state.kinematics, positions)
    return np.concatenate([values, xyz.astype(np.float32)])


def check_observation(interface: Interface, observation: Observation) -> None:
    """Refuse an observation that is not what the interface says.

    Raises:
        QuantVLAError: a camera is missing that is not optional, or gives no picture; the number of
            joints differs; or a value is not finite.
    """
    for camera in interface.cameras:
        image = observation.images.get(camera.name)
        if image is None and camera.optional:
            continue
        if image is None:
            raise QuantVLAError(
                f"camera '{camera.name}' is missing in the observation; "
                f"it holds {sorted(observation.images)}"
            )
        height, width, channels = image.shape if image.ndim == 3 else (0, 0, 0)
        if channels != 3 or image.dtype != np.uint8 or not 0 < height * width <= MOST_PIXELS:
            raise QuantVLAError(
                f"camera '{camera.name}' gave {image.dtype} {image.shape}; pictures are uint8 "
                f"[height, width, 3] of at most {MOST_PIXELS} pixels"
            )
    names = interface.state.names
    if observation.joints.shape != (len(names),):
        raise QuantVLAError(
            f"the observation has joint positions of shape {observation.joints.shape}, the "
            f"policy expects {len(names)}: {', '.join(names)}"
        )
    for name, value in zip(names, observation.joints.tolist(), strict=True):
        if not np.isfinite(value):
            raise QuantVLAError(f"the position of joint '{name}' is {value}; check its driver")
    if not np.isfinite(observation.stamp):
        raise QuantVLAError(f"the observation's stamp is {observation.stamp}; check the clock")
