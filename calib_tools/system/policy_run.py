# SPDX-License-Identifier: Apache-2.0
"""One policy on the simulated robot: both nodes as processes, episodes, the node's record."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calib_tools.common.progress import Report
from calib_tools.system.episodes import Episode, run_episodes
from calib_tools.system.processes import Child, Processes
from calib_tools.system.trace import WATCHED
from quantvla_ros.backends.base import Options
from quantvla_ros.backends.registry import DEFAULT, find_backend
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.resources import shared_file

if TYPE_CHECKING:
    from quantvla_ros.nodes.operator import Operator
    from quantvla_ros.nodes.recorder import Arrival

FIRST_SEED = 7000  # scenes that no demonstration was made on
_SIMULATOR_S = 90.0  # the first start builds and caches the scene
_WARM_UP_S = 900.0  # a busy machine takes minutes
_CONFIGURE_S = _WARM_UP_S + 30.0
_TOPICS_S = 20.0
_RECORDER_S = 60.0
_POLL_S = 0.1


@dataclass(frozen=True)
class PolicyRun:
    """Episodes, watched messages, and the record that the node wrote."""

    episodes: list[Episode]
    arrivals: list[Arrival]
    node_record: dict[str, Any]


@dataclass(frozen=True)
class System:
    """Which robot and policy node to start.

    Attributes:
        name: names the logs.
        bundle: what the policy node runs.
        record_path: where it writes its record at the end.
        topics: to watch (see `Operator`).
        robot: parameters of the simulated robot.
        node: further parameters of the policy node.
        node_module: runs the policy node, as that of the package or with changes for a study.
    """

    name: str
    bundle: Path
    record_path: Path
    topics: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: WATCHED)
    robot: Mapping[str, str] = field(default_factory=dict)
    node: Mapping[str, object] = field(default_factory=dict)
    node_module: str = "quantvla_ros.nodes.policy_node"


def run_policy(
    processes: Processes,
    system: System,
    episodes: int,
    report: Report,
    recorder_arguments: Sequence[str | Path] = (),
) -> PolicyRun:
    """Start robot and policy node, run episodes, end both.

    Args:
        processes: where the children live.
        system: what to start.
        episodes: how many.
        report: shows what happens.
        recorder_arguments: when given, `quantvla` runs with them during the episodes, and gets
            Ctrl-C after the last one.

    Raises:
        QuantVLAError: a process ended, the node refused, or something did not come in time.
    """
    arrivals: list[Arrival] = []
    with robot_and_policy(processes, system, report) as (operator, children):
        recorder = None
        if recorder_arguments:
            recorder = processes.start("record", "calib_tools.cli", *recorder_arguments)
            says = recorder  # it does when it listens
            _wait(recorder, lambda: says.last_line, _RECORDER_S, "The recording")
        done = run_episodes(operator, children, episodes, arrivals, report)
        if recorder is not None:
            report("the buffer is written")
            recorder.interrupt()
            recorder.wait(_RECORDER_S)
    record = json.loads(system.record_path.read_text(encoding="utf-8"))
    return PolicyRun(done, arrivals, record)


@contextmanager
def robot_and_policy(
    processes: Processes, system: System, report: Report
) -> Iterator[tuple[Operator, list[Child]]]:
    """Both nodes running, the policy node active and in dry run; both end after the block.

    Raises:
        QuantVLAError: a process ended, the node refused, or something did not come in time.
    """
    from quantvla_ros.nodes.operator import Operator

    find_backend(DEFAULT).check(Options())
    robot = processes.start(
        f"{system.name}_sim_robot_node",
        "simulation.ros.robot_node",
        "--ros-args",
        *(word for item in system.robot.items() for word in ("-p", ":=".join(item))),
    )
    node = processes.start(f"{system.name}_policy_node", system.node_module, *_arguments(system))
    with Operator(system.topics) as operator:
        operator.instruct("")
        report("the simulated robot starts")
        _wait(robot, lambda: operator.state, _SIMULATOR_S, "The simulated robot")
        report("the policy node loads the policy")
        _while_alive(lambda: operator.policy.configure(_CONFIGURE_S), [robot, node])
        operator.policy.activate()
        operator.tap.subscribe(_TOPICS_S)
        yield operator, [robot, node]
        operator.policy.deactivate()
    processes.end(node)
    processes.end(robot)


def _arguments(system: System) -> list[str]:
    values = {
        "robot": "panda",
        "bundle": json.dumps(str(system.bundle)),
        "record_path": json.dumps(str(system.record_path)),
        "use_sim_time": "true",
        "warmup_timeout_s": str(_WARM_UP_S),
        **{name: json.dumps(value) for name, value in system.node.items()},
    }
    given = [word for key, value in values.items() for word in ("-p", f"{key}:={value}")]
    return ["--ros-args", "--params-file", str(shared_file("config/policy.yaml")), *given]


def _wait(child: Child, event: Callable[[], object], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not event():
        child.check()
        if time.monotonic() > deadline:
            raise QuantVLAError(f"{what} did not start within {seconds:.0f} s ({child.log}).")
        time.sleep(_POLL_S)


def _while_alive(action: Callable[[], None], children: Sequence[Child]) -> None:
    """Run a blocking call, but do not wait for an answer from a process that has ended."""
    failed: list[Exception] = []

    def run() -> None:
        try:
            action()
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_POLL_S)
        for child in children:
            child.check()
    if failed:
        raise failed[0]
