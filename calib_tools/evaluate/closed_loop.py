# SPDX-License-Identifier: Apache-2.0
"""One episode through the policy node's own session, in process, as fast as the machine allows.

Arming, schedule, limits, windows, control loop and supervision are what runs over ROS, and so is
the controller of the simulated robot; only topics, threads and the inference process are left out.
The inference latency is simulated, so a run repeats exactly, and a slower policy pays for its
slowness.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from calib_tools.common.setpoints import ControllerSetup
from calib_tools.evaluate.outcome import Outcome, grounding
from calib_tools.evaluate.simulated_parts import Heard
from calib_tools.evaluate.simulated_session import SimulatedSession
from calib_tools.evaluate.smoothness import path_length, rms_jerk
from quantvla_ros.backends.base import RunningPolicy
from quantvla_ros.serving.parameter_model import PolicyNodeParameters
from simulation.robot import SimulatedRobot
from simulation.tasks.task import Goal

PARAMETERS = PolicyNodeParameters(camera_check="ignore")
"""The node's defaults, but cameras may look unlike the calibration: some shifts are about that."""
PERIOD_S = 1.0 / PARAMETERS.control_rate_hz
MAX_EPISODE_S = 12.0

_ARM = slice(0, 7)  # the joints in rad; the finger is in m


@dataclass
class ClosedLoop:
    """Plays episodes of one policy on one robot.

    Attributes:
        robot: is reset for every episode.
        policy: asked for chunks.
        latency: returns the age (s) of an observation when its chunk arrives; asked once a chunk.
        continues: whether the policy receives the committed actions (real-time chunking).
        before_step: called with the simulation time (s) before each control step.
        setup: of the robot's trajectory controller.
        on_window: receives each window.
    """

    robot: SimulatedRobot
    policy: RunningPolicy
    latency: Callable[[], float]
    continues: bool = False
    before_step: Callable[[float], None] | None = None
    setup: ControllerSetup = field(default_factory=ControllerSetup)
    on_window: Heard | None = None
    _playing: SimulatedSession | None = None

    def change_goal(self, goal: Goal) -> None:
        """Ask for something else from now on, as an operator does; old chunks are dropped."""
        self.robot.task.goal = goal
        if self._playing is not None:
            self._playing.inputs.instruct(self.robot.instruction)

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

        Raises:
            QuantVLAError: a node would refuse to arm, or the policy its inputs.
        """
        robot = self.robot
        robot.reset(seed, goal, wording)
        changes = {"seed": seed, "realtime_chunking": self.continues}
        parameters = PARAMETERS.model_copy(update=changes)
        playing = self._playing = SimulatedSession(
            robot, self.policy, parameters, self.latency, self.setup, self.on_window
        )
        playing.arm()
        motion = playing.session.motion
        positions, velocities = [robot.positions], [robot.velocities]
        # Half a step of tolerance: the physics' time is a sum of floats.
        while robot.time < max_seconds - PERIOD_S / 2 and motion.fault is None:
            if robot.success():
                break
            if self.before_step is not None:
                self.before_step(robot.time)
            playing.step(PERIOD_S)
            positions.append(robot.positions)
            velocities.append(robot.velocities)
        return Outcome(
            instruction=robot.instruction,
            success=robot.success(),
            seconds=round(robot.time, 2),
            grounding=grounding(robot.task.goal.object, robot.first_moved),
            first_moved=robot.first_moved,
            chunks=playing.worker.asked,
            fault=motion.fault.code.value if motion.fault is not None else None,
            path_rad=round(path_length(np.stack(positions)[:, _ARM]), 4),
            jerk_rad_s3=round(rms_jerk(np.stack(velocities)[:, _ARM], 1 / PERIOD_S), 3),
            boundary_jump=round(motion.metrics.boundary_jump, 6),
            chunk_gap=round(motion.metrics.chunk_gap, 5),
            clamped=sum(motion.clamped.values()),
            limited=sum(motion.limited.values()),
        )
