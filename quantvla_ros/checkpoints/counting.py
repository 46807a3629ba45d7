# SPDX-License-Identifier: Apache-2.0
"""What a checkpoint says of its numbers, and which of its actions are counted from what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from quantvla_ros.checkpoints.space_mapping import tip_pose
from quantvla_ros.errors import CheckpointError
from quantvla_ros.robot.robot_file import RobotFile
from quantvla_ros.robot.rotations import Rotation
from quantvla_ros.robot.tip_pose import TIP


@dataclass(frozen=True)
class Spaces:
    """What a checkpoint says of its numbers.

    Attributes:
        states: values that it observes.
        actions: values of a row of a chunk.
        horizon: rows of a chunk.
        state_width: columns of the network's state.
        action_width: columns of the network's actions.
        relative: which actions are counted from the state; none where it is empty.
        state_names: what it calls them; empty: it does not say.
        action_names: the same.
        velocity: whether the checkpoint says that arms are commanded by velocities, or that they
            are not; None: it does not say, and robot.yaml does.
        origins: which value of the state each action is counted from; the one in the same place
            where it is empty.
        poses: how the rotation is told of each pose that is counted in the frame of the tip, by
            the place of its first value.
    """

    states: int
    actions: int
    horizon: int
    state_width: int
    action_width: int
    relative: Sequence[bool] = ()
    state_names: Sequence[str] = ()
    action_names: Sequence[str] = ()
    velocity: bool | None = None
    origins: Sequence[int] = ()
    poses: Mapping[int, Rotation] = field(default_factory=dict)


def counted(
    robot: RobotFile, states: Sequence[str], actions: Sequence[str], spaces: Spaces
) -> list[bool]:
    """Which of the actions, by robot.yaml's words, are counted from the state.

    Args:
        robot: whose words they are.
        states: what the policy observes, in its order.
        actions: what it commands, in its order.
        spaces: what the checkpoint says.

    Raises:
        CheckpointError: an action is counted from the state of something else, or a pose otherwise
            than robot.yaml says.
    """
    seen, moved = _by_value(robot, states), _by_value(robot, actions)
    relative = list(spaces.relative) or [False] * spaces.actions
    origins = spaces.origins or range(spaces.actions)
    posed = _posed(robot, moved, spaces)
    for place, (word, counts, origin) in enumerate(zip(moved, relative, origins, strict=True)):
        if not counts:
            continue
        if word[0] == TIP and place not in posed:
            raise CheckpointError(
                f"the checkpoint counts actions from the state by adding, and robot "
                f"'{robot.name}' lists '{TIP}' as one of them; only poses that are absolute or "
                "composed are carried out: train with absolute actions"
            )
        if origin >= len(seen) or seen[origin] != word:
            found = f"'{seen[origin][0]}'" if origin < len(seen) else "nothing"
            raise CheckpointError(
                f"action '{word[0]}' is counted from state {origin}, and robot '{robot.name}' "
                f"observes {found} there; correct the order of 'state' and 'action' in "
                f"{robot.where}"
            )
    return [relative[moved.index((name, 0))] for name in actions]


def _by_value(robot: RobotFile, names: Sequence[str]) -> list[tuple[str, int]]:
    """The word of each value, and which of the word's values it is."""
    width = tip_pose(robot).width if TIP in names else 0
    return [(name, part) for name in names for part in range(width if name == TIP else 1)]


def _posed(robot: RobotFile, moved: Sequence[tuple[str, int]], spaces: Spaces) -> Sequence[int]:
    """Values of poses that the checkpoint counts in the frame of the tip.

    Raises:
        CheckpointError: robot.yaml has something else there.
    """
    for place, rotation in spaces.poses.items():
        if moved[place] != (TIP, 0):
            raise CheckpointError(
                f"the checkpoint's action has a pose of the tip from value {place} on, and robot "
                f"'{robot.name}' lists '{moved[place][0]}' there; write '{TIP}' in its place under "
                f"'action' in {robot.where}, and how it is counted under 'tip.pose'"
            )
        if (own := tip_pose(robot).rotation) != rotation:
            raise CheckpointError(
                f"the checkpoint tells rotations as {rotation}, and robot '{robot.name}' as {own}; "
                f"write {rotation} as tip.pose.rotation in {robot.where}"
            )
    return [place for place, word in enumerate(moved) if word[0] == TIP] if spaces.poses else []
