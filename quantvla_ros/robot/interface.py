# SPDX-License-Identifier: Apache-2.0
"""What a policy observes and commands.

These are plain dataclasses, so that chunks and observations need numpy alone; a bundle's manifest
holds them and pydantic reads and writes them as they stand (`__pydantic_config__` refuses other
keys).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.robot.action_space import (
    ActionGroup,
    ActionSpace,
    check_entries,
    check_unique,
    check_width,
)
from quantvla_ros.robot.chain import KinematicJoint, Kinematics
from quantvla_ros.robot.rotations import Array
from quantvla_ros.robot.tip_pose import TIP, TipPose
from quantvla_ros.robot.units import Entry, Units


@dataclass(frozen=True)
class CameraSlot:
    """One picture that the policy takes; the robot's camera may be of any size.

    Attributes:
        name: of the slot.
        height: of the pictures that the policy was trained on, pixels.
        width: the same.
        optional: whether the policy also runs without it.
    """

    name: str
    height: int
    width: int
    optional: bool = False

    def __post_init__(self) -> None:
        """Refuse a size below one pixel."""
        if self.height < 1 or self.width < 1:
            raise ValueError(f"camera '{self.name}' has a size of {self.width} x {self.height}")


@dataclass(frozen=True)
class StateSpace:
    """The proprioception; the tip's position (m, base frame) is appended with `kinematics`.

    Attributes:
        entries: n joints with unit and map, all that are measured.
        kinematics: chain to the tip, or None.
        width: columns of the network's input; what follows the state is padding.
        told: what the network is told, by names of joints and `TIP` for `pose`; all where empty.
        pose: how it is told where the tip is, or None.
    """

    entries: tuple[Entry, ...]
    width: int
    kinematics: Kinematics | None = None
    told: tuple[str, ...] = ()
    pose: TipPose | None = None

    def __post_init__(self) -> None:
        """Refuse names that are listed twice and a chain with joints that are not observed."""
        check_entries("state", self.entries)
        check_width("state", self.width, self.size)
        known = [*self.names, *([TIP] if self.pose else [])]
        if odd := sorted(set(self.told) - set(known)):
            raise ValueError(f"state.told has '{odd[0]}', which is neither a joint nor the tip")
        if self.pose is not None and self.pose.frame != "base":
            raise ValueError("state.pose is counted in the frame of the tip, where it never moves")
        for given in self.entries:
            if given.si not in ("rad", "m"):
                raise ValueError(f"state '{given.name}' is a joint's and maps to {given.si}")
        chains = (self.kinematics, self.pose.kinematics if self.pose else None)
        for joint in (joint for chain in chains if chain for joint in chain.joints):
            if joint.name is not None and joint.name not in self.names:
                raise ValueError(f"kinematics needs joint '{joint.name}', which is no state")

    @property
    def names(self) -> list[str]:
        """Names of the joints."""
        return [e.name for e in self.entries]

    @property
    def size(self) -> int:
        """Length of the state vector: what is told and, with kinematics, the tip's position."""
        return sum(self.widths) + (3 if self.kinematics else 0)

    @property
    def parts(self) -> list[str]:
        """What the network is told, by names of joints and `TIP`."""
        return list(self.told or self.names)

    @property
    def widths(self) -> list[int]:
        """Values of each of the `parts`."""
        return [self.pose.width if self.pose and part == TIP else 1 for part in self.parts]

    @property
    def places(self) -> list[int | None]:
        """Where the state vector tells each joint; None: it does not."""
        parts, begins = self.parts, np.cumsum([0, *self.widths]).tolist()
        return [begins[parts.index(name)] if name in parts else None for name in self.names]

    def from_si(self, joints: NDArray[np.floating]) -> NDArray[np.float64]:
        """Joints [..., n] in the policy's units from SI."""
        return self._units.from_si(joints)

    @cached_property
    def _units(self) -> Units:
        return Units.of(self.entries)


