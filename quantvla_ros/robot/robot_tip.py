# SPDX-License-Identifier: Apache-2.0
"""What robot.yaml says of motions and of the end effector."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, model_validator

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.robot.chain import KinematicJoint, Vector3
from quantvla_ros.robot.kinematics import kinematics_from_urdf
from quantvla_ros.robot.rotations import WIDTHS, Rotation
from quantvla_ros.robot.tip_pose import TipPose
from quantvla_ros.robot.units import Entry, SiUnit, entry, range_entry


class StrictModel(BaseModel):
    """A part of robot.yaml, which refuses keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class MotionUnit(StrictModel):
    """What policies count a motion in, of joints or along three axes of the tip.

    Attributes:
        unit: rad/s, deg/s or m/s; of a tip also m or rad, a step's way; or a range, such as -1..1.
        ends: what the ends of a range are, in `si`.
        si: of a range.
    """

    unit: str
    ends: tuple[float, float] | None = None
    si: SiUnit | None = None

    @model_validator(mode="after")
    def _unit_is_whole(self) -> MotionUnit:
        if (self.ends is None) != (self.si is None):
            raise ValueError("a range needs both its ends and their si, another unit neither")
        self.entry("it", "")
        return self

    def entry(self, name: str, group: str) -> Entry:
        """What a policy's value of one axis or joint means."""
        if self.ends is not None and self.si is not None:
            return range_entry(name, self.unit, group, self.si, self.ends)
        return entry(name, self.unit, group)


class Origin(StrictModel):
    """A frame on a link, as a URDF's `origin` tells it.

    Attributes:
        xyz: where it is, m.
        rpy: roll, pitch and yaw about the link's fixed axes, rad.
    """

    xyz: Vector3 = (0.0, 0.0, 0.0)
    rpy: Vector3 = (0.0, 0.0, 0.0)

    @property
    def joint(self) -> KinematicJoint:
        """The fixed joint from the link to it."""
        return KinematicJoint(None, "fixed", self.xyz, self.rpy, (1.0, 0.0, 0.0))


class RobotPose(StrictModel):
    """Where the end effector is, for policies that observe or command that.

    Attributes:
        urdf: file with the robot's URDF, as it lies from robot.yaml.
        base: link in whose frame poses are counted.
        link: whose pose it is.
        rotation: how the policies count rotations.
        origin: where on the link the policies' tip is; the link's own frame where not given.
    """

    urdf: str
    base: str
    link: str
    rotation: Rotation
    origin: Origin | None = None

    def pose(self) -> TipPose:
        """What a policy's pose means, with the chain's joints by their own names.

        Raises:
            QuantVLAError: the file cannot be read, or has no such chain.
        """
        try:
            xml = Path(self.urdf).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise QuantVLAError(
                f"{self.urdf} cannot be read ({reason}); give the URDF as tip.pose.urdf"
            ) from error
        chain = kinematics_from_urdf(xml, self.base, self.link)
        if self.origin is not None:
            chain = replace(chain, joints=(*chain.joints, self.origin.joint))
        return TipPose(chain, self.rotation, (0.0,) * WIDTHS[self.rotation])


class RobotTip(StrictModel):
    """The end effector, for policies that move it and not the arm's joints."""

    linear: MotionUnit | None = None
    angular: MotionUnit | None = None
    pose: RobotPose | None = None

    def beside(self, folder: Path) -> RobotTip:
        """The same with the URDF as it lies from a folder, that of robot.yaml."""
        if self.pose is None:
            return self
        pose = self.pose.model_copy(update={"urdf": str(folder / self.pose.urdf)})
        return self.model_copy(update={"pose": pose})

    @model_validator(mode="after")
    def _moves_are_whole(self) -> RobotTip:
        if (self.linear is None) != (self.angular is None):
            raise ValueError("linear and angular are given both or none")
        return self
