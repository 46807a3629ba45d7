# SPDX-License-Identifier: Apache-2.0
"""Damaged messages to a policy node that moves the simulated robot, beside the sound ones."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from calib_tools.buffer.messages import RawMessage, decode
from calib_tools.buffer.sources import IMAGE_TYPES, JOINT_STATE_TYPE, STRING_TYPE
from calib_tools.demo.policy_run import robot_and_policy
from calib_tools.demo.processes import Child, Processes
from calib_tools.demo.trace import TRAJECTORY_TYPE
from calib_tools.driven_system import COMMANDS, DrivenSystem
from calib_tools.fault_study.wave_policy import INSTRUCTION, LOADER
from calib_tools.fuzz.command_check import wrong
from calib_tools.fuzz.damaged_messages import CLOCK_TYPE, damaged
from calib_tools.resources import shared_file
from calib_tools.ros_domain import own_ros_domain
from quantvla_ros.errors import QuantVLAError

if TYPE_CHECKING:
    from quantvla_ros.nodes.operator import Operator
    from quantvla_ros.nodes.raw_publisher import RawPublisher

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


def study_messages(cases: int, seed: int, logs: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Publish so many damaged messages, half of them while the arm moves and half in dry run.

    Args:
        cases: how many.
        seed: of the damages.
        logs: directory for the processes' logs.
        say: shows how far it is.

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
        Processes(logs, environment) as processes,
        robot_and_policy(
            processes, "fuzz", shared_file(BUNDLE), Path(scratch) / "record.json", topics,
            {}, say, compiled=False, more={"loader": LOADER},
        ) as (operator, children),
    ):  # fmt: skip
        study = _Study(operator, children)
        return study.run(cases, np.random.default_rng(seed), say)


class _Study(DrivenSystem):
    """The running system, and the newest sound message of every topic."""

    def __init__(self, operator: Operator, children: list[Child]) -> None:
        super().__init__(operator, children)
        self._sound: dict[str, RawMessage] = {}
        self._time = 0.0
        self._sent: set[bytes] = set()
        self._faults: Counter[str] = Counter()
        self._failures: list[dict[str, Any]] = []

    def run(
        self, cases: int, rng: np.random.Generator, say: Callable[[str], None]
    ) -> dict[str, Any]:
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
                say(
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
            self._time = clock.sec + 1e-9 * clock.nanosec

    def _join(self) -> RawPublisher:
        """Publish beside the robot from now on; arming is refused while there are two clocks."""
        from quantvla_ros.nodes.raw_publisher import RawPublisher

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
        """Whether the node is; it may have to be reset twice, for a damaged message can be late."""
        if self.fault:
            with suppress(QuantVLAError):
                self.operator.policy.reset_fault()
        return self.mode == "DRY_RUN"

    def _arm(self) -> None:
        self.until_accepted(self.operator.policy.arm)
        self.windows.clear()
        self.wait(lambda: self.windows or self.mode != "ARMED", "commands")
