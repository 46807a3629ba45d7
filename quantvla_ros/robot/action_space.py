# SPDX-License-Identifier: Apache-2.0
"""What a policy's actions mean: names, units, groups, kinds, and the way to SI and back."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.robot.tip_pose import TIP, TipPose
from quantvla_ros.robot.units import Entry, Units

KINDS = ("joint_position", "joint_delta", "joint_velocity", "ee_pose", "ee_delta")
GroupType = Literal["arm", "gripper", "tip"]

TWIST_NAMES = ("linear_x", "linear_y", "linear_z", "angular_x", "angular_y", "angular_z")
_TWIST_UNITS = (("m/s",) * 3 + ("rad/s",) * 3, ("m",) * 3 + ("rad",) * 3)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ActionGroup:
    """Actions that mean the same kind of motion.

    Attributes:
        name: what its entries call it, such as ``arm`` or ``left_gripper``.
        type: arm: joints that follow a trajectory; gripper: joints that open and close; tip: the
            end effector.
        kind: ``joint_position``: where joints are to be; ``joint_delta``: the same, counted from
            where the joints were observed when the chunk was predicted; ``joint_velocity``: how
            fast joints move, from there on; ``ee_pose``: where the tip of these joints is to be;
            ``ee_delta``: how the tip moves, in its base's frame, as a velocity or as a way in one
            step.
    """

    name: str
    type: GroupType
    kind: str

    def __post_init__(self) -> None:
        """Refuse a kind that nothing or not this group can carry out."""
        if self.kind not in KINDS:
            raise ValueError(
                f"action group '{self.name}' has kind '{self.kind}'; supported are "
                f"{', '.join(KINDS)}"
            )
        if (self.type == "tip") != (self.kind == "ee_delta"):
            raise ValueError(
                f"action group '{self.name}' is of type {self.type} and kind {self.kind}; "
                "ee_delta is the kind of a tip and of nothing else"
            )


@dataclass(frozen=True)
class ActionSpace:
    """The actions of a policy in the order of its output.

    Attributes:
        groups: of the entries, each used by at least one.
        entries: n names with unit and map.
        width: columns of the network's output; the robot uses the first ones, the rest is padding.
        pose: of the tip, which the network puts out for the joints of kind ``ee_pose`` in place of
            them, or beside them, where these joints are of another kind and are what is used.
        told: what the network puts out, by names of actions and `TIP` for `pose`; where it is
            empty, the entries, with the pose in place of its joints.
    """

    groups: tuple[ActionGroup, ...]
    entries: tuple[Entry, ...]
    width: int
    pose: TipPose | None = None
    told: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse names that are listed twice, unknown groups and tips that nothing can move."""
        check_entries("action", self.entries)
        names = [group.name for group in self.groups]
        check_unique("action group", names)
        if {e.group for e in self.entries} != set(names):
            odd = sorted({e.group for e in self.entries} ^ set(names))[0]
            raise ValueError(f"action group '{odd}' stands in the groups or in an entry, not both")
        if tips := [group.name for group in self.groups if group.type == "tip"]:
            self._check_tip(tips)
        self._check_pose()
        for given in self.entries[6 * len(tips) :]:
            wanted = ("rad/s", "m/s") if self._is_velocity(given) else ("rad", "m")
            if given.si not in wanted:
                raise ValueError(
                    f"action '{given.name}' is of kind {self.group_of(given).kind} and maps to "
                    f"{given.si}"
                )
        check_width("action", self.width, len(self.values))

    def _check_pose(self) -> None:
        moved = [e.name for e in self.entries if self.group_of(e).kind == "ee_pose"]
        wanted = [] if self.pose is None else self.pose.joints
        first = self.names.index(moved[0]) if moved else 0
        beside = bool(self.told) and not moved and set(wanted) <= set(self.names)
        if not beside and (moved != wanted or moved != self.names[first : first + len(moved)]):
            raise ValueError(
                f"actions of kind ee_pose are {', '.join(moved) or 'none'}, and the joints of "
                f"their pose are {', '.join(wanted) or 'none'}; they are the same, in one order"
            )
        known = [name for name in self.names if name not in moved] + [TIP] * bool(wanted)
        if self.told and sorted(self.told) != sorted(known):
            raise ValueError(
                f"action.told lists {', '.join(self.told)}, and the network puts out "
                f"{', '.join(known)}, in whatever order"
            )

    def _check_tip(self, tips: list[str]) -> None:
        twist, rest = self.entries[:6], self.entries[6:]
        if (
            len(tips) > 1
            or any(group.type == "arm" for group in self.groups)
            or tuple(e.name for e in twist) != TWIST_NAMES
            or any((e.group in tips) != (e in twist) for e in self.entries)
            or tuple(e.si for e in twist) not in _TWIST_UNITS
            or any(e.offset for e in twist)
            or len(rest) > 1
        ):
            raise ValueError(
                f"actions of kind ee_delta are {', '.join(TWIST_NAMES)} in units of m/s and rad/s "
                "or of m and rad a step, of one tip, and at most one gripper's joint after them"
            )

    @property
    def names(self) -> list[str]:
        """Names of all entries."""
        return [e.name for e in self.entries]

    @property
    def units(self) -> list[str]:
        """SI units of a chunk's columns, in which joints have positions."""
        return [e.si.removesuffix("/s") if self._is_velocity(e) else e.si for e in self.entries]

    @property
    def moves_tip(self) -> bool:
        """Whether the policy moves the end effector and not the arm's joints."""
        return any(group.type == "tip" for group in self.groups)

    @property
    def joints(self) -> list[str]:
        """The actions that are joints: all of them, or the gripper of an end-effector policy."""
        return [e.name for e in self.entries if self.group_of(e).type != "tip"]

    @cached_property
    def values(self) -> list[Entry | None]:
        """What the network's values are; None: one of a pose."""
        known = dict(zip(self.names, self.entries, strict=True))
        found: list[Entry | None] = []
        for part in self.parts:
            posed = part == TIP and self.pose is not None
            found += [None] * self.pose.width if posed and self.pose else [known[part]]
        return found

    @property
    def parts(self) -> list[str]:
        """What the network puts out, by names of actions and `TIP` for a pose."""
        if self.told or self.pose is None:
            return list(self.told or self.names)
        moved = self.pose.joints
        return [TIP if name == moved[0] else name for name in self.names if name not in moved[1:]]

    @property
    def follows(self) -> bool:
        """Whether the pose is where the tip is to be, and not what the joints say once more."""
        return any(group.kind == "ee_pose" for group in self.groups)

    @property
    def places(self) -> list[int | None]:
        """Where each action stands among the `values`; None: its pose stands there."""
        known = [None if given is None else given.name for given in self.values]
        return [known.index(name) if name in known else None for name in self.names]

    @property
    def pose_place(self) -> int:
        """Where the pose begins among the `values`."""
        return self.values.index(None)

    @cached_property
    def relative(self) -> NDArray[np.bool_]:
        """Which actions [n] are offsets from the observed state."""
        return np.array([self.group_of(e).kind == "joint_delta" for e in self.entries])

    @cached_property
    def velocity(self) -> NDArray[np.bool_]:
        """Which actions [n] are velocities of joints."""
        return np.array([self._is_velocity(e) for e in self.entries])

    @property
    def together(self) -> NDArray[np.intp]:
        """[n] numbers: actions that share one are of one arm or one tip and keep time together."""
        groups = [(e, self.group_of(e)) for e in self.entries]
        keys = [("joint", e.name) if g.type == "gripper" else ("group", g.name) for e, g in groups]
        return np.array([keys.index(key) for key in keys])

    def _is_velocity(self, given: Entry) -> bool:
        return self.group_of(given).kind == "joint_velocity"

    def group_of(self, given: Entry) -> ActionGroup:
        """The group of an entry."""
        return next(group for group in self.groups if group.name == given.group)

    def of_type(self, *types: GroupType) -> NDArray[np.bool_]:
        """Which actions [n] belong to a group of one of the types."""
        return np.array([self.group_of(e).type in types for e in self.entries])

    def values_of_type(self, *types: GroupType) -> NDArray[np.bool_]:
        """Which of the network's `values` belong to a group of one of the types."""
        return np.array([e is not None and self.group_of(e).type in types for e in self.values])

    def columns(self, group: str) -> list[int]:
        """Places of a group's actions."""
        return [place for place, e in enumerate(self.entries) if e.group == group]

    def to_si(self, values: NDArray[np.floating]) -> Array:
        """Actions [..., n] in SI from the policy's units."""
        return self._units.to_si(values)

    def from_si(self, values: NDArray[np.floating]) -> Array:
        """Actions [..., n] in the policy's units from SI."""
        return self._units.from_si(values)

    @cached_property
    def _units(self) -> Units:
        return Units.of(self.entries)


def check_unique(what: str, names: list[str]) -> None:
    """Refuse a name that is listed twice.

    Raises:
        ValueError: naming it.
    """
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise ValueError(f"{what} '{twice[0]}' is listed twice")


def check_width(what: str, width: int, values: int) -> None:
    """Refuse more values than the network takes.

    Raises:
        ValueError: saying how many.
    """
    if width < values:
        raise ValueError(f"{what}.width is {width}, below its {values} values")


def check_entries(what: str, entries: tuple[Entry, ...]) -> None:
    """Refuse no entries, and a name that is listed twice.

    Raises:
        ValueError: saying which.
    """
    if not entries:
        raise ValueError(f"{what} has no entries")
    check_unique(what, [e.name for e in entries])
