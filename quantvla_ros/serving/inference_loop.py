# SPDX-License-Identifier: Apache-2.0
"""One inference after another: choose inputs, ask the worker, hand its chunk to the motion."""

from __future__ import annotations

import math
import time

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.control.chunk_check import MAX_AHEAD_S
from quantvla_ros.control.debounce import HeldFor
from quantvla_ros.control.faults import FaultCode
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.inference.client import ChunkResult, Failure
from quantvla_ros.robot.action_prefix import ActionPrefix
from quantvla_ros.robot.observation import Observation
from quantvla_ros.serving.input_buffer import REFUSED
from quantvla_ros.serving.input_types import Choice, Frame
from quantvla_ros.serving.parts import SessionParts, SharedMotion
from quantvla_ros.serving.picture_watch import PictureWatch

LOOK_S = 1.0
"""Longest time between two comparisons of the cameras with the calibration."""
SKEW_LOOK_S = 0.05
"""How long a synchronous set of inputs is taken for granted before the next look."""


class InferenceLoop:
    """Called often (``step``); never blocks for an inference.

    Attributes:
        chunks: how many were handed to the motion.
        pictures: compares the cameras with the calibration.
        skewed_s: for how long (s) the inputs have been fresh, but not of one instant.
    """

    def __init__(self, parts: SessionParts, shared: SharedMotion) -> None:
        """Take the parts."""
        manifest = parts.policy.manifest
        self._interface = manifest.interface
        self._trained, self._client = parts.policy.trained, parts.policy.worker
        self._inputs, self._buffer = parts.robot.inputs, parts.robot.buffer
        self._drive, self._display = parts.robot.drive, parts.display
        self._motion, self._lock, self._record = shared.controller, shared.lock, shared.record
        self._parameters, self._steady = parts.parameters, parts.clock.steady
        self.pictures = PictureWatch(manifest.calibration, lambda: parts.parameters().camera_check)
        self._looked_at = -math.inf
        self._counter = 0
        self._asked_generation = 0
        self._decode_ms = 0.0
        self._skewed = HeldFor()
        self._synchronous_at = -math.inf
        self.skewed_s = 0.0
        self.chunks = 0

    @property
    def worker_lost(self) -> bool:
        """Whether the inference process is gone; ``restart_worker`` brings another one."""
        return not self._client.running

    def step(self, now: float) -> None:
        """Take a finished inference and start the next one when the motion wants it.

        ``now`` is the ROS clock's time in s.
        """
        result = self._client.poll()
        if isinstance(result, ChunkResult):
            self._take(result)
        elif isinstance(result, Failure):
            self._fail(result, now)
        self._watch_skew(now)
        if self._steady() - self._looked_at > LOOK_S:
            self.look()
        if self._client.busy:
            self._motion.missing = "an inference is under way"
        if not self._wants(now):
            return
        choice = self._buffer.choose(now)
        self._motion.missing = choice if isinstance(choice, str) else ""
        if isinstance(choice, Choice):
            self._ask(choice, now)
        elif choice == REFUSED:
            self._hold(now)

    def _hold(self, now: float) -> None:
        """An instruction that moved the arm may be forbidden by a parameter: no fault, a hold."""
        with self._lock:
            self._motion.drop_chunks(now)

    def _watch_skew(self, now: float) -> None:
        """Find out for how long there was no synchronous set, whether one is wanted or not."""
        if 0.0 <= now - self._synchronous_at < SKEW_LOOK_S:
            return
        skewed = self._buffer.skewed(now)
        if not skewed:
            self._synchronous_at = now
        self.skewed_s = self._skewed.update(skewed, now)

    def look(self) -> None:
        """Compare the cameras with the calibration now, whether a chunk is wanted or not."""
        self._looked_at = self._steady()
        if not self.pictures.watches:
            return
        for name in self._buffer.cameras:
            frame = self._buffer.frame(name)
            if frame is not None:
                self._picture(name, frame)

    def refusal(self) -> str:
        """Why no arm should be moved by what is asked and seen now; empty if one may."""
        self.look()
        return self._buffer.instruction_state.refusal or self.pictures.refusal

    def _wants(self, now: float) -> bool:
        if self.worker_lost or self._client.busy:
            return False
        with self._lock:
            return self._motion.wants_chunk(now)

    def restart_worker(self, timeout_s: float) -> None:
        """Start a new inference process in place of a lost one.

        Raises:
            BackendError: it does not come up.
            BundleError: the bundle was damaged meanwhile.
        """
        if self.worker_lost:
            self._client.start(timeout_s)

    def _ask(self, choice: Choice, now: float) -> None:
        started = time.perf_counter()
        images = {}
        for name, frame in choice.frames.items():
            picture = self._picture(name, frame)
            if picture is None:
                return
            images[name] = picture
        self._looked_at = self._steady()
        self._decode_ms = (time.perf_counter() - started) * 1e3
        observation = Observation(
            images=images,
            joints=self._trained.seen(choice.joints.positions).astype(np.float32),
            instruction=choice.instruction,
            stamp=choice.joints.stamp,
        )
        self._asked_generation = choice.generation
        try:
            seed = self._parameters().seed
            self._client.request(observation, seed, self._counter, self._prefix(observation, now))
        except QuantVLAError:
            self._buffer.skipped["unfit_observation"] += 1
            return
        self._counter += 1

    def _picture(self, name: str, frame: Frame) -> NDArray[np.uint8] | None:
        """Return the decoded picture of a camera; None, and refuse the frame, if it is no use."""
        try:
            picture = self._inputs.decode(name, frame)
        except QuantVLAError as error:
            self._buffer.refuse_frame(name, frame, "undecodable", str(error))
            return None
        self._buffer.accept_frame(name)
        self.pictures.note(name, picture)
        return picture

    def _prefix(self, observation: Observation, now: float) -> ActionPrefix | None:
        if not self._parameters().realtime_chunking:
            return None
        interface = self._interface
        with self._lock:
            rows = self._motion.committed(observation.stamp, interface.dt, interface.horizon, now)
        if rows is None:
            return None
        seen = observation.joints.astype(np.float64)
        actions = self._trained.rows(self._drive.actions(rows.points), seen)
        return ActionPrefix(actions, rows.committed)

    def _take(self, result: ChunkResult) -> None:
        chunk = result.chunk
        steps = {f"denoise_step_{k}": ms for k, ms in enumerate(chunk.steps_ms, 1)}
        self._record.note_inference(
            result.latency_s, {"decode": self._decode_ms, **chunk.timings_ms, **steps}
        )
        with self._lock:
            # The ROS clock has jumped ahead, and the control thread is yet to notice it.
            jumped = chunk.stamp > self._motion.now + MAX_AHEAD_S
            if jumped or self._asked_generation != self._buffer.generation:
                self._buffer.skipped["outdated_chunk"] += 1
                return
            self._motion.note_latency(result.latency_s)
            refused = self._motion.offer_chunk(
                self._drive.points(chunk.actions), chunk.stamp, self._interface.dt
            )
        if refused is None:
            self.chunks += 1
            self._display.show(chunk.actions, chunk.stamp, self._interface)

    def _fail(self, failure: Failure, now: float) -> None:
        with self._lock:
            self._motion.raise_fault(FaultCode(failure.code), failure.text, now)
