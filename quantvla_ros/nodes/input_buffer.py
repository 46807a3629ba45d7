# SPDX-License-Identifier: Apache-2.0
"""What has arrived last from the robot, and the choice of one synchronous set of it. No ROS."""

from __future__ import annotations

import math
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.control.faults import FaultCode
from quantvla_ros.control.watchdog import Source
from quantvla_ros.nodes.stamps import TROUBLES, same_content, unfit_stamp

FloatArray = NDArray[np.float64]

HISTORY_S = 2.0
"""Joint states are kept this long, so that one of a frame's own time can be found."""
_JOINTS = "joint_states"
SKEWED = "skewed"
"""Reason of `choose` when all inputs are fresh and not of one instant."""


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


class Gates(NamedTuple):
    """Limits for the inputs, in s; made anew for every message, so a tuple.

    Attributes:
        camera_age: oldest frame that is used.
        joint_age: oldest joint state that is used.
        skew: largest difference of the stamps of one observation.
        future: how far a stamp may be ahead of the ROS clock.
        frozen: how long a picture may stay the same to the last bit; 0 allows it for ever.
    """

    camera_age: float
    joint_age: float
    skew: float
    future: float
    frozen: float


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

    A message that cannot be used is skipped, counted in ``skipped`` by its reason, and the source
    is as old as its last usable message.
    """

    def __init__(
        self, cameras: Sequence[str], joints: Sequence[str], gates: Callable[[], Gates]
    ) -> None:
        """Make an empty buffer for these cameras and joints (in the policy's order)."""
        self.cameras = tuple(cameras)
        self.joints = tuple(joints)
        self._gates = gates
        self._index = {name: i for i, name in enumerate(joints)}
        self._lock = threading.Lock()
        self._frames: dict[str, Frame] = {}
        self._changed: dict[str, float] = {}
        self._refused: dict[str, tuple[float, float]] = {}
        self._trouble: dict[str, str] = {}
        self._stamps = np.full(len(joints), -math.inf)
        self._positions = np.zeros(len(joints))
        self._velocities = np.zeros(len(joints))
        self._history: deque[JointSample] = deque()
        self._instruction = ""
        self._generation = 0
        self.joint_names_seen: set[str] = set()
        self.skipped: Counter[str] = Counter()
        self.received: Counter[str] = Counter()

    def add_frame(self, camera: str, stamp: float, data: bytes, now: float) -> None:
        """Keep a camera's message in place of the one before it, at ``now`` (s, ROS clock)."""
        gates = self._gates()
        with self._lock:
            self.received[camera] += 1
            last = self._frames.get(camera)
            newest = -math.inf if last is None else last.stamp
            reason = unfit_stamp(stamp, newest, now, gates.future)
            if reason:
                self._skip(camera, f"{reason}_{camera}", TROUBLES[reason])
                return
            if not (gates.frozen > 0 and last is not None and same_content(last.data, data)):
                self._changed[camera] = stamp
            elif stamp - self._changed.get(camera, stamp) > gates.frozen:
                self._skip(camera, f"frozen_{camera}", TROUBLES["frozen"])
                return
            self._frames[camera] = Frame(stamp, data)
            if camera not in self._refused:
                self._trouble.pop(camera, None)

    def refuse_frame(self, camera: str, frame: Frame, reason: str, text: str) -> None:
        """Note that a frame cannot be used: from the first such frame on the camera is silent.

        Args:
            camera: its name.
            frame: as `choose` gave it.
            reason: for ``skipped``.
            text: what is wrong with it, in words.
        """
        with self._lock:
            first, _ = self._refused.get(camera, (frame.stamp, 0.0))
            self._refused[camera] = (first, frame.stamp)
            self._skip(camera, f"{reason}_{camera}", text)

    def accept_frame(self, camera: str) -> None:
        """Note that a frame of this camera could be used."""
        with self._lock:
            if self._refused.pop(camera, None) is not None:
                self._trouble.pop(camera, None)

    def add_joint_state(
        self,
        stamp: float,
        names: Sequence[str],
        positions: Sequence[float],
        velocities: Sequence[float],
        now: float,
    ) -> JointSample | None:
        """Take one joint state message, whatever its order of joints, at ``now`` (s, ROS clock).

        Velocities that are missing or not finite are taken as zero.

        Returns:
            The completed sample, or None while joints are missing or a value is unusable.
        """
        future = self._gates().future
        with self._lock:
            self.received[_JOINTS] += 1
            self.joint_names_seen.update(names)
            ours = [(self._index[n], i) for i, n in enumerate(names) if n in self._index]
            if not ours:
                return None
            reason = self._unfit(stamp, names, positions, velocities, ours, now, future)
            if reason:
                self._skip(_JOINTS, f"{reason}_{_JOINTS}", TROUBLES[reason])
                return None
            self._trouble.pop(_JOINTS, None)
            for target, i in ours:
                self._stamps[target] = stamp
                self._positions[target] = positions[i]
                velocity = velocities[i] if len(velocities) else 0.0
                self._velocities[target] = velocity if math.isfinite(velocity) else 0.0
            return self._complete_sample()

    def _unfit(
        self,
        stamp: float,
        names: Sequence[str],
        positions: Sequence[float],
        velocities: Sequence[float],
        ours: Sequence[tuple[int, int]],
        now: float,
        future: float,
    ) -> str:
        """Why a joint state message cannot be used, a key of `TROUBLES`; empty when it can."""
        if len(positions) != len(names) or len(velocities) not in (0, len(names)):
            return "wrong_width"
        if not all(math.isfinite(positions[i]) for _, i in ours):
            return "not_finite"
        newest = max(float(self._stamps[target]) for target, _ in ours)
        return unfit_stamp(stamp, newest, now, future)

    def _skip(self, source: str, reason: str, trouble: str) -> None:
        self.skipped[reason] += 1
        self._trouble[source] = trouble

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
        """Grows whenever an observation made before is of no use any more."""
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

    def trouble(self, source: str) -> str:
        """Return why the newest message of a camera or of joint_states was skipped, or nothing."""
        return self._trouble.get(source, "")

    def sources(self) -> list[Source]:
        """Return what is known of each input, for the watchdog."""
        gates = self._gates()
        with self._lock:
            found = [
                Source(
                    FaultCode.STALE_CAMERA,
                    f"camera '{camera}'",
                    self._newest_usable(camera),
                    gates.camera_age,
                    self._trouble.get(camera, ""),
                )
                for camera in self.cameras
            ]
            newest = self._history[-1].stamp if self._history else None
            trouble = self._trouble.get(_JOINTS, "")
            oldest = int(self._stamps.argmin())
            if not trouble and self._stamps[oldest] < self._stamps.max():
                trouble = f"joint '{self.joints[oldest]}' is missing"
            code = FaultCode.STALE_JOINT_STATE
            found.append(Source(code, "joint states", newest, gates.joint_age, trouble))
            return found

    def _newest_usable(self, camera: str) -> float | None:
        if camera in self._refused:
            return self._refused[camera][0]
        frame = self._frames.get(camera)
        return None if frame is None else frame.stamp

    def clear_measurements(self) -> None:
        """Forget frames and joint states (not the instruction), and what was asked with them."""
        with self._lock:
            self._generation += 1
            self._frames.clear()
            self._refused.clear()
            self._history.clear()
            self._stamps[:] = -math.inf

    def skewed(self, now: float) -> bool:
        """Whether all inputs are fresh at ``now`` (s, ROS clock) and not of one instant."""
        gates = self._gates()
        with self._lock:
            return self._choose(now, gates) == SKEWED

    def choose(self, now: float) -> Choice | str:
        """Choose the inputs of one observation at ``now`` (s, ROS clock).

        Returns:
            The choice, or the reason why there is none, which is counted in ``skipped``.
        """
        gates = self._gates()
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
            if frame.stamp <= self._refused.get(camera, (0.0, -math.inf))[1]:
                return f"refused_frame_{camera}"
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
            return SKEWED
        return Choice(
            {camera: self._frames[camera] for camera in self.cameras},
            joints,
            self._instruction,
            self._generation,
        )
