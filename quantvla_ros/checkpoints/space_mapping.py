# SPDX-License-Identifier: Apache-2.0
"""State and action spaces of a policy whose values are called by a robot.yaml's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from quantvla_ros.errors import CheckpointError
from quantvla_ros.robot.action_space import TWIST_NAMES, ActionGroup, ActionSpace
from quantvla_ros.robot.interface import StateSpace
from quantvla_ros.robot.robot_file import RobotFile, RobotGroup
from quantvla_ros.robot.tip_pose import TIP, TipPose
from quantvla_ros.robot.units import Entry


def tip_words(robot: RobotFile, what: str) -> tuple[str, ...]:
    """Words that are the tip's in a list of what policies observe or command."""
    if robot.tip is None:
        return ()
    moved = TWIST_NAMES if what == "action" and robot.tip.linear is not None else ()
    return (*moved, TIP) if robot.tip.pose is not None else moved


def tip_pose(robot: RobotFile) -> TipPose:
    """What a policy's pose of the tip means, with the policy's words for joints.

    Raises:
        QuantVLAError: see `RobotPose.pose`.
        CheckpointError: its chain has a joint that robot.yaml does not list.
    """
    assert robot.tip is not None and robot.tip.pose is not None
    pose, words = robot.tip.pose.pose(), robot.policy_names
    if odd := [name for name in pose.joints if name not in words]:
        raise CheckpointError(
            f"the tip of robot '{robot.name}' is moved by joint '{odd[0]}', which its robot.yaml "
            "does not list; write it into the arm's group"
        )
    joints = tuple(replace(j, name=words.get(j.name or "", j.name)) for j in pose.kinematics.joints)
    return replace(pose, kinematics=replace(pose.kinematics, joints=joints))


def count_values(robot: RobotFile, names: Sequence[str]) -> int:
    """Values of a state or an action of these names."""
    return len(names) + (tip_pose(robot).width - 1 if TIP in names else 0)


def state_space(robot: RobotFile, names: Sequence[str], width: int) -> StateSpace:
    """What is told, and besides that the joints that the tip's pose is made of."""
    if TIP not in names:
        return StateSpace(tuple(_state(robot, name) for name in names), width)
    pose = tip_pose(robot)
    measured = dict.fromkeys([*pose.joints, *(name for name in names if name != TIP)])
    entries = tuple(_state(robot, name) for name in measured)
    return StateSpace(entries, width, told=tuple(names), pose=pose)


def check_velocities(
    robot: RobotFile, actions: Sequence[str], relative: Sequence[bool], said: bool | None
) -> None:
    """Refuse what the checkpoint and robot.yaml say otherwise of the kind of an action."""
    for name, counted in zip(actions, relative, strict=True):
        if name in (*TWIST_NAMES, TIP):
            continue
        group, content = _group(robot, name)
        velocity = content.velocity is not None
        if said and content.type == "arm" and not velocity:
            raise CheckpointError(
                f"the checkpoint commands velocities of the arm's joints, and robot "
                f"'{robot.name}' does not say what '{name}' is counted in; write 'velocity' below "
                f"group '{group}' in {robot.where}, such as velocity: {{unit: rad/s}}"
            )
        if velocity and (counted or said is False):
            raise CheckpointError(
                f"the checkpoint commands where '{name}' is to be, and robot '{robot.name}' says "
                f"how velocities of group '{group}' are counted; take 'velocity' out of "
                f"{robot.where}"
            )


def _joint(robot: RobotFile, name: str) -> str:
    """The robot's joint that the policy calls so."""
    return next(own for own, policy in robot.policy_names.items() if policy == name)


def _group(robot: RobotFile, name: str) -> tuple[str, RobotGroup]:
    return robot.group_of(_joint(robot, name))


def _state(robot: RobotFile, name: str) -> Entry:
    return robot.joints[_joint(robot, name)].entry(name, _group(robot, name)[0])


def _action(robot: RobotFile, name: str) -> Entry:
    tip = robot.tip
    if name in TWIST_NAMES and tip is not None and tip.linear is not None and tip.angular:
        return (tip.linear if name.startswith("linear") else tip.angular).entry(name, TIP)
    group, content = _group(robot, name)
    if content.velocity is not None:
        return content.velocity.entry(name, group)
    return _state(robot, name)


def action_space(
    robot: RobotFile, names: Sequence[str], relative: Sequence[bool], width: int
) -> ActionSpace:
    """Groups of one kind each: one that is relative in part becomes two.

    A pose of the tip stands for the joints that bring it there, unless these are commanded, too.
    """
    pose = tip_pose(robot) if TIP in names else None
    beside = pose is not None and bool(set(pose.joints) & set(names))
    entries: list[Entry] = []
    kinds: list[str] = []
    for name, counted in zip(names, relative, strict=True):
        if name != TIP:
            entries.append(_action(robot, name))
            kinds.append(_kind(robot, entries[-1], counted))
        elif pose is not None:
            pose = replace(pose, frame="tip" if counted else "base")
            moved = [] if beside else [_state(robot, joint) for joint in pose.joints]
            entries += moved
            kinds += ["ee_pose"] * len(moved)
    of_group: dict[str, set[str]] = {}
    for given, kind in zip(entries, kinds, strict=True):
        of_group.setdefault(given.group, set()).add(kind)
    groups: dict[str, ActionGroup] = {}
    for place, (given, kind) in enumerate(zip(entries, kinds, strict=True)):
        apart = _APART.get(kind, "") if len(of_group[given.group]) > 1 else ""
        name = given.group + apart
        type_ = "tip" if kind == "ee_delta" else robot.groups[given.group].type
        groups[name] = ActionGroup(name, type_, kind)
        entries[place] = replace(given, group=name)
    told = tuple(names) if beside else ()
    return ActionSpace(tuple(groups.values()), tuple(entries), width, pose, told)


_APART = {"joint_delta": "_relative", "ee_pose": "_posed"}
"""What the name of a part ends in, where a group of the robot has actions of several kinds."""


def _kind(robot: RobotFile, given: Entry, counted: bool) -> str:
    if given.group == TIP:
        return "ee_delta"
    if robot.groups[given.group].velocity is not None:
        return "joint_velocity"
    return "joint_delta" if counted else "joint_position"
