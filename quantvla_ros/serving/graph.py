# SPDX-License-Identifier: Apache-2.0
"""What a session wants to know of others in the ROS graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from quantvla_ros.control.faults import Condition


class Watch(Protocol):
    """Queries the graph in `look`, which takes locks: never from the control thread."""

    def look(self) -> None:
        """Query again."""
        ...


class OutputWatch(Watch, Protocol):
    """Finds other commanders of the same controllers, and a gripper's controller that is absent."""

    conflict: Condition | None


class ClockSources(Watch, Protocol):
    """Who publishes the ROS clock: ``simulated`` says that it is a topic, and two at once clash."""

    simulated: bool
    conflict: Condition | None


class JointPublishers(Watch, Protocol):
    """Who publishes the joint states; ``text`` names them where there are several."""

    text: str


@dataclass(frozen=True)
class GraphWatches:
    """All queries of the graph.

    Attributes:
        output: others who command the same controllers.
        clocks: who publishes the ROS clock.
        joints: who publishes the joint states.
        inputs: who publishes the other inputs.
    """

    output: OutputWatch
    clocks: ClockSources
    joints: JointPublishers
    inputs: Watch

    def look(self) -> None:
        """Query all again; not for the control thread."""
        for watch in (self.output, self.clocks, self.inputs, self.joints):
            watch.look()
