# SPDX-License-Identifier: Apache-2.0
"""robot.yaml: one robot's joints, cameras, controllers and limits, for any policy that moves it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, PrivateAttr, ValidationError, model_validator

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.robot.chain import Kinematics
from quantvla_ros.robot.gripper_types import GripperType
from quantvla_ros.robot.interface import Interface
from quantvla_ros.robot.robot_tip import MotionUnit, RobotTip, StrictModel
from quantvla_ros.robot.tip_pose import TipPose
from quantvla_ros.robot.units import Entry, entry, range_entry
from quantvla_ros.validation import first_problem

PRESETS = "config/robots"

_Name = Annotated[str, Field(pattern="^~?/?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*$")]
_Limit = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_ZeroOrMore = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class RobotJoint(StrictModel):
    """One joint of the robot.

    Attributes:
        policy: the policies' word for it; the joint's own name where it is not given.
        unit: what the policies count in; rad or m, as the URDF does, where it is not given.
        ends: where the unit is a range, the joint's positions at its two ends, rad or m.
        max_velocity: lowers the URDF's, rad/s or m/s.
        max_acceleration: rad/s^2 or m/s^2.
        max_jerk: rad/s^3 or m/s^3.
        tracking_tolerance: rad or m, see the node's parameter `joint_limits`; 0: not watched.
        max_jump: the same.
    """

    policy: str | None = None
    unit: str | None = None
    ends: tuple[float, float] | None = None
    si: Literal["rad", "m"] = "rad"
    max_velocity: _Limit | None = None
    max_acceleration: _Limit | None = None
    max_jerk: _Limit | None = None
    tracking_tolerance: _ZeroOrMore | None = None
    max_jump: _ZeroOrMore | None = None

    @model_validator(mode="after")
    def _unit_is_whole(self) -> RobotJoint:
        if self.unit is None and self.ends is not None:
            raise ValueError("ends need a unit that is a range, such as -100..100")
        self.entry("it", "")
        return self

    def entry(self, name: str, group: str) -> Entry:
        """What a policy's value of this joint means."""
        if self.ends is not None:
            return range_entry(name, self.unit or "", group, self.si, self.ends)
        return entry(name, self.unit or self.si, group)


class RobotGroup(StrictModel):
    """Joints with one controller.

    Attributes:
        type: arm or gripper.
        controller: what it takes: `trajectory`, or of a gripper what `gripper_type` lists.
        output: its topic or action; `joint_trajectory` or `gripper_type`'s own where not given.
        joints: by name in the URDF and in the joint states.
        velocity: what policies count in that command how fast the joints move, and not where to.
    """

    type: Literal["arm", "gripper"]
    controller: GripperType = "trajectory"
    output: _Name | None = None
    joints: dict[str, RobotJoint] = Field(min_length=1)
    velocity: MotionUnit | None = None

    @model_validator(mode="after")
    def _controller_fits(self) -> RobotGroup:
        if self.controller != "trajectory" and (self.type == "arm" or len(self.joints) > 1):
            raise ValueError(
                f"controller {self.controller} takes one joint of a group of type gripper"
            )
        return self


