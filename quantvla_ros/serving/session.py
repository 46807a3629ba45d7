# SPDX-License-Identifier: Apache-2.0
"""A running policy: its controls, and the two steps that its owner calls.

A node calls them from threads of its own (`ThreadedSession`), an evaluation one after the other.
"""

from __future__ import annotations

import threading

from quantvla_ros.control.config import Mode
from quantvla_ros.control.debounce import HeldFor
from quantvla_ros.control.faults import Condition, Fault
from quantvla_ros.control.motion import MotionController
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.serving.control_loop import ControlLoop
from quantvla_ros.serving.inference_loop import InferenceLoop
from quantvla_ros.serving.input_types import JointSample
from quantvla_ros.serving.instruction_gate import answer
from quantvla_ros.serving.parts import SessionParts, SharedMotion
from quantvla_ros.serving.record import NodeRecord
from quantvla_ros.serving.supervision import Supervisor

WAITING_S = 3.0
"""An armed arm that was told what to do and still has no chunk is worth a warning."""


class PolicySession:
    """Everything of one bundle on one robot: motion, inference, control, supervision.

    Call ``begin``, then ``inference.step`` often and ``control.step`` once a control period.

    Attributes:
        motion: makes the windows; ``lock`` guards it.
        record: of what was published and inferred.
        inference: asks for chunks.
        control: publishes windows.
        supervisor: judges inputs, output, clock and arm.
        buffer: of the inputs.
        active: whether control ticks, from `begin` to `end`.
    """

    def __init__(self, parts: SessionParts) -> None:
        """Take the parts and begin to receive inputs."""
        self._parts = parts
        self._drive, self._inputs = parts.robot.drive, parts.robot.inputs
        self.buffer = parts.robot.buffer
        self.active = False
        self.motion = MotionController(
            self._drive.limits,
            parts.period_s,
            parts.parameters().motion_config(),
            self._drive.speeds,
            parts.policy.manifest.interface.action.together,
        )
        self.lock = threading.Lock()
        self.record = NodeRecord(parts.period_s)
        shared = SharedMotion(self.motion, self.lock, self.record)
        self.inference = InferenceLoop(parts, shared)
        self.supervisor = Supervisor(parts, lambda: self.inference.skewed_s)
        self.control = ControlLoop(parts, shared, self.supervisor)
        self._waiting = HeldFor()
        self._inputs.on_joints = self._observe_joints
        self._inputs.on_instruction = self._change_instruction
        # What came before: else arming could be refused although all inputs are fresh.
        if (newest := self.buffer.newest_joints()) is not None:
            self._observe_joints(newest)

    @property
    def worker_pid(self) -> int | None:
        """Process id of the inference process, None without one."""
        return self._parts.policy.worker.pid

    @property
    def gripper(self) -> str:
        """What became of each gripper's newest command; "" where that is not known."""
        states = [(gripper.joint, gripper.state) for gripper in self._drive.grippers]
        if len(states) > 1:
            return ", ".join(f"{joint}: {state}" for joint, state in states if state)
        return "".join(state for _, state in states)

    def now(self) -> float:
        """ROS clock (s); while active without the jumps that the control thread has not seen."""
        clock = self._parts.clock
        now = clock.now()
        if not self.active:
            return now
        step_s = self._parts.parameters().max_clock_step_s
        return self.supervisor.clock.trusted(now, clock.steady(), step_s)

    def begin(self) -> None:
        """Enter dry run (or the fault that is still latched)."""
        clock = self._parts.clock
        with self.lock:
            now = clock.now()
            self.supervisor.clock.start(now, clock.steady())
            self.motion.activate(now)
        self.control.begin()
        self.active = True

    def end(self) -> None:
        """Note that no step follows; the last window ends at rest."""
        self.active = False
        with self.lock:
            self.motion.end()

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
            self.motion.config = self._parts.parameters().motion_config()
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
        self._inputs.instruct(text)
        return answer(text, self.buffer.instruction_state)

    def reset_fault(self) -> None:
        """Leave a latched fault into dry run; a lost inference process is started again.

        Raises:
            QuantVLAError: no fault is latched, the arm still moves, the worker does not start.
        """
        with self.lock:
            if self.motion.fault is not None and not self.motion.at_rest:
                self.motion.reset_fault(self.now())  # refuses, with its own sentence
        self.inference.restart_worker(self._parts.parameters().warmup_timeout_s)
        with self.lock:
            self.motion.reset_fault(self.now())

    def lacks_chunks(self) -> str:
        """Why the armed arm does not move although it has an instruction; empty if it moves."""
        with self.lock:
            waits, late = self.motion.waits, self.motion.metrics.late_chunks
            why = self.motion.missing or ("they come too late" if late else "none came")
        waits = waits and bool(self.buffer.instruction)
        return why if self._waiting.update(waits, self._parts.clock.steady()) > WAITING_S else ""

    def take_raised(self) -> list[Fault]:
        """Return the faults raised since the last call, those behind a latched one included."""
        with self.lock:
            faults = list(self.motion.raised)
            self.motion.raised.clear()
        return faults

    def conditions(self) -> list[Condition]:
        """Return what would refuse arming now, or stops the armed arm."""
        return self.supervisor.refusals(self.now())

    def as_record(self) -> dict[str, object]:
        """Return the record of everything since it was made, for a JSON file."""
        with self.lock:
            motion = self.motion
            return {
                **self.record.as_dict(),
                "motion": motion.metrics.as_dict(),
                "clamped": motion.clamped,
                "limited": motion.limited,
                "faults": {code.value: n for code, n in motion.fault_counts.items()},
                "skipped": dict(self.buffer.skipped),
                "chunks": self.inference.chunks,
            }

    def look(self) -> None:
        """Ask the ROS graph who publishes what; not for the control thread."""
        self._parts.graph.look()

    def close(self) -> None:
        """Hear no more inputs and end the inference process."""
        self._inputs.on_joints = lambda _: None
        self._inputs.on_instruction = lambda: None
        self._inputs.disconnect()
        self._parts.policy.worker.close()

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
