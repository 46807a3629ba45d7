# SPDX-License-Identifier: Apache-2.0
"""Everything of the policy node that exists between configure and cleanup."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.control.config import Mode
from quantvla_ros.control.faults import Condition, Fault
from quantvla_ros.control.limits import FloatArray
from quantvla_ros.control.motion import MotionController
from quantvla_ros.control.persistence import Lasting
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.inference.client import InferenceClient
from quantvla_ros.nodes.clock_sources import ClockSources
from quantvla_ros.nodes.control_loop import ControlLoop
from quantvla_ros.nodes.inference_loop import InferenceLoop
from quantvla_ros.nodes.input_buffer import InputBuffer
from quantvla_ros.nodes.input_types import JointSample
from quantvla_ros.nodes.instruction_gate import answer
from quantvla_ros.nodes.output_watch import OutputWatch
from quantvla_ros.nodes.periodic import PeriodicThread
from quantvla_ros.nodes.realtime import CONTROL_PRIORITY, HELPER_PRIORITY, RaisedThreads
from quantvla_ros.nodes.record import NodeRecord, write_record
from quantvla_ros.nodes.status import session_record
from quantvla_ros.nodes.supervision import Supervisor
from quantvla_ros.nodes.trained_state import TrainedState

if TYPE_CHECKING:
    from quantvla_ros.nodes.drive import Drive
    from quantvla_ros.nodes.inputs import Inputs
    from quantvla_ros.nodes.parameter_model import PolicyNodeParameters
    from quantvla_ros.nodes.visuals import ChunkDisplay

POLL_S = 0.005
"""How often a finished inference is looked for; every tenth time everything else is renewed."""
REPORT_POLLS = 10
WAITING_S = 3.0
"""An armed arm that was told what to do and still has no chunk is worth a warning."""


class PolicySession:
    """Owns the motion controller, the two threads and the inference process of one bundle.

    ``lock`` guards the motion controller.
    """

    def __init__(
        self,
        parameters: Callable[[], PolicyNodeParameters],
        manifest: BundleManifest,
        drive: Drive,
        tolerances: FloatArray,
        client: InferenceClient,
        inputs: Inputs,
        buffer: InputBuffer,
        now: Callable[[], float],
        clocks: ClockSources,
        output: OutputWatch,
        display: ChunkDisplay,
        trained: TrainedState,
        report: Callable[[], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        """Take the parts.

        Args:
            parameters: the newest parameters, live ones included.
            manifest: of the bundle.
            drive: of n axes, what the actions drive.
            tolerances: [n] of the tracking error, see `TrackingWatch`.
            client: started.
            inputs: connected to ``buffer``.
            buffer: of the state's joints.
            now: ROS clock in s.
            clocks: looks for others who publish the ROS clock.
            output: looks for others who publish where the drive does.
            display: shows the chunks.
            trained: what the policy knows of the joints.
            report: called every ``REPORT_POLLS * POLL_S`` while active; a timer would be dearer.
            on_error: called when one of the threads ends by an exception.
        """
        first = parameters()
        self._parameters = parameters
        self.manifest = manifest
        self._drive = drive
        self._client = client
        self.inputs = inputs
        self.buffer = buffer
        self._clock = now
        self._report = report
        self._polls = 0
        self._on_error = on_error
        self._period = 1.0 / first.control_rate_hz
        self.lock = threading.Lock()
        self.motion = MotionController(
            drive.limits, self._period, first.motion_config(), drive.speeds
        )
        self.record = NodeRecord(self._period)
        self._watches = (output, clocks, inputs.graph, inputs.publishers)
        self.inference = InferenceLoop(
            manifest, client, inputs, buffer, lambda: self.motion, self.lock, self.record,
            lambda: parameters().seed, display, drive, lambda: parameters().realtime_chunking,
            lambda: parameters().camera_check, trained,
        )  # fmt: skip
        self.supervisor = Supervisor(
            parameters, drive, self._period, tolerances, buffer,
            lambda: self.inference.skewed_s, lambda: output.conflict, clocks, trained,
            inputs.publishers,
        )  # fmt: skip
        self.control = ControlLoop(
            self.motion, self.lock, drive, self.supervisor, buffer, self.record, parameters,
            self._period, now,
        )  # fmt: skip
        self._threads: list[PeriodicThread] = []
        self._raised = RaisedThreads()
        self._waiting = Lasting()
        inputs.on_joints = self._observe_joints
        inputs.on_instruction = self._change_instruction
        # What came before: else arming could be refused although all inputs are fresh.
        if (newest := buffer.newest_joints()) is not None:
            self._observe_joints(newest)

    @property
    def worker_pid(self) -> int | None:
        """Process id of the inference process, None without one."""
        return self._client.pid

    @property
    def gripper(self) -> str:
        """What became of the gripper's newest command; "" where that is not known."""
        gripper = self._drive.gripper
        return "" if gripper is None else gripper.state

    @property
    def active(self) -> bool:
        """Whether its threads run."""
        return bool(self._threads)

    @property
    def realtime(self) -> bool:
        """Whether the control thread runs with real-time priority."""
        return bool(self._threads) and self._threads[0].realtime

    def now(self) -> float:
        """ROS clock (s); while active without the jumps that the control thread has not seen."""
        now = self._clock()
        if not self._threads:
            return now
        step_s = self._parameters().max_clock_step_s
        return self.supervisor.clock.trusted(now, time.monotonic(), step_s)

    def activate(self) -> None:
        """Start both threads, in dry run (or with the fault that is still latched)."""
        with self.lock:
            now = self._clock()
            self.supervisor.clock.start(now, time.monotonic())
            self.motion.activate(now)
        self.control.begin()
        self._raised.begin()
        self._threads = [
            PeriodicThread(
                "control", self._period, self.control.step, self._on_error, CONTROL_PRIORITY
            ),
            PeriodicThread(
                "inference", POLL_S, self._inference_step, self._on_error, HELPER_PRIORITY
            ),
        ]
        for thread in self._threads:
            thread.start()

    def deactivate(self) -> None:
        """Bring the arm to rest within its limits, stop both threads, write the record.

        Raises:
            QuantVLAError: the record cannot be written.
        """
        if not self._threads:
            return
        with self.lock:
            self.motion.deactivate(self.now())
        self.control.wait_for_rest()
        for thread in self._threads:
            thread.stop()
        self._threads = []
        with self.lock:
            self.motion.end()
        self._raised.end()
        self.record.note_pause()
        deadline = time.monotonic() + self._parameters().inference_timeout_s
        while self._client.busy and time.monotonic() < deadline:
            self.inference.step(self.now())
            time.sleep(POLL_S)
        if path := self._parameters().record_path:
            write_record(Path(path), session_record(self))

    def close(self) -> None:
        """Stop whatever runs and end the inference process."""
        try:
            self.deactivate()
        finally:
            self.inputs.on_joints = lambda _: None
            self.inputs.on_instruction = lambda: None
            self.inputs.disconnect()
            self._client.close()

    def arm(self) -> None:
        """Start commanding from the measured position.

        Raises:
            QuantVLAError: one of the supervisor's conditions, a latched fault, a robot that moves.
        """
        if self.motion.mode is Mode.ARMED:
            return
        self._check_arming()
        self._drive.before_arming()
        now = self._check_arming()  # that may have taken seconds
        with self.lock:
            self.motion.config = self._parameters().motion_config()
            self.supervisor.begin_motion()
            self.motion.arm(now)
            self.control.armed()
            self.buffer.outdate()  # an inference under way saw the arm before

    def _check_arming(self) -> float:
        """Refuse what must not be armed; returns the time (s, ROS clock) at which it was asked."""
        self.look()
        now = self.now()
        for code, text in self.supervisor.before_arming(now):
            raise QuantVLAError(f"Cannot arm: {code.value}: {text}.")
        if why := self.inference.refusal():
            raise QuantVLAError(f"Cannot arm: {why}.")
        if joint := self.supervisor.moving_joint():
            raise QuantVLAError(f"cannot arm: joint '{joint}' is moving; wait until the arm rests")
        with self.lock:
            self.motion.check_arming(now)
        return now

    def disarm(self) -> None:
        """Bring the arm to rest and go back to dry run."""
        with self.lock:
            self.motion.disarm(self.now())

    def instruct(self, text: str) -> str:
        """Take an instruction as one from the topic; return what it leads to.

        Raises:
            QuantVLAError: the policy cannot know it; the arm holds then.
        """
        self.inputs.instruct(text)
        return answer(text, self.buffer.instruction_state)

    def reset_fault(self) -> None:
        """Leave a latched fault into dry run; a lost inference process is started again.

        Raises:
            QuantVLAError: no fault is latched, the arm still moves, the worker does not start.
        """
        with self.lock:
            if self.motion.fault is not None and not self.motion.at_rest:
                self.motion.reset_fault(self.now())  # refuses, with its own sentence
        self.inference.restart_worker(self._parameters().warmup_timeout_s)
        with self.lock:
            self.motion.reset_fault(self.now())

    def lacks_chunks(self) -> str:
        """Why the armed arm does not move although it was told what to do; empty if it does."""
        with self.lock:
            waits, late = self.motion.waits, self.motion.metrics.late_chunks
            why = self.motion.missing or ("they come too late" if late else "none came")
        waits = waits and bool(self.buffer.instruction)
        return why if self._waiting.update(waits, time.monotonic()) > WAITING_S else ""

    def take_raised(self) -> list[Fault]:
        """Return the faults raised since the last call, those behind a latched one included."""
        with self.lock:
            faults = list(self.motion.raised)
            self.motion.raised.clear()
        return faults

    def conditions(self) -> list[Condition]:
        """Return what would refuse arming now, or stops the armed arm."""
        return self.supervisor.refusals(self.now())

    def _inference_step(self, deadline: float) -> None:
        self.inference.step(self.now())
        self._polls += 1
        if self._polls % REPORT_POLLS == 0:
            self.look()
            self._report()

    def look(self) -> None:
        """Ask the ROS graph who publishes what; not for the control thread."""
        for watch in self._watches:
            watch.look()

    def _observe_joints(self, sample: JointSample) -> None:
        position, velocity = self._drive.measured(sample)
        with self.lock:
            self.motion.observe_joints(sample.stamp, position, velocity)
            if self.motion.mode is not Mode.ARMED:
                return
            # At once: policies of kind `joint_delta` add a whole chunk to such a position.
            now = self.now()
            if (condition := self.supervisor.at_once(position, now)) is not None:
                self.motion.raise_fault(*condition, now)

    def _change_instruction(self) -> None:
        with self.lock:
            self.motion.drop_chunks(self.now())
