# SPDX-License-Identifier: Apache-2.0
"""What a session wants to know of others in the ROS graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from quantvla_ros.control.faults import Condition


class Watch(Protocol):
    """Asks the graph when it is told to; that takes locks, so never from the control thread."""

    def look(self) -> None:
        """Ask anew."""
        ...


class OutputWatch(Watch, Protocol):
    """Whether somebody else commands the same controllers, and whether the gripper's is there."""

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
    """All that is asked of the graph.

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
        """Ask all of it anew; not for the control thread."""
        for watch in (self.output, self.clocks, self.inputs, self.joints):
            watch.look()
