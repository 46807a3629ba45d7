# SPDX-License-Identifier: Apache-2.0
"""Damaged messages to a policy node that moves the simulated robot, beside the sound ones."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from calib_tools.buffer.messages import RawMessage, decode
from calib_tools.buffer.sources import IMAGE_TYPES, JOINT_STATE_TYPE, STRING_TYPE
from calib_tools.demo.policy_run import robot_and_policy
from calib_tools.demo.processes import Child, Processes, own_ros_domain
from calib_tools.demo.trace import TRAJECTORY_TYPE
from calib_tools.evaluation.closed_loop import panda_limits
from calib_tools.fault_study.commanded import CommandedWindow, commanded_window
from calib_tools.fuzz.damaged_messages import CLOCK_TYPE, damaged
from calib_tools.resources import shared_file
from quantvla_ros.errors import QuantVLAError

if TYPE_CHECKING:
    from quantvla_ros.nodes.operator import Operator
    from quantvla_ros.nodes.raw_publisher import RawPublisher

BUNDLE = "policies/panda"
LOADER = "calib_tools.fault_study.wave_policy:load"
COMMANDS = "/joint_trajectory"
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
_WAIT_S = 60.0
_QUIET_S = 0.5  # without a window: nothing is commanded
_TOLERANCE = 1 + 1e-6


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
    from quantvla_ros.nodes.raw_publisher import RawPublisher

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
        study = _Study(operator, RawPublisher(operator.tap.node, SOURCES), children)
        return study.run(cases, np.random.default_rng(seed), say)


class _Study:
    def __init__(self, operator: Operator, publisher: RawPublisher, children: list[Child]) -> None:
        self._operator, self._publisher, self._children = operator, publisher, children
        self._limits = panda_limits()
        self._sound: dict[str, RawMessage] = {}
        self._time = 0.0
        self._windows: list[CommandedWindow] = []
        self._sent: set[bytes] = set()
        self._heard = time.monotonic()
        self._faults: Counter[str] = Counter()
        self._failures: list[dict[str, Any]] = []

    def run(
        self, cases: int, rng: np.random.Generator, say: Callable[[str], None]
    ) -> dict[str, Any]:
        self._operator.instruct("wave")
        self._wait(lambda: len(self._sound) == len(SOURCES), "message on every topic")
        stopped = 0
        for first in range(0, cases, BATCH):
            count = min(BATCH, cases - first)
            moving = (first // BATCH) % 2 == 0
            if moving:
                self._arm()
            self._windows.clear()
            self._send(count, rng)
            fault = self._judge(first, moving)
            stopped += count if fault else 0
            if first % 200 == 0:
                say(
                    f"messages: {first} of {cases}, {sum(self._faults.values())} stops, "
                    f"{len(self._failures)} failures"
                )
            self._recover(moving)
        return {
            "kind": "messages",
            "cases": cases,
            "accepted": cases - stopped,
            "refused": stopped,
            "failed": self._failures,
            "faults": dict(self._faults),
        }

    def _send(self, count: int, rng: np.random.Generator) -> None:
        topics = list(SOURCES)
        for _ in range(count):
            sent = False
            while not sent:
                topic = topics[int(rng.choice(len(topics), p=_WEIGHTS))]
                data = damaged(self._sound[topic], self._time, rng)
                self._sent.add(data)
                sent = self._publisher.publish(topic, data)
            deadline = time.monotonic() + _PERIOD_S
            while time.monotonic() < deadline:
                self._take(_PERIOD_S / 4)

    def _judge(self, first: int, moving: bool) -> str:
        """Note what went wrong; return the fault that stopped the arm, if one did."""
        message = self._operator.policy.diagnostics("control")[0]
        fault = message.partition(":")[0] if message.partition(":")[0].isupper() else ""
        fault = "" if fault in ("ARMED", "DRY_RUN") else fault
        if fault:
            self._faults[fault] += 1
            self._wait(lambda: time.monotonic() - self._heard > _QUIET_S, "the end of commands")
        for text in self._wrong(moving):
            self._failures.append({"case": first, "error": "command", "text": text})
        return fault

    def _wrong(self, moving: bool) -> list[str]:
        if not moving:
            return [f"{len(self._windows)} commands in dry run"] if self._windows else []
        found = []
        for name, limit in (
            ("velocities", self._limits.velocity),
            ("accelerations", self._limits.acceleration),
        ):
            values = [np.abs(getattr(w, name)) / limit for w in self._windows]
            worst = max((float(v.max()) for v in values), default=0.0)
            if not worst <= _TOLERANCE:
                found.append(f"{name} of {worst:.3f} of their limit")
        if any((w.velocities[-1] != 0).any() for w in self._windows):
            found.append("a window that does not end at rest")
        return found

    def _recover(self, moving: bool) -> None:
        """Back to dry run, whatever was sent: sound messages overwrite what was damaged."""
        for topic in ("/robot_description", "/instruction"):
            self._publisher.publish(topic, self._sound[topic].data)
        self._operator.instruct("wave")
        if self._mode() not in ("ARMED", "DRY_RUN"):
            self._until_accepted(self._operator.policy.reset_fault)
        if moving and self._mode() == "ARMED":
            self._operator.policy.arm(False)
        self._wait(lambda: self._mode() == "DRY_RUN", "dry run")
        self._wait(lambda: time.monotonic() - self._heard > _QUIET_S, "the end of commands")

    def _arm(self) -> None:
        self._until_accepted(self._operator.policy.arm)
        self._windows.clear()
        self._wait(lambda: self._windows or self._mode() != "ARMED", "commands")

    def _until_accepted(self, request: Callable[[], None]) -> None:
        def accepted() -> bool:
            try:
                request()
            except QuantVLAError:
                return False
            return True

        self._wait(accepted, "consent of the node")

    def _mode(self) -> str:
        return self._operator.policy.diagnostics("control")[0].partition(":")[0].partition(" ")[0]

    def _wait(self, event: Callable[[], Any], what: str) -> None:
        deadline = time.monotonic() + _WAIT_S
        while not event():
            self._take(0.02)
            if time.monotonic() > deadline:
                said = self._operator.policy.diagnostics("control")[0]
                raise QuantVLAError(f"No {what} within {_WAIT_S:.0f} s; the node says '{said}'.")

    def _take(self, wait_s: float) -> None:
        for child in self._children:
            child.check()
        arrival = self._operator.tap.next(wait_s)
        while arrival is not None:
            message = RawMessage(arrival.topic, arrival.msgtype, arrival.data)
            if arrival.topic == COMMANDS:
                self._heard = arrival.steady_s
                self._windows.append(commanded_window(decode(message), self._limits.names))
            elif arrival.data not in self._sent:  # our own come back to us
                self._sound[arrival.topic] = message
                if arrival.topic == "/clock":
                    clock = decode(message).clock
                    self._time = clock.sec + 1e-9 * clock.nanosec
            arrival = self._operator.tap.next(0.0)
