# SPDX-License-Identifier: Apache-2.0
"""What a gripper's controller may take, as the parameter `gripper_type` names it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

ActionType = Literal["gripper_command", "parallel_gripper_command"]
OwnController = Literal["forward_command", "gripper_command", "parallel_gripper_command"]
GripperType = Literal[
    "trajectory", "forward_command", "gripper_command", "parallel_gripper_command"
]

DEFAULT_NAMES: Mapping[OwnController, str] = {
    "forward_command": "gripper_controller/commands",
    "gripper_command": "gripper_controller/gripper_cmd",
    "parallel_gripper_command": "gripper_controller/gripper_cmd",
}
"""Topic or action of a controller that is called `gripper_controller`."""
