# SPDX-License-Identifier: Apache-2.0
"""Damaged messages to a policy node that moves the simulated robot, beside the sound ones."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from calib_tools.buffer.messages import RawMessage, decode
from calib_tools.buffer.sources import IMAGE_TYPES, JOINT_STATE_TYPE, STRING_TYPE
from calib_tools.common.progress import Report
from calib_tools.common.ros_domain import own_ros_domain
from calib_tools.system.policy_run import System, robot_and_policy
from calib_tools.system.processes import Child, Processes
from calib_tools.system.trace import TRAJECTORY_TYPE
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.nodes import qos
from quantvla_ros.nodes.offered_topic import message_class
from quantvla_ros.resources import shared_file
from quantvla_ros.serving.stamps import seconds_of
from studies.driven_system import COMMANDS, DrivenSystem
from studies.fault_study.wave_policy import BACKEND, INSTRUCTION, with_wave
from studies.fuzz.command_check import wrong
from studies.fuzz.damaged_messages import CLOCK_TYPE, damaged

if TYPE_CHECKING:
    from rclpy.node import Node

    from quantvla_ros.nodes.operator import Operator


_PROFILES = {
    "sensor_msgs/msg/Image": qos.SENSOR,
    "sensor_msgs/msg/JointState": qos.JOINT_STATES,
    "std_msgs/msg/String": qos.LATCHED,
    "rosgraph_msgs/msg/Clock": qos.CLOCK,
}


class RawPublisher:
    """Another publisher on topics that have one; for tests and studies."""

    def __init__(self, node: Node, topics: dict[str, str]) -> None:
        """Create the publishers."""
        self._node = node
        self._publishers = {
            topic: node.create_publisher(message_class(kind), topic, _PROFILES[kind])
            for topic, kind in topics.items()
        }

    def found(self) -> bool:
        """Whether every reader of the topics has found its new publisher."""
        return all(
            publisher.get_subscription_count() >= self._node.count_subscribers(topic)
            for topic, publisher in self._publishers.items()
        )

    def close(self) -> None:
        """Leave the topics."""
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)

    def publish(self, topic: str, data: bytes) -> bool:
        """Publish serialized bytes on one of the topics; False if the middleware refuses them.

        It takes none that are too short to be any message.
        """
        try:
            self._publishers[topic].publish(data)
        except Exception:  # rclpy's own types are no part of its interface
            return False
        return True


BUNDLE = "policies/panda"
SOURCES = {
    "/joint_states": JOINT_STATE_TYPE,
    "/front/image_raw": IMAGE_TYPES[0],
    "/wrist/image_raw": IMAGE_TYPES[0],
    "/instruction": STRING_TYPE,
    "/robot_description": STRING_TYPE,
    "/clock": CLOCK_TYPE,
}
_WEIGHTS = np.array([0.4, 0.2, 0.2, 0.1, 0.05, 0.05])  # each wrong /clock stops the arm for long
BATCH = 20
_PERIOD_S = 0.02


def study_messages(cases: int, seed: int, logs: Path, report: Report) -> dict[str, Any]:
    """Publish so many damaged messages, half of them while the arm moves and half in dry run.

    Returns:
        A row: the cases after which nothing had stopped ("accepted": the message was skipped, or
        used as a sound one), those in a batch that a fault ended ("refused"), and every failure.

    Raises:
        QuantVLAError: something that must come did not.
    """
    topics = {COMMANDS: (TRAJECTORY_TYPE,), **{name: (kind,) for name, kind in SOURCES.items()}}
    with (
        tempfile.TemporaryDirectory() as scratch,
        own_ros_domain() as environment,
        Processes(logs, with_wave(environment)) as processes,
        robot_and_policy(
            processes,
            System(
                "fuzz", shared_file(BUNDLE), Path(scratch) / "record.json", topics,
                node={"backend": BACKEND.name},
            ),
            report,
        ) as (operator, children),
    ):  # fmt: skip
        study = _Study(operator, children)
        return study.run(cases, np.random.default_rng(seed), report)


class _Study(DrivenSystem):
    """The running system, and the newest sound message of every topic."""

    def __init__(self, operator: Operator, children: list[Child]) -> None:
        super().__init__(operator, children)
        self._sound: dict[str, RawMessage] = {}
        self._time = 0.0
        self._sent: set[bytes] = set()
        self._faults: Counter[str] = Counter()
        self._failures: list[dict[str, Any]] = []

    def run(self, cases: int, rng: np.random.Generator, report: Report) -> dict[str, Any]:
        self.operator.instruct(INSTRUCTION)
        self.wait(lambda: len(self._sound) == len(SOURCES), "message on every topic")
        stopped = 0
        for first in range(0, cases, BATCH):
            count = min(BATCH, cases - first)
            moving = (first // BATCH) % 2 == 0
            if moving:
                self._arm()
            self.windows.clear()
            publisher = self._join()
            self._send(publisher, count, rng)
            fault = self._judge(first, moving)
            stopped += count if fault else 0
            if first % 200 == 0:
                report(
                    f"messages: {first} of {cases}, {sum(self._faults.values())} stops, "
                    f"{len(self._failures)} failures"
                )
            self._recover(publisher, moving)
        return {
            "kind": "messages",
            "cases": cases,
            "accepted": cases - stopped,
            "refused": stopped,
            "failed": self._failures,
            "faults": dict(self._faults),
        }

    def heard(self, message: RawMessage) -> None:
        """Keep what the robot published, and the time on its clock."""
        if message.data in self._sent:  # our own come back to us
            return
        self._sound[message.topic] = message
        if message.topic == "/clock":
            clock = decode(message).clock
            self._time = seconds_of(clock)

    def _join(self) -> RawPublisher:
        """Publish beside the robot from now on; arming is refused while there are two clocks."""
        publisher = RawPublisher(self.operator.tap.node, SOURCES)
        self.wait(publisher.found, "reader of the damaged messages")
        return publisher

    def _send(self, publisher: RawPublisher, count: int, rng: np.random.Generator) -> None:
        topics = list(SOURCES)
        for _ in range(count):
            sent = False
            while not sent:
                topic = topics[int(rng.choice(len(topics), p=_WEIGHTS))]
                data = damaged(self._sound[topic], self._time, rng)
                self._sent.add(data)
                sent = publisher.publish(topic, data)
            deadline = time.monotonic() + _PERIOD_S
            while time.monotonic() < deadline:
                self.check()
                self.take(_PERIOD_S / 4)

    def _judge(self, first: int, moving: bool) -> str:
        """Note what went wrong; return the fault that stopped the arm, if one did."""
        fault = self.fault
        if fault:
            self._faults[fault] += 1
            self.until_quiet()
        for text in self._wrong(moving):
            self._failures.append({"case": first, "error": "command", "text": text})
        return fault

    def _wrong(self, moving: bool) -> list[str]:
        if not moving:
            return [f"{len(self.windows)} commands in dry run"] if self.windows else []
        return wrong(self.windows, self.limits)

    def _recover(self, publisher: RawPublisher, moving: bool) -> None:
        """Back to dry run, whatever was sent: sound messages overwrite what was damaged."""
        for topic in ("/robot_description", "/instruction"):
            publisher.publish(topic, self._sound[topic].data)
        self.operator.instruct(INSTRUCTION)
        if moving and self.mode == "ARMED":
            self.operator.policy.arm(False)
        self.wait(self._in_dry_run, "dry run")
        self.until_quiet()
        publisher.close()

    def _in_dry_run(self) -> bool:
        """Whether the node is in dry run; a damaged message that came late costs a second reset."""
        if self.fault:
            with suppress(QuantVLAError):
                self.operator.policy.reset_fault()
        return self.mode == "DRY_RUN"

    def _arm(self) -> None:
        self.until_accepted(self.operator.policy.arm)
        self.windows.clear()
        self.wait(lambda: self.windows or self.mode != "ARMED", "commands")
