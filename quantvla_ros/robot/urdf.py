# SPDX-License-Identifier: Apache-2.0
"""The joints of a robot description: the one place that reads URDF."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree import ElementTree

from quantvla_ros.errors import QuantVLAError


class UrdfError(QuantVLAError):
    """The robot description is no XML."""

    def __init__(self, reason: str) -> None:
        """Take the parser's words."""
        super().__init__(f"the robot description is no valid XML ({reason})")
        self.reason = reason


@dataclass(frozen=True)
class UrdfJoint:
    """One joint as it is written; its numbers are parsed on use.

    Attributes:
        name: "" without one.
        type: the same.
        parent: link, None where none is named.
        child: the same.
        origin: attributes of <origin>, such as xyz and rpy.
        axis: attributes of <axis>.
        limit: attributes of <limit>, None without one.
        mimics: whether it follows another joint.
    """

    name: str
    type: str
    parent: str | None
    child: str | None
    origin: Mapping[str, str]
    axis: Mapping[str, str]
    limit: Mapping[str, str] | None
    mimics: bool


def read_joints(xml: str) -> tuple[UrdfJoint, ...]:
    """All joints of a URDF, fixed ones too.

    Raises:
        UrdfError: the text is no XML.
    """
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise UrdfError(str(error)) from error
    return tuple(map(_joint, root.findall("joint")))


def _joint(element: ElementTree.Element) -> UrdfJoint:
    def attributes(tag: str) -> Mapping[str, str] | None:
        found = element.find(tag)
        return None if found is None else dict(found.attrib)

    return UrdfJoint(
        name=element.get("name", ""),
        type=element.get("type", ""),
        parent=(attributes("parent") or {}).get("link"),
        child=(attributes("child") or {}).get("link"),
        origin=attributes("origin") or {},
        axis=attributes("axis") or {},
        limit=attributes("limit"),
        mimics=element.find("mimic") is not None,
    )
