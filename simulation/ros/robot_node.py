# SPDX-License-Identifier: Apache-2.0
"""The simulated robot as a ROS node: what a user's robot publishes, takes and refuses."""

from __future__ import annotations

import queue
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TwistStamped
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.nodes import qos
from quantvla_ros.nodes.conversion import rgb_to_image, seconds_to_stamp
from quantvla_ros.nodes.runtime import Runtime
from quantvla_ros.serving.stamps import seconds_of
from simulation.cameras import CAMERAS
from simulation.controller_release import find_release
from simulation.joint_commander import Array, JointCommander
from simulation.pacing import Pacer, RateMeter
from simulation.panda_servo import make_panda_servo
from simulation.robot import SimulatedRobot
from simulation.ros import messages as sim_messages
from simulation.ros.gripper_server import serve_gripper
from simulation.ros.parameters import SimParameters
from simulation.tasks.task import meant_goal, no_goal_meant
from simulation.urdf import panda_urdf

TICKS_S = (0.008, 0.012)
"""Clock and joint states are published once a tick, at 100 Hz: in turn after two and after three
of the 4 ms in which the servos get a new target."""

CONTROL_PERIOD_S = sum(TICKS_S)
"""Simulation time of one `~/step`."""

IMAGE_PERIOD_S = 0.1
DIAGNOSTICS_PERIOD_S = 1.0
FIRST_TIME_S = 1.0  # time 0 means "no time yet" in ROS, and a stamp of 0 means "now"
_SERVICE_POLL_S = 0.1
_STEPPED_POLL_S = 0.002
_TICKS_PER_IMAGE = round(IMAGE_PERIOD_S / CONTROL_PERIOD_S) * len(TICKS_S)


