# SPDX-License-Identifier: Apache-2.0
"""What has arrived last from the robot, and the choice of one synchronous set of it. No ROS."""

from __future__ import annotations

import math
import threading
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

HISTORY_S = 2.0
"""Joint states are kept this long, so that one of a frame's own time can be found."""


@dataclass(frozen=True)
class Frame:
    """A camera message as it came in, not decoded.

    Attributes:
        stamp: s, of the message's header.
        data: the serialized message.
    """

    stamp: float
    data: bytes


@dataclass(frozen=True)
class JointSample:
    """Positions and velocities of all joints in the policy's order (rad, m; rad/s, m/s)."""

    stamp: float
    positions: FloatArray
    velocities: FloatArray


@dataclass(frozen=True)
class Gates:
    """Limits for the inputs of one observation, in s."""

    camera_age: float
    joint_age: float
    skew: float


@dataclass(frozen=True)
class Choice:
    """One frame of each camera and the joint state of their time."""

    frames: Mapping[str, Frame]
    joints: JointSample
    instruction: str
    generation: int


class InputBuffer:
    """Newest frame of every camera, recent joint states, the instruction; safe for threads.

    Drivers may publish some joints in one message and the others in another (arm and gripper):
    a sample is complete when every joint has come, and as old as its oldest joint.
    """

    def __init__(self, cameras: Sequence[str], joints: Sequence[str]) -> None:
        """Make an empty buffer for these cameras and joints (in the policy's order)."""
        self.cameras = tuple(cameras)
        self.joints = tuple(joints)
        self._index = {name: i for i, name in enumerate(joints)}
        self._lock = threading.Lock()
        self._frames: dict[str, Frame] = {}
        self._stamps = np.full(len(joints), -math.inf)
        self._positions = np.zeros(len(joints))
        self._velocities = np.zeros(len(joints))
        self._history: deque[JointSample] = deque()
        self._instruction = ""
        self._generation = 0
        self.joint_names_seen: set[str] = set()
        self.skipped: Counter[str] = Counter()
        self.received: Counter[str] = Counter()

    def add_frame(self, camera: str, stamp: float, data: bytes) -> None:
        """Keep a camera's message in place of the one before it."""
        with self._lock:
            self._frames[camera] = Frame(stamp, data)
            self.received[camera] += 1

    def add_joint_state(
        self,
        stamp: float,
        names: Sequence[str],
        positions: Sequence[float],
        velocities: Sequence[float],
    ) -> JointSample | None:
        """Take one joint state message; velocities may be empty (taken as zero).

        Returns:
            The completed sample, or None while joints are missing or a value is unusable.
        """
        with self._lock:
            self.received["joint_states"] += 1
            self.joint_names_seen.update(names)
            if len(positions) != len(names) or len(velocities) not in (0, len(names)):
                self.skipped["joint_state_width"] += 1
                return None
            ours = [(self._index[n], i) for i, n in enumerate(names) if n in self._index]
            if not ours:
                return None
            if not all(math.isfinite(positions[i]) for _, i in ours):
                self.skipped["joint_state_not_finite"] += 1
                return None
            for target, i in ours:
                self._stamps[target] = stamp
                self._positions[target] = positions[i]
                self._velocities[target] = velocities[i] if len(velocities) else 0.0
            return self._complete_sample()

    def _complete_sample(self) -> JointSample | None:
        oldest = float(self._stamps.min())
        if not math.isfinite(oldest):
            return None
        newest_before = self._history[-1].stamp if self._history else -math.inf
        if oldest < newest_before:  # the robot's clock was set back
            self._history.clear()
        elif oldest == newest_before:
            return None
        sample = JointSample(oldest, self._positions.copy(), self._velocities.copy())
        self._history.append(sample)
        while self._history[0].stamp < oldest - HISTORY_S:
            self._history.popleft()
        return sample

    def set_instruction(self, text: str) -> bool:
        """Take an instruction; return whether it differs from the one before it."""
        text = text.strip()
        with self._lock:
            if text == self._instruction:
                return False
            self._instruction = text
            self._generation += 1
            return True

    @property
    def instruction(self) -> str:
        """The newest instruction, empty for none."""
        return self._instruction

    @property
    def generation(self) -> int:
        """Number of the instruction; grows at every change."""
        return self._generation

    def frame(self, camera: str) -> Frame | None:
        """Return the newest frame of one camera."""
        with self._lock:
            return self._frames.get(camera)

    def newest_joints(self) -> JointSample | None:
        """Return the newest complete joint state."""
        with self._lock:
            return self._history[-1] if self._history else None

    def missing_joints(self) -> list[str]:
        """Return the policy's joints that no message has named yet."""
        with self._lock:
            return [n for n in self.joints if n not in self.joint_names_seen]

    def stamps(self) -> tuple[dict[str, float], float | None]:
        """Return the newest stamp of each camera that has sent, and of the joint state."""
        with self._lock:
            cameras = {name: frame.stamp for name, frame in self._frames.items()}
            return cameras, self._history[-1].stamp if self._history else None

    def clear_measurements(self) -> None:
        """Forget frames and joint states (not the instruction)."""
        with self._lock:
            self._frames.clear()
            self._history.clear()
            self._stamps[:] = -math.inf

    def choose(self, now: float, gates: Gates) -> Choice | str:
        """Choose the inputs of one observation at ``now`` (s, ROS clock).

        Returns:
            The choice, or the reason why there is none, which is counted in ``skipped``.
        """
        with self._lock:
            result = self._choose(now, gates)
            if isinstance(result, str):
                self.skipped[result] += 1
            return result

    def _choose(self, now: float, gates: Gates) -> Choice | str:
        for camera in self.cameras:
            frame = self._frames.get(camera)
            if frame is None:
                return f"no_frame_{camera}"
            if abs(now - frame.stamp) > gates.camera_age:
                return f"old_frame_{camera}"
        if not self._history:
            return "no_joint_state"
        if abs(now - self._history[-1].stamp) > gates.joint_age:
            return "old_joint_state"
        stamps = [self._frames[camera].stamp for camera in self.cameras]
        middle = (min(stamps) + max(stamps)) / 2
        # The policy was trained on pictures and joints of one instant, so the joint state of
        # the frames' time is right, not the newest one.
        joints = min(self._history, key=lambda sample: abs(sample.stamp - middle))
        stamps.append(joints.stamp)
        if max(stamps) - min(stamps) > gates.skew:
            return "skewed"
        return Choice(
            {camera: self._frames[camera] for camera in self.cameras},
            joints,
            self._instruction,
            self._generation,
        )
