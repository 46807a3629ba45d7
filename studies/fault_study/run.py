# SPDX-License-Identifier: Apache-2.0
"""Provoke one fault after the other on the running system and measure every stop."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from calib_tools.buffer.messages import RawMessage, decode
from calib_tools.common.panda_limits import panda_limits
from calib_tools.common.progress import Report
from calib_tools.common.ros_domain import own_ros_domain
from calib_tools.common.setpoints import Setpoints
from calib_tools.system.policy_run import System, robot_and_policy
from calib_tools.system.processes import Child, Processes
from calib_tools.system.trace import JOINT_STATE_TYPE, SETPOINTS, TRAJECTORY_TYPE
from quantvla_ros.control.faults import FaultCode
from quantvla_ros.control.limits import JointLimits
from quantvla_ros.resources import shared_file
from simulation.robot import JOINT_NAMES
from studies.driven_system import COMMANDS, DrivenSystem
from studies.fault_study.scenarios import SCENARIOS, Scene
from studies.fault_study.wave_policy import (
    BACKEND,
    FREQUENCY_HZ,
    INSTRUCTION,
    MODE_VARIABLE,
    next_fastest,
    with_wave,
)

_STILL = 1e-4
"""Below this share of its velocity limit a commanded joint stands."""
_SHOWN_S = 0.02  # from point to point of a curve


@dataclass(frozen=True)
class Stop:
    """Figures of one stop; ratios are of the largest value of a setpoint to the joint's limit.

    Attributes:
        speed_ratio: when the fault was raised.
        stop_s: from then until the setpoints stand.
        acceleration_ratio: from the fault on.
        velocity_ratio: from the fault on.
        jerk_ratio: from the fault on.
        rests: whether the last setpoints stand.
        curve: time after the fault (s) and velocities (rad/s or m/s) of the joints.
    """

    speed_ratio: float
    stop_s: float
    acceleration_ratio: float
    velocity_ratio: float
    jerk_ratio: float
    rests: bool
    curve: dict[str, Any]


def measure(setpoints: Setpoints, fault: float, limits: JointLimits) -> Stop:
    """Measure the stop that began at time ``fault`` (s, ROS clock).

    Raises:
        ValueError: no setpoints from before and after the fault.
    """
    times = setpoints.times
    if not (times[:1] < fault).any() or not (times[-1:] > fault).any():
        raise ValueError("the controller's setpoints around the fault were not heard")
    velocities, _, _ = setpoints.rates()
    speeds = np.abs(velocities) / limits.velocity
    at_fault = int(np.searchsorted(times, fault)) - 1
    after = Setpoints(times[at_fault:], setpoints.positions[at_fault:]).shares(limits)
    moving = np.flatnonzero((speeds > _STILL).any(axis=1) & (times[1:] > fault))
    end = float(times[moving[-1] + 1]) if len(moving) else fault
    every = max(round(_SHOWN_S / float(np.median(np.diff(times)))), 1)
    shown = np.flatnonzero((times[1:] >= fault - 0.5) & (times[1:] <= end + 0.2))[::every]
    return Stop(
        speed_ratio=float(speeds[max(at_fault - 1, 0)].max()),
        stop_s=max(end - fault, 0.0),
        acceleration_ratio=after.acceleration,
        velocity_ratio=after.velocity,
        jerk_ratio=after.jerk,
        rests=bool((speeds[-1] <= _STILL).all()),
        curve={
            "time_s": np.round(times[1:][shown] - fault, 4).tolist(),
            "velocities": np.round(velocities[shown], 5).tolist(),
        },
    )


BUNDLE = "policies/panda"
GRIPPER, GRIPPER_TOPIC = "forward_command", "/study_gripper/commands"
"""The gripper has a controller of its own, which the disturber stands for: it can go away."""
PARAMETERS = {
    "backend": BACKEND.name,
    # The chunk under way must outlast whatever is to be raised: else it runs out first.
    "inference_timeout_s": 0.25,
    "execute_steps": 4,
    "gripper_type": GRIPPER,
    "gripper_joint": JOINT_NAMES[-1],
    "gripper_output": GRIPPER_TOPIC,
}
_TOPICS = {
    COMMANDS: (TRAJECTORY_TYPE,),
    SETPOINTS: (TRAJECTORY_TYPE,),
    "/joint_states": (JOINT_STATE_TYPE,),
}
_FAST = 0.1  # share of its limit at which the fastest joint counts as moving
_STANDS = 0.01  # rad/s or m/s, measured
_BLENDED_S = 0.5  # after the first motion: on the wave itself
_PERIOD_S = 1 / FREQUENCY_HZ


def study(
    codes: Sequence[FaultCode], kills: int, logs: Path, report: Report
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Provoke the faults, then kill the inference process at random moments.

    Returns a row for each stop: its figures and what came after it; of the kills without curves.

    Raises:
        QuantVLAError: a process ended, or something that must come did not.
    """
    from studies.fault_study.disturber import Disturber

    with tempfile.TemporaryDirectory() as scratch, own_ros_domain() as environment:
        mode = Path(scratch) / "mode"
        environment = {**with_wave(environment), MODE_VARIABLE: str(mode)}
        mode.write_text("")
        with (
            Processes(logs, environment) as processes,
            robot_and_policy(
                processes,
                System(
                    "study", shared_file(BUNDLE), Path(scratch) / "record.json", _TOPICS,
                    robot={"gripper_type": GRIPPER}, node=PARAMETERS,
                ),
                report,
            ) as (operator, children),
        ):  # fmt: skip
            disturber = Disturber(operator.tap.node, GRIPPER_TOPIC)
            study = _Study(Scene(operator, disturber, mode), children)
            try:
                stops = [study.provoke(code, report) for code in codes]
                return stops, [study.kill(number, kills, report) for number in range(kills)]
            finally:
                disturber.heal()


