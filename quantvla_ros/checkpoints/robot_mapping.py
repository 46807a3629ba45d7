# SPDX-License-Identifier: Apache-2.0
"""A checkpoint's cameras, state and actions on a robot: names, units, groups, topics.

LeRobot's checkpoints say how many values a policy observes and commands, and hardly ever what they
are called; robot.yaml says that, in the order of its joints or in that of its `state` and `action`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from quantvla_ros.checkpoints.counting import Spaces, counted
from quantvla_ros.checkpoints.space_mapping import (
    action_space,
    check_velocities,
    count_values,
    state_space,
    tip_words,
)
from quantvla_ros.errors import CheckpointError
from quantvla_ros.robot.interface import CameraSlot, Interface
from quantvla_ros.robot.robot_file import RobotFile

IMAGES = "observation.images."


@dataclass(frozen=True)
class Cameras:
    """Where a policy's pictures come from.

    Attributes:
        slots: pictures that this robot has, in the network's order.
        keys: the checkpoint's name of each slot's picture.
        absent: names of the checkpoint's pictures that this robot does not have.
    """

    slots: tuple[CameraSlot, ...]
    keys: Mapping[str, str]
    absent: tuple[str, ...]


def map_cameras(
    robot: RobotFile,
    keys: Sequence[str],
    size: tuple[int, int],
    rename: Mapping[str, str] | None = None,
    optional: bool = False,
) -> Cameras:
    """Find the robot's camera for each picture of a policy.

    A slot is called as the robot's file calls it: by the policy's name without
    ``observation.images.``, or by a name that the checkpoint renames to it.

    Args:
        robot: with its camera topics by slot.
        keys: names of the pictures in the network's order, empty cameras left out.
        size: height and width of the network's pictures.
        rename: the checkpoint's rename map: new name by the name that the robot had in training.
        optional: whether the policy also runs with some pictures missing.

    Raises:
        CheckpointError: the robot has no camera for a picture, or for none of them.
    """
    slots, known, absent = [], {}, []
    for key in keys:
        before = [old for old, new in (rename or {}).items() if new == key]
        names = [name.removeprefix(IMAGES) for name in (*before, key)]
        found = next((name for name in names if name in robot.cameras), None)
        if found is not None:
            slots.append(CameraSlot(found, *size))
            known[found] = key
        elif optional:
            absent.append(key)
        else:
            raise _no_camera(robot, names)
    if not slots:
        raise _no_camera(robot, [key.removeprefix(IMAGES) for key in keys])
    return Cameras(tuple(slots), known, tuple(absent))


def _no_camera(robot: RobotFile, names: Sequence[str]) -> CheckpointError:
    has = ", ".join(f"'{name}'" for name in robot.cameras) or "none"
    return CheckpointError(
        f"robot '{robot.name}' has no camera for the policy's "
        f"{' or '.join(repr(name) for name in names)}; its robot.yaml knows {has}: write the topic "
        f"under that name below 'cameras' in {robot.where}"
    )


def map_robot(robot: RobotFile, spaces: Spaces, cameras: Cameras, rate: float) -> Interface:
    """The interface of a policy that moves this robot, in the policy's own names and units.

    Args:
        robot: with joints, units and groups.
        spaces: of the checkpoint.
        cameras: see `map_cameras`.
        rate: rows of a chunk a second, Hz.

    Raises:
        CheckpointError: names or numbers do not fit each other; both are in the sentence.
    """
    states = _names(robot, "state", spaces.states, spaces.state_names)
    actions = _names(robot, "action", spaces.actions, spaces.action_names)
    relative = counted(robot, states, actions, spaces)
    check_velocities(robot, actions, relative, spaces.velocity)
    try:
        return Interface(
            cameras=cameras.slots,
            state=state_space(robot, states, spaces.state_width),
            action=action_space(robot, actions, relative, spaces.action_width),
            dt=1.0 / rate,
            horizon=spaces.horizon,
        )
    except ValueError as error:
        raise CheckpointError(
            f"robot '{robot.name}' does not fit the checkpoint: {error}; correct {robot.where}"
        ) from error


def _names(robot: RobotFile, what: str, count: int, said: Sequence[str]) -> list[str]:
    """The policy's words in its order, by the checkpoint or else by the robot's file."""
    own = list(robot.policy_names.values())
    listed = list(getattr(robot, what))
    if said and listed and list(said) != listed:
        raise CheckpointError(
            f"the checkpoint's {what} is {', '.join(said)}, and '{what}' of robot '{robot.name}' "
            f"lists {', '.join(listed)}; take '{what}' out of {robot.where}"
        )
    names = list(said) or listed or own
    tip = tip_words(robot, what)
    if unknown := [name for name in names if name not in own and name not in tip]:
        raise CheckpointError(
            f"robot '{robot.name}' has no joint that the policy calls '{unknown[0]}'; it knows "
            f"{', '.join([*own, *tip])}: give the joint that name as 'policy' in {robot.where}"
        )
    here = count_values(robot, names)
    if here != count:
        raise CheckpointError(
            f"the checkpoint has {count} values of {what}, and robot '{robot.name}' has "
            f"{here}: {', '.join(names)}; list those that the policy was trained with, in "
            f"its order, under '{what}' in {robot.where}"
        )
    return names
