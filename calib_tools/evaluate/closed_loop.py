# SPDX-License-Identifier: Apache-2.0
"""One episode through the node's control code, in process, as fast as the machine allows.

Splicer, limits, windows and the controller of the simulated robot are those that run over ROS;
only topics, threads and the inference process are left out. The inference latency is simulated,
so a run repeats exactly, and a slower policy pays for its slowness.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import yaml

from calib_tools.common.resources import shared_file
from calib_tools.common.setpoints import ControllerSetup, window_trajectory
from calib_tools.evaluate.outcome import Outcome, grounding
from calib_tools.evaluate.smoothness import path_length, rms_jerk
from quantvla_ros.backends.base import RunningPolicy
from quantvla_ros.control.config import MotionConfig
from quantvla_ros.control.limits import FloatArray, JointLimits, limits_from_urdf
from quantvla_ros.control.motion import MotionController
from quantvla_ros.control.window import Window
from quantvla_ros.robot.action_prefix import ActionPrefix
from quantvla_ros.robot.chunk import draw_noise
from quantvla_ros.robot.observation import Observation
from simulation.robot import JOINT_NAMES, SimulatedRobot
from simulation.tasks.task import Goal
from simulation.urdf import panda_urdf

PERIOD_S = 0.02
"""Control period: the node's default rate of 50 Hz."""

MAX_EPISODE_S = 12.0

_ARM = slice(0, 7)  # the joints in rad; the finger is in m


def panda_limits() -> JointLimits:
    """Limits of the simulated robot: from its URDF and config/panda_limits.yaml."""
    content = yaml.safe_load(shared_file("config/panda_limits.yaml").read_text(encoding="utf-8"))
    rows = content["/**"]["ros__parameters"]["joint_limits"]
    return limits_from_urdf(
        panda_urdf(),
        JOINT_NAMES,
        {name: row["max_acceleration"] for name, row in rows.items()},
        {name: row["max_jerk"] for name, row in rows.items()},
    )


@dataclass
class _Inference:
    """A chunk on its way: computed already, handed over when its time has come."""

    due: float
    stamp: float
    actions: FloatArray


@dataclass
class ClosedLoop:
    """Plays episodes of one policy on one robot.

    Attributes:
        robot: is reset for every episode.
        policy: asked for chunks.
        latency: returns the age (s) of an observation when its chunk arrives; asked once a chunk.
        config: of the motion controller.
        continues: whether the policy is told what the arm does while it computes.
        before_step: called with the simulation time (s) before each control step.
        setup: of the robot's trajectory controller.
        on_window: called with the time (s) and the window of each control step that has one.
    """

    robot: SimulatedRobot
    policy: RunningPolicy
    latency: Callable[[], float]
    config: MotionConfig = field(default_factory=MotionConfig)
    continues: bool = False
    before_step: Callable[[float], None] | None = None
    setup: ControllerSetup = field(default_factory=ControllerSetup)
    on_window: Callable[[float, Window], None] | None = None
    _limits: JointLimits = field(default_factory=panda_limits)
    _forget: bool = False

    def change_goal(self, goal: Goal) -> None:
        """Ask for something else from now on, as an operator does; old chunks are dropped."""
        self.robot.task.goal = goal
        self._forget = True

    def play(
        self,
        seed: int,
        goal: int | None = None,
        wording: int | None = None,
        max_seconds: float = MAX_EPISODE_S,
    ) -> Outcome:
        """Play the scene of ``seed`` until success, a fault or ``max_seconds``.

        Args:
            seed: scene and flow noise.
            goal: index into the scene's goals, modulo their number; from the seed when None.
            wording: of the instruction (see `SimulatedRobot.reset`).
            max_seconds: simulation time after which the episode has failed.
        """
        robot = self.robot
        robot.reset(seed, goal, wording)
        motion = MotionController(self._limits, PERIOD_S, self.config)
        controller = self.setup.controller(JOINT_NAMES, robot.commanded)

        def setpoint(time: float) -> FloatArray:
            return controller.setpoint(time, (robot.positions, robot.velocities))

        motion.activate(robot.time)
        motion.observe_joints(robot.time, robot.positions, robot.velocities)
        motion.arm(robot.time)
        inference: _Inference | None = None
        chunks = 0
        self._forget = False
        positions, velocities = [robot.positions], [robot.velocities]
        # Half a step of tolerance: the physics' time is a sum of floats.
        while robot.time < max_seconds - PERIOD_S / 2 and motion.fault is None:
            if robot.success():
                break
            now = robot.time
            if self.before_step is not None:
                self.before_step(now)
            if self._forget:
                motion.drop_chunks(now)
                inference, self._forget = None, False
            motion.observe_joints(now, positions[-1], velocities[-1])
            if inference is not None and now >= inference.due:
                motion.note_latency(now - inference.stamp)
                motion.offer_chunk(inference.actions, inference.stamp, self._dt)
                inference = None
            if inference is None and motion.wants_chunk(now):
                inference = self._infer(seed, chunks, self._prefix(motion))
                chunks += 1
            window = motion.tick(now)
            if window is not None:
                if self.on_window is not None:
                    self.on_window(now, window)
                controller.submit(window_trajectory(window, JOINT_NAMES, 0.0), now)
            robot.advance(PERIOD_S, setpoint)
            positions.append(robot.positions)
            velocities.append(robot.velocities)
        return Outcome(
            instruction=robot.instruction,
            success=robot.success(),
            seconds=round(robot.time, 2),
            grounding=grounding(robot.task.goal.object, robot.first_moved),
            first_moved=robot.first_moved,
            chunks=chunks,
            fault=motion.fault.code.value if motion.fault is not None else None,
            path_rad=round(path_length(np.stack(positions)[:, _ARM]), 4),
            jerk_rad_s3=round(rms_jerk(np.stack(velocities)[:, _ARM], 1 / PERIOD_S), 3),
            boundary_jump=round(motion.metrics.boundary_jump, 6),
            chunk_gap=round(motion.metrics.chunk_gap, 5),
            clamped=sum(motion.clamped.values()),
            limited=sum(motion.limited.values()),
        )

    @property
    def _dt(self) -> float:
        return self.policy.manifest.interface.dt

    def _prefix(self, motion: MotionController) -> ActionPrefix | None:
        if not self.continues:
            return None
        now, interface = self.robot.time, self.policy.manifest.interface
        rows = motion.committed(now, interface.dt, interface.horizon, now)
        return None if rows is None else ActionPrefix(rows.points, rows.committed)

    def _infer(self, seed: int, count: int, prefix: ActionPrefix | None) -> _Inference:
        now = self.robot.time
        observation = Observation(
            images=self.robot.render(),
            joints=self.robot.positions.astype(np.float32),
            instruction=self.robot.instruction,
            stamp=now,
        )
        actions = self.policy.infer(
            observation, draw_noise(self.policy.manifest, seed, count), prefix
        ).actions
        return _Inference(now + self.latency(), now, np.asarray(actions, np.float64))