class _Study(DrivenSystem):
    """The running system, and whether the arm stands."""

    def __init__(self, scene: Scene, children: list[Child]) -> None:
        super().__init__(scene.operator, children, panda_limits(JOINT_NAMES[:-1]))
        self._scene = scene
        self._measured = np.full(len(self.limits.names), np.inf)

    def kill(self, number: int, of: int, report: Report) -> dict[str, Any]:
        """Provoke WORKER_DIED at a random moment of the wave."""
        report(f"kill {number + 1} of {of}")
        row = self.provoke(FaultCode.WORKER_DIED, lambda _: None, at_random=True)
        del row["curve"]
        return row

    def provoke(self, code: FaultCode, report: Report, at_random: bool = False) -> dict[str, Any]:
        """Bring the arm to motion, provoke the fault, wait for rest, reset, and move again.

        The fault should meet the arm where its wave is fastest; or `at_random` anywhere on it.
        """
        scenario = SCENARIOS[code]
        report(f"{code.value}: {scenario.text}")
        self._bring_to_motion()
        scenario.prepare(self._scene)
        now = self._scene.disturber.time
        if at_random:
            moment = now + random.uniform(0.0, _PERIOD_S)
        else:
            moment = next_fastest(now + _BLENDED_S + scenario.takes_s) - scenario.takes_s
        self.wait(lambda: self._scene.disturber.time >= moment, "moment to provoke")
        begun = self._scene.disturber.time
        scenario.provoke(self._scene)
        message = self.wait(lambda: self._says(code.value), code.value)
        stamp = float(self.figures["fault_time_s"])
        self.until_quiet()
        if stamp > self._scene.disturber.time:
            stamp = begun  # the node's clock had jumped ahead
        self._scene.heal()
        rests = self.wait(lambda: bool((self._measured < _STANDS).all()), "rest")
        # Not before: a slow simulation still executes what was commanded last.
        stop = measure(self.setpoints.newest(), stamp, self.limits)
        scenario.recover(self._scene)
        self.operator.policy.reset_fault()
        self._bring_to_motion()
        self.operator.policy.rest()
        return {
            "code": code.value,
            "provoked_by": scenario.text,
            "message": message,
            "raised_after_s": stamp - begun,
            **asdict(stop),
            "measured_at_rest": rests,
            "resumed_after_reset": True,
        }

    def heard(self, message: RawMessage) -> None:
        """Note how fast the joints are."""
        state = decode(message)
        by_name = dict(zip(state.name, state.velocity, strict=True))
        self._measured = np.abs([by_name[name] for name in self.limits.names])

    def _bring_to_motion(self) -> None:
        self.operator.instruct(INSTRUCTION)
        self.wait(lambda: self.operator.policy.diagnostics("inputs")[0] == "fresh", "fresh inputs")
        self.wait(lambda: bool((self._measured < _STANDS).all()), "rest")
        self.windows.clear()
        self.setpoints.clear()
        if not self._says("ARMED"):
            self.until_accepted(self.operator.policy.arm)  # the arm may still swing a little
        self.wait(self._moves, "motion")

    def _moves(self) -> bool:
        if not self.windows:
            return False
        speeds = np.abs(self.windows[-1].velocities[0]) / self.limits.velocity
        return bool(speeds.max() > _FAST)

    def _says(self, begin: str) -> str:
        message = self.message
        return message if message.startswith(begin) else ""
