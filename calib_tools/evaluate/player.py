# SPDX-License-Identifier: Apache-2.0
"""Plays jobs in process: holds policies and robots, which take long to load."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from calib_tools.common.setpoints import ControllerSetup
from calib_tools.evaluate.closed_loop import ClosedLoop
from calib_tools.evaluate.jobs import Job
from calib_tools.evaluate.outcome import Outcome
from calib_tools.evaluate.variants import load_variant
from calib_tools.system.animation import animation
from calib_tools.system.trace import Frame
from quantvla_ros.whole_file import write_file
from simulation.robot import SimulatedRobot

if TYPE_CHECKING:
    from quantvla_ros.backends.policy import Policy

FRAME_S = 0.1
_GIF_BYTES = 700_000
_MOST_ROBOTS = 4  # each holds a model and its GL contexts


class Player:
    """Plays one job after the other, always from the same thread (it renders)."""

    def __init__(self) -> None:
        """Nothing is loaded yet."""
        self._policies: dict[tuple[str, int | None], Policy] = {}
        self._robots: OrderedDict[tuple[str, tuple[str, ...]], SimulatedRobot] = OrderedDict()

    def play(self, job: Job) -> Outcome:
        """Play it, and write its GIF where one is wanted.

        Raises:
            QuantVLAError: the bundle was changed, or the simulator is not installed.
        """
        robot, policy = self._robot(job), self._policy(job)
        loop = ClosedLoop(
            robot,
            policy,
            lambda: job.latency_s,
            continues=job.variant.continues,
            setup=ControllerSetup(rate_hz=job.controller_rate_hz),
        )
        frames: list[Frame] = []

        def take_picture(now: float) -> None:
            if not frames or now >= frames[-1].stamp + FRAME_S - 1e-6:
                images = robot.render()
                frames.append(Frame(now, images["front"], images["wrist"], robot.instruction))

        if job.picture is not None:
            loop.before_step = take_picture
        episode = job.episode
        outcome = loop.play(episode.seed, episode.goal, episode.wording, job.max_seconds)
        if job.picture is not None:
            take_picture(robot.time + FRAME_S)  # the end, whenever it came
            write_file(job.picture, animation(frames, _GIF_BYTES))
        return outcome

    def close(self) -> None:
        """Free the GL contexts."""
        while self._robots:
            self._robots.popitem()[1].close()

    def _policy(self, job: Job) -> Policy:
        key = (job.variant.label, job.denoise_steps)
        if key not in self._policies:
            self._policies[key] = load_variant(job.variant, job.denoise_steps)
        return self._policies[key]

    def _robot(self, job: Job) -> SimulatedRobot:
        key = (job.episode.task, job.episode.shifts)
        if key not in self._robots:
            while len(self._robots) >= _MOST_ROBOTS:
                self._robots.popitem(last=False)[1].close()
            self._robots[key] = SimulatedRobot(*key)
        self._robots.move_to_end(key)
        return self._robots[key]
