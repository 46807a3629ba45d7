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

from calib_tools.resources import shared_file
from quantvla_ros.backends.policy import Policy
from quantvla_ros.bundle.chunk import draw_noise
from quantvla_ros.bundle.observation import Observation
from quantvla_ros.control.config import MotionConfig
from quantvla_ros.control.limits import FloatArray, JointLimits, limits_from_urdf
from quantvla_ros.control.motion import MotionController
from quantvla_ros.control.window import Window
from quantvla_ros.sim.robot import JOINT_NAMES, SimulatedRobot
from quantvla_ros.sim.trajectory_controller import (
    JointTrajectory,
    TrajectoryController,
    TrajectoryPoint,
)
from quantvla_ros.sim.urdf import panda_urdf

PERIOD_S = 0.02
"""Control period: the node's default rate of 50 Hz."""

MAX_EPISODE_S = 12.0


def panda_limits() -> JointLimits:
    """Limits of the simulated robot: from its URDF and config/panda_limits.yaml."""
    content = yaml.safe_load(shared_file("config/panda_limits.yaml").read_text())
    rows = content["/**"]["ros__parameters"]["joint_limits"]
    return limits_from_urdf(
        panda_urdf(),
        JOINT_NAMES,
        {name: row["max_acceleration"] for name, row in rows.items()},
        {name: row["max_jerk"] for name, row in rows.items()},
    )


@dataclass(frozen=True)
class Episode:
    """How an episode ended."""

    seed: int
    target: str
    success: bool
    first_lifted: str | None
    seconds: float
    chunks: int
    fault: str | None


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
        before_step: called with the simulation time (s) before each control step.
    """

    robot: SimulatedRobot
    policy: Policy
    latency: Callable[[], float]
    config: MotionConfig = field(default_factory=MotionConfig)
    before_step: Callable[[float], None] | None = None
    _limits: JointLimits = field(default_factory=panda_limits)
    _forget: bool = False

    def change_target(self, name: str) -> None:
        """Name another object from now on, as an operator does; old chunks are dropped."""
        self.robot.task.target = name
        self._forget = True

    def play(
        self, seed: int, target: str | None = None, max_seconds: float = MAX_EPISODE_S
    ) -> Episode:
        """Play the scene of ``seed`` until success, a fault or ``max_seconds``.

        Args:
            seed: scene and flow noise.
            target: object that the instruction names; drawn from the seed when None.
            max_seconds: simulation time after which the episode has failed.

        Raises:
            QuantVLAError: the object is not in this scene.
        """
        robot = self.robot
        robot.reset(seed, target)
        motion = MotionController(self._limits, PERIOD_S, self.config)
        controller = TrajectoryController(JOINT_NAMES, robot.commanded)
        motion.activate(robot.time)
        motion.observe_joints(robot.time, robot.positions, robot.velocities)
        motion.arm(robot.time)
        inference: _Inference | None = None
        chunks = 0
        self._forget = False
        while robot.time < max_seconds and not robot.success() and motion.fault is None:
            now = robot.time
            if self.before_step is not None:
                self.before_step(now)
            if self._forget:
                motion.drop_chunks(now)
                inference, self._forget = None, False
            motion.observe_joints(now, robot.positions, robot.velocities)
            if inference is not None and now >= inference.due:
                motion.note_latency(now - inference.stamp)
                motion.offer_chunk(inference.actions, inference.stamp, self._dt)
                inference = None
            if inference is None and motion.wants_chunk(now):
                inference = self._infer(seed, chunks)
                chunks += 1
            window = motion.tick(now)
            if window is not None:
                controller.submit(_trajectory(window), now)
            robot.advance(PERIOD_S, lambda t: controller.sample(t)[0])
        return Episode(
            seed,
            robot.task.target,
            robot.success(),
            robot.first_lifted,
            round(robot.time, 2),
            chunks,
            motion.fault.code.value if motion.fault is not None else None,
        )

    @property
    def _dt(self) -> float:
        return self.policy.manifest.interface.dt

    def _infer(self, seed: int, count: int) -> _Inference:
        now = self.robot.time
        observation = Observation(
            images=self.robot.render(),
            joints=self.robot.positions.astype(np.float32),
            instruction=self.robot.task.instruction,
            stamp=now,
        )
        actions = self.policy.infer(
            observation, draw_noise(self.policy.manifest, seed, count)
        ).actions
        return _Inference(now + self.latency(), now, np.asarray(actions, np.float64))


def _trajectory(window: Window) -> JointTrajectory:
    points = [
        TrajectoryPoint(float(t), p, v, a)
        for t, p, v, a in zip(
            window.times_from_start,
            window.positions,
            window.velocities,
            window.accelerations,
            strict=True,
        )
    ]
    return JointTrajectory(JOINT_NAMES, points, window.stamp)