class SimRobotNode(Node):
    """Runs the physics in the thread that calls `run`, and its callbacks in the executor's."""

    def __init__(self) -> None:
        """Load the simulator; needs a ROS context.

        Raises:
            QuantVLAError: unknown task, release or type of gripper, or what one of them needs is
                not installed.
        """
        super().__init__("sim_robot_node")
        self._pacer = Pacer(1.0, time.monotonic())
        self._settings = SimParameters(
            self, (*CAMERAS, "joint_states"), self._pacer.set_real_time_factor
        )
        self._pacer.set_real_time_factor(self._settings.real_time_factor)
        self._robot = SimulatedRobot(self._settings.task(self._settings.seed))
        self._commander = JointCommander(
            self._robot.joint_names,
            self._robot.positions,
            make_panda_servo(self._robot.model),
            release=find_release(self._settings.release),
            own_gripper=self._settings.gripper_type != "trajectory",
            rate_hz=self._settings.controller_rate_hz,
            interpolate_from_desired_state=self._settings.interpolate_from_desired_state,
        )
        self._jobs: queue.SimpleQueue[tuple[Callable[[], str], Future[str]]] = queue.SimpleQueue()
        self._time = self._epoch = FIRST_TIME_S
        self._ticks = self._resets = 0
        self._seed = self._settings.seed
        self._instruction = ("", 0)  # and how many resets came before it
        self._doubted = self._instruction
        self._ended = False
        self._create_interface()
        self._reset()

    def _create_interface(self) -> None:
        self._clock_publisher = self.create_publisher(Clock, "/clock", qos.CLOCK)
        self._joints_publisher = self.create_publisher(JointState, "joint_states", qos.JOINT_STATES)
        self._image_publishers = {
            name: self.create_publisher(Image, f"{name}/image_raw", qos.SENSOR) for name in CAMERAS
        }
        self._state_publisher = self.create_publisher(String, "sim/state", qos.LATCHED)
        self._diagnostics_publisher = self.create_publisher(
            DiagnosticArray, "/diagnostics", qos.DIAGNOSTICS
        )
        self._description_publisher = self.create_publisher(
            String, "robot_description", qos.LATCHED
        )
        self._description_publisher.publish(String(data=panda_urdf()))
        self.create_subscription(
            JointTrajectory, "joint_trajectory", self._on_trajectory, qos.COMMAND
        )
        self.create_subscription(TwistStamped, "twist", self._on_twist, qos.COMMAND)
        self._gripper = serve_gripper(
            self,
            self._settings.gripper_type,
            self._robot.joint_names[-1],
            self._commander.submit_grip,
            lambda: self._time,
        )
        self.create_subscription(String, "instruction", self._on_instruction, qos.LATCHED)
        self._setpoints_publisher = self.create_publisher(
            JointTrajectory, "sim/setpoints", qos.EVERY_SETPOINT
        )
        self.create_service(Trigger, "~/reset", self._on_reset)
        self.create_service(Trigger, "~/step", self._on_step)

    def run(self, runtime: Runtime) -> None:
        """Run the physics until the process is asked to end; renders, so use one thread only."""
        meter = RateMeter(self._time)
        next_report = time.monotonic() + DIAGNOSTICS_PERIOD_S
        self._pacer.restart(time.monotonic())
        try:
            while not runtime.stopping:
                while not self._jobs.empty():
                    self._work(*self._jobs.get())
                if self._settings.stepped:
                    runtime.wait(_STEPPED_POLL_S)
                else:
                    began = time.monotonic()
                    seconds = self._tick()
                    runtime.wait_until(self._pacer.deadline(seconds, began, time.monotonic()))
                if time.monotonic() >= next_report:
                    self._report(meter.read(self._time))
                    next_report = time.monotonic() + DIAGNOSTICS_PERIOD_S
        finally:
            self._ended = True
            self._robot.close()

    def _tick(self) -> float:
        seconds = TICKS_S[self._ticks % len(TICKS_S)]
        self._robot.advance(seconds, self._setpoint)
        self._ticks += 1
        self._publish()
        if self._gripper is not None:
            self._gripper.update(self._robot, self._time)
        return seconds

    def _setpoint(self, now: float) -> Array:
        measured = (self._robot.positions, self._robot.velocities)
        return self._commander.setpoint(self._epoch + now, measured)

    def _publish(self) -> None:
        self._time = self._epoch + self._robot.time
        self._clock_publisher.publish(Clock(clock=seconds_to_stamp(self._time)))
        if not self._settings.silenced["joint_states"]:
            offset = self._settings.joint_offset
            self._joints_publisher.publish(
                sim_messages.joint_state(self._robot, self._time, offset)
            )
        cycles = self._commander.take_executed()
        if cycles and self._setpoints_publisher.get_subscription_count():
            self._setpoints_publisher.publish(
                sim_messages.setpoints(self._commander.trajectory_joints, cycles, self._resets)
            )
        if self._ticks % _TICKS_PER_IMAGE == 0:
            self._publish_images()
            self._publish_state()

    def _publish_images(self) -> None:
        for name, pixels in self._robot.render().items():
            if not self._settings.silenced[name]:
                message = rgb_to_image(pixels, self._time, f"{name}_optical_frame")
                self._image_publishers[name].publish(message)

    def _publish_state(self) -> None:
        self._take_goal()
        self._state_publisher.publish(
            sim_messages.simulation_state(self._robot, self._seed, self._time, self._resets)
        )

    def _take_goal(self) -> None:
        """Judge success by the instruction; warn once where this scene has no such object.

        An instruction from before the reset was for another scene, and an empty one asks nothing.
        """
        heard, task = self._instruction, self._robot.task
        sentence, resets = heard
        asked = meant_goal(task, sentence)
        if asked is not None:
            task.goal = asked
        elif sentence.strip() and resets == self._resets and heard != self._doubted:
            self._doubted = heard
            self.get_logger().warning(no_goal_meant(task, sentence))

    def _report(self, rate: float) -> None:
        wanted = 0.0 if self._settings.stepped else self._settings.real_time_factor
        values: dict[str, object] = {
            "lost_s": f"{self._pacer.lost_s:.3f}",
            **self._commander.counts,
            "last_rejection": self._commander.last_rejection,
        }
        self._diagnostics_publisher.publish(
            sim_messages.diagnostics(self.get_name(), self._time, rate, wanted, values)
        )

    def _reset(self) -> str:
        self._seed = self._settings.seed
        self._settings.seed = self._seed + 1
        self._robot.change_task(self._settings.task(self._seed))
        self._robot.reset(self._seed)
        self._commander.reset(self._robot.commanded)
        if self._gripper is not None:
            self._gripper.reset()
        self._epoch = self._time + TICKS_S[0]  # the robot's own time is 0 again; /clock must rise
        self._ticks = 0
        self._resets += 1  # not before: whoever waits for it acts on the new scene
        self._publish()
        return f"seed {self._seed}: {self._robot.instruction}"

    def _step(self) -> str:
        if not self._settings.stepped:
            raise QuantVLAError("Time runs by itself; start the node with -p stepped:=true.")
        for _ in TICKS_S:
            self._tick()
        return f"time {self._time:.3f}"

    def _work(self, job: Callable[[], str], done: Future[str]) -> None:
        try:
            done.set_result(job())
        except QuantVLAError as error:
            done.set_exception(error)
        self._pacer.restart(time.monotonic())

    def _call(self, job: Callable[[], str], response: Trigger.Response) -> Trigger.Response:
        """Let the physics thread do the job between two ticks, and wait for it."""
        done: Future[str] = Future()
        self._jobs.put((job, done))
        while not self._ended:
            try:
                response.message = done.result(timeout=_SERVICE_POLL_S)
                response.success = True
            except FutureTimeout:
                continue
            except QuantVLAError as error:
                response.message = str(error)
            return response
        response.message = "the simulation has ended"
        return response

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return self._call(self._reset, response)

    def _on_step(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return self._call(self._step, response)

    def _on_instruction(self, message: String) -> None:
        self._instruction = (message.data, self._resets)  # only to judge success

    def _on_trajectory(self, message: JointTrajectory) -> None:
        trajectory = sim_messages.trajectory_from_message(message)
        reason = self._commander.submit_trajectory(trajectory, self._time)
        self._log_rejection("trajectory", reason)

    def _on_twist(self, message: TwistStamped) -> None:
        reason = self._commander.submit_twist(
            sim_messages.twist_from_message(message),
            message.header.frame_id,
            seconds_of(message.header.stamp),
            self._time,
        )
        self._log_rejection("twist", reason)

    def _log_rejection(self, kind: str, reason: str | None) -> None:
        if reason is not None:
            self.get_logger().error(f"{kind} rejected: {reason}", throttle_duration_sec=1.0)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; return the exit status."""
    try:
        with Runtime(args) as runtime:
            node = SimRobotNode()
            runtime.spin(node)
            node.run(runtime)
    except QuantVLAError as error:
        print(f"sim_robot_node: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