@dataclass(frozen=True)
class Interface:
    """What the policy observes and commands; `dt` is the step of a chunk, s."""

    cameras: tuple[CameraSlot, ...]
    state: StateSpace
    action: ActionSpace
    dt: float
    horizon: int

    def __post_init__(self) -> None:
        """Refuse parts that contradict each other."""
        if not self.cameras:
            raise ValueError("cameras has no entries")
        check_unique("camera", [camera.name for camera in self.cameras])
        if not (math.isfinite(self.dt) and self.dt > 0):
            raise ValueError(f"dt is {self.dt}, it must be above 0")
        if self.horizon < 1:
            raise ValueError(f"horizon is {self.horizon}, it must be above 0")
        observed = {e.name: e for e in self.state.entries}
        posed = [] if self.action.pose is None else self.action.pose.joints
        if blind := [name for name in posed if name not in observed]:
            raise ValueError(f"the tip's poses need joint '{blind[0]}', which is no state")
        kinds = zip(self.action.entries, self.action.relative, self.action.velocity, strict=True)
        for given, relative, velocity in kinds:
            seen = observed.get(given.name)
            if relative and (seen is None or seen.map != given.map):
                raise ValueError(
                    f"action '{given.name}' is counted from the observed state, and no state of "
                    "that name has its unit and map"
                )
            if velocity and (seen is None or f"{seen.si}/s" != given.si):
                raise ValueError(
                    f"action '{given.name}' is a velocity in {given.si} from the observed state "
                    "on, and no state of that name is in that unit's rad or m"
                )

    def chunk(
        self, values: NDArray[np.floating], joints: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """What the robot is to do, of what the policy puts out.

        Velocities become positions here: each acts for one step, and the first one from where the
        joints were observed. Poses of the tip become positions, too, see `TipPose.follow`.

        Args:
            values: [..., rows, values] in the policy's units.
            joints: [..., states] in SI, as they were observed.

        Returns:
            float64 [..., rows, actions] in SI, see `Chunk`.

        Raises:
            FarPoseError: poses begin nowhere near the tip.
        """
        if self.action.pose is not None:
            return self._posed_chunk(np.asarray(values, np.float64), joints)
        return self._plain_chunk(values, joints)

    def _posed_chunk(self, values: Array, joints: NDArray[np.floating]) -> Array:
        action, pose = self.action, self.action.pose
        assert pose is not None
        plain = np.zeros((*values.shape[:-1], len(action.names)))
        for place, told in enumerate(action.places):
            if told is not None:
                plain[..., place] = values[..., told]
        chunk = self._plain_chunk(plain, joints)
        if action.follows:
            begin = action.pose_place
            poses = values[..., begin : begin + pose.width]
            chunk[..., self._moved_by(pose)] = pose.follow(poses, self._posture(pose, joints))
        return chunk

    def _moved_by(self, pose: TipPose) -> list[int]:
        return [self.action.names.index(name) for name in pose.joints]

    def _posture(self, pose: TipPose, joints: NDArray[np.floating]) -> Array:
        """The pose's joints [..., those] as they were observed, SI."""
        return np.asarray(joints, np.float64)[..., self._seen_at(pose.joints)]

    def _seen_at(self, names: Sequence[str]) -> list[int]:
        return [self.state.names.index(name) for name in names]

    def _plain_chunk(self, values: NDArray[np.floating], joints: NDArray[np.floating]) -> Array:
        actions = self.action.to_si(values + self._counted_from(joints))
        if (speeds := self.action.velocity).any():
            gone = np.cumsum(actions[..., speeds] * self.dt, axis=-2)
            actions[..., speeds] = self._beginning(joints) + gone
        return actions

    def values(
        self, chunk: NDArray[np.floating], joints: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """The way back of `chunk`, for the first rows too."""
        actions = np.array(chunk, np.float64)
        if (speeds := self.action.velocity).any():
            start = np.broadcast_to(self._beginning(joints), actions[..., :1, speeds].shape)
            ways = np.diff(actions[..., speeds], axis=-2, prepend=start)
            actions[..., speeds] = ways / self.dt
        plain = np.asarray(self.action.from_si(actions) - self._counted_from(joints))
        pose = self.action.pose
        if pose is None:
            return plain
        poses = pose.values(actions[..., self._moved_by(pose)], self._posture(pose, joints))
        columns = dict(zip(self.action.names, np.moveaxis(plain, -1, 0)[..., None], strict=True))
        parts = [poses if part == TIP else columns[part] for part in self.action.parts]
        return np.concatenate(parts, axis=-1)

    def _counted_from(self, joints: NDArray[np.floating]) -> NDArray[np.float64]:
        """What relative actions are counted from, else zero: [..., 1, actions], policy's units."""
        return self._seen(self.state.from_si(joints), self.action.relative)

    def _beginning(self, joints: NDArray[np.floating]) -> NDArray[np.float64]:
        """Where joints with velocities were observed, [..., 1, those], SI."""
        speeds = self.action.velocity
        return self._seen(np.asarray(joints, np.float64), speeds)[..., speeds]

    def _seen(self, values: NDArray[np.float64], wanted: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The states [..., 1, actions] of the wanted actions' joints, zero for the others."""
        names = self.state.names
        seen = np.zeros((*values.shape[:-1], 1, len(wanted)))
        for place in np.flatnonzero(wanted):
            seen[..., 0, place] = values[..., names.index(self.action.names[place])]
        return seen


_PARTS: tuple[Any, ...] = (
    *(Entry, ActionGroup, ActionSpace, KinematicJoint, Kinematics, CameraSlot, StateSpace),
    TipPose,
    Interface,
)
for _part in _PARTS:
    _part.__pydantic_config__ = {"extra": "forbid"}
