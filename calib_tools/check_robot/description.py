# SPDX-License-Identifier: Apache-2.0
"""Compares robot.yaml with the robot's URDF and with where its joints are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from quantvla_ros.backends.base import Fact
from quantvla_ros.control.limits import LimitsMissingError, limits_from_urdf
from quantvla_ros.robot.robot_file import RobotFile, RobotJoint
from quantvla_ros.robot.urdf import UrdfError, read_joints
from quantvla_ros.serving.joint_names import joint_mismatch

_BEYOND = 0.05
"""Share of the way between two ends by which a joint may be further."""


def description_facts(robot: RobotFile, topic: str, xml: str) -> list[Fact]:
    """What a URDF says of the joints of robot.yaml.

    Args:
        robot: its robot.yaml.
        topic: where the URDF came from.
        xml: the URDF.
    """
    name = "robot_description"
    try:
        kinds = {joint.name: joint.type for joint in read_joints(xml)}
    except UrdfError as error:
        return [Fact(name, "bad", str(error), "Publish the robot's URDF there.")]
    if wrong := missing_joints(robot, topic, kinds):
        return [Fact(name, "bad", wrong, "Correct the names in robot.yaml.")]
    return [
        *_wrong_units(robot, kinds),
        Fact(name, "good", f"{topic}: a URDF with all joints"),
        _limits(robot, xml),
    ]


def missing_joints(robot: RobotFile, topic: str, offered: Iterable[str]) -> str:
    """The sentence about joints of robot.yaml that a topic does not name; empty for none."""
    offered = set(offered)
    if offered and not offered & set(robot.joints):
        return (
            f"{topic} is of another robot than '{robot.name}': it has none of "
            f"{', '.join(robot.joints)}."
        )
    return joint_mismatch("robot", list(robot.joints), topic, offered)


def _wrong_units(robot: RobotFile, kinds: Mapping[str, str]) -> Iterator[Fact]:
    for name, joint in robot.joints.items():
        si = "m" if kinds[name] == "prismatic" else "rad"
        if joint.entry(name, "").si != si:
            text = f"the URDF's joint '{name}' is {kinds[name]}, and robot.yaml counts it in "
            remedy = f"Write si: {si} and a unit of it below the joint."
            yield Fact(f"unit of {name}", "bad", text + joint.entry(name, "").si, remedy)


def _limits(robot: RobotFile, xml: str) -> Fact:
    """Whether the node would find all limits that it needs."""
    given = (robot.limits("max_acceleration"), robot.limits("max_jerk"))
    try:
        limits_from_urdf(xml, list(robot.joints), *given)
    except LimitsMissingError as error:
        remedy = "max_acceleration and max_jerk stand below the joint in robot.yaml."
        return Fact("limits", "bad", str(error), remedy)
    return Fact("limits", "good", "positions and velocities, accelerations and jerk of all joints")


def strange_places(robot: RobotFile, positions: Mapping[str, float]) -> list[Fact]:
    """Joints that are measured, rad or m, where robot.yaml says that they cannot be."""
    return [fact for name, joint in robot.joints.items()
            for fact in _strange(name, joint, positions[name])]  # fmt: skip


def _strange(name: str, joint: RobotJoint, at: float) -> Iterator[Fact]:
    if joint.ends is None:
        return
    low, high = sorted(joint.ends)
    room = _BEYOND * (high - low)
    if not low - room <= at <= high + room:
        text = f"it is measured at {at:.3f} {joint.si}, outside its ends {low:.3f}..{high:.3f}"
        remedy = "Correct 'ends' in robot.yaml, or the driver: LeRobot's zero may be another one."
        yield Fact(f"ends of {name}", "bad", text, remedy)
