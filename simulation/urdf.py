# SPDX-License-Identifier: Apache-2.0
"""URDF of the simulated Panda, exported from the compiled model so that the two cannot differ."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from xml.etree import ElementTree

import mujoco
import numpy as np

from simulation.kinematics import TOOL_SITE, Array
from simulation.scene import load_scene

BASE_LINK = "panda_link0"
TIP_LINK = "panda_grip_site"

_LINKS = {f"robot0_link{i}": f"panda_link{i}" for i in range(8)} | {
    "robot0_right_hand": "panda_link8",
    "gripper0_right_gripper": "panda_hand",
    "gripper0_leftfinger": "panda_leftfinger",
    "gripper0_rightfinger": "panda_rightfinger",
}
_JOINTS = {f"robot0_joint{i}": f"panda_joint{i}" for i in range(1, 8)} | {
    "gripper0_finger_joint1": "panda_finger_joint1",
    "gripper0_finger_joint2": "panda_finger_joint2",
}
_MIMIC, _MIMICKED = "panda_finger_joint2", "panda_finger_joint1"

# Franka Emika's data sheet (the model has no velocity limits); fingers: N and m/s.
_VELOCITY = {f"panda_joint{i}": 2.175 if i <= 4 else 2.61 for i in range(1, 8)} | {
    _MIMICKED: 0.2,
    _MIMIC: 0.2,
}
_EFFORT = {f"panda_joint{i}": 87.0 if i <= 4 else 12.0 for i in range(1, 8)} | {
    _MIMICKED: 20.0,
    _MIMIC: 20.0,
}


@lru_cache(maxsize=1)
def panda_urdf() -> str:
    """Return the URDF: base `panda_link0`, tip `panda_grip_site`, nine joints with limits.

    Positions are in rad and m; `panda_finger_joint2` mimics `panda_finger_joint1`.

    Raises:
        QuantVLAError: the simulator's packages are not installed.
    """
    model = load_scene()
    robot = ElementTree.Element("robot", name="panda")
    for link in [*_LINKS.values(), TIP_LINK]:
        ElementTree.SubElement(robot, "link", name=link)
    for body_name, link in _LINKS.items():
        if link != BASE_LINK:
            _add_joint(robot, model, body_name)
    _add_tip(robot, model)
    ElementTree.indent(robot)
    return '<?xml version="1.0"?>\n' + ElementTree.tostring(robot, encoding="unicode") + "\n"


def _add_joint(robot: ElementTree.Element, model: mujoco.MjModel, body_name: str) -> None:
    body = model.body(body_name)
    parent = _LINKS[model.body(int(body.parentid[0])).name]
    rotation = np.zeros(9)
    mujoco.mju_quat2Mat(rotation, body.quat)
    if not body.jntnum[0]:
        name, kind = f"{_LINKS[body_name]}_fixed", "fixed"
    else:
        joint = model.joint(int(body.jntadr[0]))
        name = _JOINTS[joint.name]
        hinge = joint.type[0] == mujoco.mjtJoint.mjJNT_HINGE
        kind = "revolute" if hinge else "prismatic"
    element = _joint(robot, name, kind, parent, _LINKS[body_name], body.pos, rotation.reshape(3, 3))
    if kind == "fixed":
        return
    # The model's second finger opens towards negative values, the real driver's to positive.
    sign = -1.0 if name == _MIMIC else 1.0
    low, high = sorted(sign * joint.range)
    ElementTree.SubElement(element, "axis", xyz=_text(sign * joint.axis))
    ElementTree.SubElement(
        element,
        "limit",
        lower=_text([low]),
        upper=_text([high]),
        velocity=_text([_VELOCITY[name]]),
        effort=_text([_EFFORT[name]]),
    )
    if name == _MIMIC:
        ElementTree.SubElement(element, "mimic", joint=_MIMICKED, multiplier="1", offset="0")


def _add_tip(robot: ElementTree.Element, model: mujoco.MjModel) -> None:
    """Attach the grip site to the hand, measured in the model's rest posture."""
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    hand = data.body("gripper0_right_gripper")
    hand_rotation = hand.xmat.reshape(3, 3)
    site = data.site(TOOL_SITE)
    position = hand_rotation.T @ (site.xpos - hand.xpos)
    rotation = hand_rotation.T @ site.xmat.reshape(3, 3)
    _joint(robot, f"{TIP_LINK}_fixed", "fixed", "panda_hand", TIP_LINK, position, rotation)


def _joint(
    robot: ElementTree.Element,
    name: str,
    kind: str,
    parent: str,
    child: str,
    position: Array,
    rotation: Array,
) -> ElementTree.Element:
    joint = ElementTree.SubElement(robot, "joint", name=name, type=kind)
    ElementTree.SubElement(
        joint, "origin", xyz=_text(position), rpy=_text(_roll_pitch_yaw(rotation))
    )
    ElementTree.SubElement(joint, "parent", link=parent)
    ElementTree.SubElement(joint, "child", link=child)
    return joint


def _roll_pitch_yaw(rotation: Array) -> Array:
    """Angles about the fixed axes x, y, z [3], rad; no link of this arm pitches by 90 degrees."""
    pitch = np.arctan2(-rotation[2, 0], np.hypot(rotation[0, 0], rotation[1, 0]))
    roll = np.arctan2(rotation[2, 1], rotation[2, 2])
    yaw = np.arctan2(rotation[1, 0], rotation[0, 0])
    return np.array([roll, pitch, yaw])


def _text(values: Iterable[float]) -> str:
    # Adding 0.0 turns -0.0 into 0.0.
    return " ".join(f"{round(float(value), 12) + 0.0:.12g}" for value in values)
