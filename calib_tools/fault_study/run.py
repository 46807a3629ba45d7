# SPDX-License-Identifier: Apache-2.0
"""Provoke one fault after the other on the running system and measure every stop."""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from calib_tools.buffer.messages import RawMessage, decode
from calib_tools.demo.policy_run import robot_and_policy
from calib_tools.demo.processes import Child, Processes, own_ros_domain
from calib_tools.demo.progress import Say
from calib_tools.demo.trace import JOINT_STATE_TYPE, TRAJECTORY_TYPE
from calib_tools.evaluation.closed_loop import panda_limits
from calib_tools.fault_study.commanded import CommandedWindow, commanded_window
from calib_tools.fault_study.scenarios import SCENARIOS, Scene
from calib_tools.fault_study.stop import measure
from calib_tools.fault_study.wave_policy import FREQUENCY_HZ, MODE_VARIABLE
from calib_tools.resources import shared_file
from quantvla_ros.control.faults import FaultCode
from quantvla_ros.errors import QuantVLAError

if TYPE_CHECKING:
    from quantvla_ros.nodes.operator import Operator

BUNDLE = "policies/panda"
PARAMETERS = {
    "loader": "calib_tools.fault_study.wave_policy:load",
    "inference_timeout_s": 0.6,  # with the default the chunk under way runs out first
}
_TOPICS = {
    "/joint_trajectory": (TRAJECTORY_TYPE,),
    "/joint_states": (JOINT_STATE_TYPE,),
}
_WAIT_S = 60.0  # a busy machine
_FAST = 0.1  # share of its limit at which the fastest joint counts as moving
_STANDS = 0.01  # rad/s or m/s, measured
_PERIOD_S = 1 / FREQUENCY_HZ
_QUIET_S = 0.5  # without a window: nothing is commanded any more


def study(
    codes: Sequence[FaultCode], kills: int, logs: Path, say: Say
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Provoke the faults, then kill the inference process at random moments.

    Returns a row for each stop: its figures and what came after it; of the kills without curves.

    Args:
        codes: which faults, in order.
        kills: how many.
        logs: directory for the processes' logs.
        say: shows what happens.

    Raises:
        QuantVLAError: a process ended, or something that must come did not.
    """
    from quantvla_ros.nodes.disturber import Disturber

    with tempfile.TemporaryDirectory() as scratch, own_ros_domain() as environment:
        mode = Path(scratch) / "mode"
        environment[MODE_VARIABLE] = str(mode)
        mode.write_text("")
        with (
            Processes(logs, environment) as processes,
            robot_and_policy(
                processes, "study", shared_file(BUNDLE), Path(scratch) / "record.json", _TOPICS,
                {}, say, compiled=False, more=PARAMETERS,
            ) as (operator, children),
        ):  # fmt: skip
            disturber = Disturber(operator.tap.node)
            study = _Study(Scene(operator, disturber, mode), children)
            try:
                stops = [study.provoke(code, say) for code in codes]
                return stops, [study.kill(number, kills, say) for number in range(kills)]
            finally:
                disturber.heal()


class _Study:
    """The running system and what was commanded since the last arming."""

    def __init__(self, scene: Scene, children: list[Child]) -> None:
        self._scene = scene
        self._operator: Operator = scene.operator
        self._children = children
        self._limits = panda_limits()
        self._windows: list[CommandedWindow] = []
        self._measured = np.full(len(self._limits.names), np.inf)
        self._last_window = time.monotonic()

    def kill(self, number: int, of: int, say: Say) -> dict[str, Any]:
        """Provoke WORKER_DIED at a random moment of the wave."""
        say(f"kill {number + 1} of {of}")
        row = self.provoke(FaultCode.WORKER_DIED, lambda _: None, random.uniform(0.0, _PERIOD_S))
        del row["curve"]
        return row

    def provoke(self, code: FaultCode, say: Say, after_s: float = 0.0) -> dict[str, Any]:
        """Bring the arm to motion, provoke the fault, wait for rest, reset, and move again."""
        scenario = SCENARIOS[code]
        say(f"{code.value}: {scenario.text}")
        self._bring_to_motion()
        moment = self._scene.disturber.time + after_s
        self._wait(lambda: self._scene.disturber.time >= moment, "moment to provoke")
        begun = self._scene.disturber.time
        scenario.provoke(self._scene)
        message = self._wait(lambda: self._message(code.value), f"{code.value}")
        stamp = float(self._operator.policy.diagnostics("control")[1]["fault_time_s"])
        if stamp > self._scene.disturber.time:
            stamp = begun  # the node's clock had jumped ahead
        self._wait(lambda: time.monotonic() - self._last_window > _QUIET_S, "the end of commands")
        stop = measure(self._windows, stamp, self._limits)
        self._scene.heal()
        rests = self._wait(lambda: bool((self._measured < _STANDS).all()), "rest")
        self._operator.policy.reset_fault()
        self._bring_to_motion()
        self._stop()
        return {
            "code": code.value,
            "provoked_by": scenario.text,
            "message": message,
            "raised_after_s": stamp - begun,
            **asdict(stop),
            "measured_at_rest": rests,
            "resumed_after_reset": True,
        }

    def _bring_to_motion(self) -> None:
        self._operator.instruct("wave")
        self._wait(lambda: self._operator.policy.diagnostics("inputs")[0] == "fresh", "inputs")
        self._wait(lambda: bool((self._measured < _STANDS).all()), "rest")
        self._windows.clear()
        if not self._message("ARMED"):
            self._operator.policy.arm()
        self._wait(self._moves, "motion")

    def _stop(self) -> None:
        self._operator.policy.arm(False)
        self._wait(lambda: self._message("DRY_RUN"), "dry run")

    def _moves(self) -> bool:
        if not self._windows:
            return False
        speeds = np.abs(self._windows[-1].velocities[0]) / self._limits.velocity
        return bool(speeds.max() > _FAST)

    def _message(self, begin: str) -> str:
        message = self._operator.policy.diagnostics("control")[0]
        return message if message.startswith(begin) else ""

    def _wait(self, event: Callable[[], Any], what: str) -> Any:
        deadline = time.monotonic() + _WAIT_S
        while True:
            self._take()
            value = event()
            if value:
                return value
            for child in self._children:
                child.check()
            if time.monotonic() > deadline:
                said = self._operator.policy.diagnostics("control")[0]
                raise QuantVLAError(f"No {what} within {_WAIT_S:.0f} s; the node says '{said}'.")

    def _take(self) -> None:
        """Take what has arrived; waits a moment for the first."""
        arrival = self._operator.tap.next(0.02)
        while arrival is not None:
            message = decode(RawMessage(arrival.topic, arrival.msgtype, arrival.data))
            if arrival.topic == "/joint_trajectory":
                self._last_window = arrival.steady_s
                self._windows.append(commanded_window(message, self._limits.names))
            else:
                by_name = dict(zip(message.name, message.velocity, strict=True))
                self._measured = np.abs([by_name[name] for name in self._limits.names])
            arrival = self._operator.tap.next(0.0)


def machine() -> dict[str, Any]:
    """What the record says of the machine."""
    from quantvla_ros.backends.fingerprint import cpu_kind

    return {"cpu": cpu_kind(), "cores": os.cpu_count(), "load": os.getloadavg()[0]}