class RobotFile(StrictModel):
    """All of a robot.yaml.

    Attributes:
        name: of the robot.
        limits_from: where its limits come from, for a reader who checks them.
        cameras: topic by camera slot of the policies, without `/compressed`.
        groups: by name.
        rate: rows of a chunk a second in the data that policies were trained on, Hz; for imports.
        state: what policies observe, by their words and in their order, `TIP` for its pose; all
            joints as they stand here where it is not given. For imports.
        action: the same of what they command; `TWIST_NAMES` are the tip's motion.
        tip: for policies that command it.
    """

    name: str
    limits_from: str
    cameras: dict[str, _Name] = Field(default_factory=dict)
    groups: dict[str, RobotGroup] = Field(min_length=1)
    rate: _Limit | None = None
    state: tuple[str, ...] = ()
    action: tuple[str, ...] = ()
    tip: RobotTip | None = None
    _where: str = PrivateAttr(default="its robot.yaml")

    @property
    def where(self) -> str:
        """What to correct: its robot.yaml, or a copy of a preset."""
        return self._where

    @model_validator(mode="after")
    def _each_joint_once(self) -> RobotFile:
        for what, names in (
            ("joint", [name for group in self.groups.values() for name in group.joints]),
            ("policy name", list(self.policy_names.values())),
            ("state", list(self.state)),
            ("action", list(self.action)),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{what} '{twice[0]}' stands in two places")
        return self

    @property
    def joints(self) -> dict[str, RobotJoint]:
        """All joints by name."""
        return {n: joint for group in self.groups.values() for n, joint in group.joints.items()}

    def group_of(self, joint: str) -> tuple[str, RobotGroup]:
        """Name and content of the group of a joint."""
        return next(one for one in self.groups.items() if joint in one[1].joints)

    @property
    def policy_names(self) -> dict[str, str]:
        """The policies' word for each joint."""
        return {name: joint.policy or name for name, joint in self.joints.items()}

    def limits(self, key: str) -> dict[str, float]:
        """Limits of a kind, one of `JOINT_LIMIT_TEXTS`, by joint; those that are given."""
        found = {name: getattr(joint, key) for name, joint in self.joints.items()}
        return {name: float(value) for name, value in found.items() if value is not None}

    def trajectories(self, joints: list[str]) -> dict[str, list[str]]:
        """The joints of each topic of trajectories, of those that are commanded."""
        found: dict[str, list[str]] = {}
        for group in self.groups.values():
            if group.controller == "trajectory" and (own := set(group.joints) & set(joints)):
                topic = group.output or "joint_trajectory"
                found.setdefault(topic, []).extend(name for name in joints if name in own)
        return found

    def fit(self, interface: Interface) -> Interface:
        """The policy's interface with this robot's own names of the joints.

        Raises:
            QuantVLAError: a joint of the policy is not the robot's, or counts otherwise.
        """
        own = {policy: name for name, policy in self.policy_names.items()}

        def renamed(given: Entry) -> Entry:
            if given.name not in own:
                raise QuantVLAError(
                    f"robot '{self.name}' has no joint that the policy calls '{given.name}'; it "
                    f"knows {', '.join(sorted(own))}"
                )
            here = self._meaning(own[given.name], velocity=given.si.endswith("/s"))
            if here is not None and here.map != given.map:
                raise QuantVLAError(
                    f"robot '{self.name}' has joint '{own[given.name]}' in {_told(here)}, and "
                    f"the policy's '{given.name}' is in {_told(given)}; correct "
                    "unit or ends, or import the policy again with this description"
                )
            return replace(given, name=own[given.name])

        action, state = interface.action, interface.state
        tips = {group.name for group in action.groups if group.type == "tip"}
        return replace(
            interface,
            action=replace(
                action,
                entries=tuple(e if e.group in tips else renamed(e) for e in action.entries),
                pose=_pose_of(action.pose, own),
            ),
            state=replace(
                state,
                entries=tuple(renamed(e) for e in state.entries),
                kinematics=_chain_of(state.kinematics, own),
                told=tuple(own.get(part, part) for part in state.told),
                pose=_pose_of(state.pose, own),
            ),
        )

    def _meaning(self, name: str, velocity: bool) -> Entry | None:
        """What a policy's value of a joint means here; None: whatever the policy says."""
        joint, unit = self.joints[name], self.group_of(name)[1].velocity
        if velocity:
            return None if unit is None else unit.entry("", "")
        return None if joint.unit is None else joint.entry("", "")


def _chain_of(chain: Kinematics | None, own: Mapping[str, str]) -> Kinematics | None:
    """A chain with the robot's own names of the joints."""
    if chain is None:
        return None
    joints = tuple(replace(j, name=own.get(j.name or "", j.name)) for j in chain.joints)
    return replace(chain, joints=joints)


def _pose_of(pose: TipPose | None, own: Mapping[str, str]) -> TipPose | None:
    chain = _chain_of(None if pose is None else pose.kinematics, own)
    return None if pose is None or chain is None else replace(pose, kinematics=chain)


def _told(given: Entry) -> str:
    return f"{given.unit} ({given.si} = {given.scale:.6g} * value + {given.offset:.6g})"


def read_robot(given: str, presets: Path) -> RobotFile:
    """Read a robot's description.

    Args:
        given: path of a robot.yaml, or the name of a preset.
        presets: folder of the presets.

    Raises:
        QuantVLAError: in one sentence that names the file and the key.
    """
    path = Path(os.path.expanduser(given))
    if "/" not in given and not given.endswith((".yaml", ".yml")):
        path = presets / f"{given}.yaml"
        if not path.is_file():
            known = ", ".join(sorted(file.stem for file in presets.glob("*.yaml")))
            raise QuantVLAError(
                f"There is no robot '{given}'; the package knows {known}, or give the path of a "
                "robot.yaml."
            )
    try:
        content = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise QuantVLAError(f"{path} cannot be read ({error.strerror}).") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f" in line {mark.line + 1}"
        raise QuantVLAError(f"{path} is not valid YAML{line}.") from error
    try:
        robot = RobotFile.model_validate(content)
        if path.parent == presets:
            robot._where = f"a copy of {path}"  # an update of the package replaces presets
    except ValidationError as error:
        raise QuantVLAError(f"{path} is not valid at {first_problem(error)}.") from error
    return (
        robot
        if robot.tip is None
        else robot.model_copy(update={"tip": robot.tip.beside(path.parent)})
    )
