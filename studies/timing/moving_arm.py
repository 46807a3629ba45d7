# SPDX-License-Identifier: Apache-2.0
"""A policy that moves the simulated robot for as long as a study needs it."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from calib_tools.common.progress import Report
from calib_tools.common.ros_domain import own_ros_domain
from calib_tools.system.policy_run import System, robot_and_policy
from calib_tools.system.processes import Child, Processes
from quantvla_ros.backends.registry import DEFAULT
from studies.driven_system import DrivenSystem

if TYPE_CHECKING:
    from quantvla_ros.nodes.operator import Operator

NODE = "quantvla_ros.nodes.policy_node"
TASK_S = 20.0
_POLL_S = 0.05


class MovingArm(DrivenSystem):
    """An armed policy node on the simulated robot; each scene ends with success or `TASK_S`."""

    def __init__(self, operator: Operator, robot: Child, node: Child) -> None:
        """Take the running system."""
        super().__init__(operator, [robot, node])
        self.node = node
        self._task_begun = 0.0

    def run(self, seconds: float, each_s: float, look: Callable[[float], None]) -> None:
        """Let it work so long; `look` is called with the seconds gone, every `each_s`.

        Raises:
            QuantVLAError: a process ended, or the node cannot be armed.
        """
        begin = time.monotonic()
        due = 0.0
        self.start_task()
        while (gone := time.monotonic() - begin) < seconds:
            if gone >= due:
                look(gone)
                due += each_s
            self.check()
            # Left alone with a scene that it has lost, a policy asks for what no arm can do.
            over = time.monotonic() - self._task_begun > TASK_S
            if over or self.fault or self.operator.state.get("success"):
                self.start_task()
            self.take(_POLL_S)

    def start_task(self) -> None:
        """Bring the arm to rest, reset the scene, ask for its task, and arm."""
        self.operator.instruct("")
        self.operator.policy.rest()
        state = self.operator.reset_scene()
        self.operator.instruct(state["instruction"])
        self.recover()
        self._task_begun = time.monotonic()

    def recover(self) -> None:
        """Leave a fault, if there is one, and arm; what caused it has ended."""
        if self.fault:
            self.until_accepted(self.operator.policy.reset_fault)
        self.until_accepted(self.operator.policy.arm)


@contextmanager
def moving_arm(
    bundle: Path,
    rate_hz: float,
    logs: Path,
    report: Report,
    node_module: str = NODE,
    topics: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    backend: str = DEFAULT,
) -> Iterator[tuple[MovingArm, dict[str, Any]]]:
    """Robot and policy node as processes; the dictionary is the node's record after the block."""
    record: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "record.json"
        with (
            own_ros_domain() as environment,
            Processes(logs, environment) as processes,
            robot_and_policy(
                processes,
                System(
                    node_module.rpartition(".")[2], bundle, path, topics,
                    node={"control_rate_hz": float(rate_hz), "backend": backend},
                    node_module=node_module,
                ),
                report,
            ) as (operator, (robot, node)),
        ):  # fmt: skip
            yield MovingArm(operator, robot, node), record
        record.update(json.loads(path.read_text(encoding="utf-8")))
