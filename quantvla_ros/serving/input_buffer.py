# SPDX-License-Identifier: Apache-2.0
"""What has arrived last from the robot, and the choice of one synchronous set of it."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

from quantvla_ros.control.faults import Condition, FaultCode
from quantvla_ros.control.observed import ObservedJoints
from quantvla_ros.control.watchdog import Source
from quantvla_ros.serving.input_types import (
    Choice,
    FloatArray,
    Frame,
    Gates,
    InstructionState,
    JointSample,
)
from quantvla_ros.serving.joint_history import JointHistory, JointMessage
from quantvla_ros.serving.stamps import TROUBLES, same_content, unfit_stamp
from quantvla_ros.serving.synchronous import SKEWED, synchronous_set

_JOINTS = "joint_states"
REFUSED = "refused_instruction"
"""Reason of `choose` when the policy cannot know the instruction."""


class InputBuffer:
    """Newest frame of every camera, recent joint states, the instruction; safe for threads.

    A message that cannot be used is skipped, counted in ``skipped`` by its reason, and the source
    is as old as its last usable message.
    """

    def __init__(
        self,
        cameras: Sequence[str],
        joints: Sequence[str],
        gates: Callable[[], Gates],
        judge: Callable[[str], InstructionState] = lambda _: InstructionState(),
        optional: Collection[str] = (),
    ) -> None:
        """Make an empty buffer for these cameras and joints (in the policy's order).

        ``judge`` says of an instruction whether it may move the arm; the policy also runs without
        the ``optional`` cameras.
        """
        self.cameras = tuple(cameras)
        self._optional = frozenset(optional)
        self.joints = tuple(joints)
        self._gates = gates
        self._judge = judge
        self._lock = threading.Lock()
        self._frames: dict[str, Frame] = {}
        self._changed: dict[str, float] = {}
        self._refused: dict[str, tuple[float, float]] = {}
        self._trouble: dict[str, str] = {}
        self._history = JointHistory(joints)
        self._instruction = ""
        self._generation = 0
        self.misfits: Mapping[str, str] = {}  # by source, who publishes there what cannot be read
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

    def refuse_message(self, source: str) -> None:
        """Note that a message of a source cannot even be read."""
        with self._lock:
            self._skip(source, f"damaged_{source}", TROUBLES["damaged"])

    def add_joint_state(
        self,
        stamp: float,
        names: Sequence[str],
        positions: Sequence[float],
        velocities: Sequence[float],
        now: float,
        number: int | None = None,
    ) -> JointSample | None:
        """Take one joint state message (see `JointHistory.add`) at ``now`` (s, ROS clock).

        Returns:
            The completed sample, or None while joints are missing or a value is unusable.
        """
        gates = self._gates()
        with self._lock:
            self.received[_JOINTS] += 1
            message = JointMessage(stamp, names, positions, velocities, number)
            result = self._history.add(message, now, gates.future, gates.jump)
            if isinstance(result, str):
                self._skip(_JOINTS, f"{result}_{_JOINTS}", TROUBLES[result])
                return None
            if result is not None:
                self._trouble.pop(_JOINTS, None)
            return result

    def _skip(self, source: str, reason: str, trouble: str) -> None:
        self.skipped[reason] += 1
        self._trouble[source] = trouble

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
    def instruction_state(self) -> InstructionState:
        """Whether the newest instruction may move the arm."""
        return self._judge(self._instruction)

    @property
    def generation(self) -> int:
        """Grows whenever an observation made before is of no use any more."""
        return self._generation

    def frame(self, camera: str) -> Frame | None:
        """Return the newest frame of one camera."""
        with self._lock:
            return self._frames.get(camera)

    def silent_cameras(self, optional: bool) -> list[str]:
        """Cameras, the optional or the other ones, of which no usable frame has come."""
        with self._lock:
            silent = [camera for camera in self.cameras if camera not in self._frames]
        return [camera for camera in silent if (camera in self._optional) is optional]

    def leave_out(self, cameras: Collection[str]) -> None:
        """Go on without these cameras."""
        with self._lock:
            self.cameras = tuple(camera for camera in self.cameras if camera not in cameras)

    def newest_joints(self) -> JointSample | None:
        """Return the newest complete joint state."""
        with self._lock:
            return self._history.newest

    def know_joints(self, observed: ObservedJoints, distances: FloatArray | None = None) -> None:
        """Take what the robot description says of the joints; see `JointHistory.know`."""
        with self._lock:
            self._history.know(observed, distances)

    def joint_conditions(self, now: float) -> list[Condition]:
        """Return why the joint states cannot be trusted at ``now`` (s, ROS clock)."""
        with self._lock:
            return self._history.sources.conditions(now)

    @property
    def joint_names_seen(self) -> set[str]:
        """Every joint that a message has named."""
        with self._lock:
            return set(self._history.names_seen)

    def stamps(self) -> tuple[dict[str, float], float | None]:
        """Return the newest stamp of each camera that has sent, and of the joint state."""
        with self._lock:
            cameras = {name: frame.stamp for name, frame in self._frames.items()}
            newest = self._history.newest
            return cameras, None if newest is None else newest.stamp

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
                    self.misfits.get(camera) or self._trouble.get(camera, ""),
                )
                for camera in self.cameras
            ]
            newest = self._history.newest
            trouble = self.misfits.get(_JOINTS) or self._trouble.get(_JOINTS, "")
            lagging = self._history.lagging()
            if lagging and not trouble:
                trouble = f"joint '{lagging}' is missing"
            stamp = None if newest is None else newest.stamp
            code = FaultCode.STALE_JOINT_STATE
            found.append(Source(code, "joint states", stamp, gates.joint_age, trouble))
            return found

    def _newest_usable(self, camera: str) -> float | None:
        if camera in self._refused:
            return self._refused[camera][0]
        frame = self._frames.get(camera)
        return None if frame is None else frame.stamp

    def outdate(self) -> None:
        """Make the answer to what was asked before useless."""
        with self._lock:
            self._generation += 1

    def clear_measurements(self) -> None:
        """Forget frames and joint states (not the instruction), and what was asked with them."""
        with self._lock:
            self._generation += 1
            self._frames.clear()
            self._refused.clear()
            self._history.clear()

    def skewed(self, now: float) -> bool:
        """Whether all inputs are fresh at ``now`` (s, ROS clock) and not of one instant."""
        gates = self._gates()
        with self._lock:
            return self._choose(now, gates) == SKEWED

    def choose(self, now: float) -> Choice | str:
        """Choose the inputs of one observation at ``now`` (s, ROS clock).

        Returns:
            The choice, or the reason why there is none, which is counted in ``skipped``. Without
            an instruction there is none; that is asked here, with the generation, for it may be
            taken back at any moment.
        """
        gates = self._gates()
        with self._lock:
            if not self._instruction:
                return "no_instruction"  # not counted: nothing is wrong
            if self._judge(self._instruction).refusal:
                return REFUSED  # not counted: diagnostics say why
            result = self._choose(now, gates)
            if isinstance(result, str):
                self.skipped[result] += 1
            return result

    def _choose(self, now: float, gates: Gates) -> Choice | str:
        last_refused = {camera: last for camera, (_, last) in self._refused.items()}
        frames = {camera: self._frames.get(camera) for camera in self.cameras}
        found = synchronous_set(frames, last_refused, self._history, now, gates)
        if isinstance(found, str):
            return found
        return Choice(*found, self._instruction, self._generation)
