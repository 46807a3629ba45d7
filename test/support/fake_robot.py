# SPDX-License-Identifier: Apache-2.0
"""A robot without physics on real topics: its controller follows exactly what it is told."""

from __future__ import annotations

import itertools
import threading
import time

import numpy as np
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String
from support.executor_thread import ExecutorThread
from trajectory_msgs.msg import JointTrajectory as JointTrajectoryMessage

from quantvla_ros.nodes.conversion import rgb_to_image, seconds_to_stamp
from quantvla_ros.nodes.qos import CLOCK, COMMAND, JOINT_STATES, LATCHED, SENSOR
from quantvla_ros.serving.periodic import PeriodicThread
from quantvla_ros.serving.stamps import seconds_of
from simulation.trajectory import JointTrajectory, TrajectoryPoint
from simulation.trajectory_controller import TrajectoryController

JOINTS = ("joint1", "joint2", "finger")
CAMERAS = ("front", "wrist")
SIZE = 8
VELOCITY, ACCELERATION, JERK = 2.0, 10.0, 300.0
POSITION = 1.5
_STEP_S = 0.01


def urdf(joints=JOINTS, continuous=()) -> str:
    kinds = ["continuous" if name in continuous else "revolute" for name in joints]
    parts = [
        f'<joint name="{name}" type="{kinds[i]}"><parent link="l{i}"/><child link="l{i + 1}"/>'
        f'<axis xyz="0 0 1"/><limit lower="-{POSITION}" upper="{POSITION}" '
        f'velocity="{VELOCITY}" effort="10"/></joint>'
        for i, name in enumerate(joints)
    ]
    links = "".join(f'<link name="l{i}"/>' for i in range(len(joints) + 1))
    return f'<robot name="fake">{links}{"".join(parts)}</robot>'


class FakeRobot:
    """Publishes joint states at 100 Hz and pictures at 20 Hz; notes every setpoint."""

    joints = JOINTS
    arm = JOINTS  # the joints of its trajectory controller
    trajectories = "joint_trajectory"  # its topic

    def __init__(self) -> None:
        self.node = Node("fake_robot", start_parameter_services=False)
        self.heal()
        self.windows: list[JointTrajectoryMessage] = []
        self.rejections: list[str] = []
        self.setpoints: list[tuple[float, np.ndarray, np.ndarray]] = []
        self.velocities = np.zeros(len(self.joints))
        self._heard = 0.0
        self._offset = 0.0
        self._positions = np.zeros(len(self.joints))
        self._moved = time.monotonic()
        self._lock = threading.Lock()
        self._controller = TrajectoryController(
            self.arm, np.zeros(len(self.arm)), rate_hz=1 / _STEP_S
        )
        self._states = self.node.create_publisher(JointState, "joint_states", JOINT_STATES)
        self._images = {
            name: self.node.create_publisher(Image, f"{name}/image_raw", SENSOR) for name in CAMERAS
        }
        self._description = self.node.create_publisher(String, "robot_description", LATCHED)
        self._clock = self.node.create_publisher(Clock, "/clock", CLOCK)
        self._instruction = self.node.create_publisher(String, "instruction", LATCHED)
        self.node.create_subscription(
            JointTrajectoryMessage, self.trajectories, self._on_window, COMMAND
        )
        self.describe(self.joints)
        self.instruct("swing")
        self._tick = 0
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self._thread = ExecutorThread(self.executor)
        self._body = PeriodicThread("robot", _STEP_S, self._step, self._on_error)
        self._body.start()

    def heal(self) -> None:
        """Undo every disturbance."""
        self.silent: set[str] = set()
        self.joint_names = tuple(reversed(self.joints))
        self.picture_size = SIZE
        self.encoding = "rgb8"
        self.pictures = {}  # camera -> uint8 [height, width, 3], where it is not plain grey
        self.restamp = {}  # source -> what it makes of the right stamp
        self.measure = lambda positions: positions  # what the encoders make of them

    def describe(self, joints, continuous=()) -> None:
        self._description.publish(String(data=urdf(joints, continuous)))

    def put(self, positions) -> None:
        """Be somewhere else at once, at rest."""
        with self._lock:
            self._positions = np.array(positions, dtype=float)
            self._controller.reset(self._positions[: len(self.arm)])

    def instruct(self, text: str) -> None:
        self._instruction.publish(String(data=text))

    def forget(self) -> None:
        """Begin noting afresh."""
        with self._lock:
            self.windows.clear()
            self.rejections.clear()
            self.setpoints.clear()

    @property
    def speed(self) -> float:
        return float(np.abs(self.velocities).max())

    @property
    def at_rest(self) -> bool:
        """Whether nothing has moved for a while; a turning point is no rest."""
        latest = list(self.setpoints)[-30:]
        return len(latest) == 30 and max(np.abs(v).max() for _, _, v in latest) < 1e-3

    @property
    def silence(self) -> float:
        """Seconds since the last window came."""
        return time.monotonic() - self._heard

    def assert_within_limits(self) -> None:
        """Everything commanded is within limits, and each window continues the one before it.

        This is judged by the windows' own times, not by when they came: a busy machine may hold
        a message back. Of what the controller made of them only the positions are judged.
        """
        late = "the trajectory ended in the past"
        assert [r for r in self.rejections if not r.startswith(late)] == []
        windows = list(self.windows)
        for window in windows:
            for point in window.points:
                assert np.abs(point.positions).max() <= POSITION + 1e-9
                assert np.abs(point.velocities).max() <= VELOCITY * (1 + 1e-6)
                assert np.abs(point.accelerations).max() <= ACCELERATION * (1 + 1e-6)
            assert np.abs(window.points[-1].velocities).max() == 0.0
        firsts = [(seconds_of(w.header.stamp), w.points[0]) for w in windows]
        for (t0, p0), (t1, p1) in itertools.pairwise(
            (t + seconds_of(p.time_from_start), p) for t, p in firsts
        ):
            # A window may come again while a simulation's clock stands, and right after arming.
            assert t1 - t0 >= -1e-6
            span = max(t1 - t0, 0.0)
            assert np.abs(np.subtract(p1.positions, p0.positions)).max() <= VELOCITY * span
            jump = np.abs(np.subtract(p1.velocities, p0.velocities)).max()
            assert jump <= ACCELERATION * span * 1.001 + 1e-6
        for _, positions, _ in list(self.setpoints):
            assert np.abs(positions).max() <= POSITION + 1e-3

    def set_clock_back(self, seconds: float) -> None:
        """Let the robot's time jump, as a simulation does when it is reset; ahead if negative.

        A window that is under way then comes after it, with a stamp of the former time.
        """
        with self._lock:
            self._offset -= seconds
            self._controller.reset(self._positions[: len(self.arm)])
            self.setpoints.clear()
            if self.windows:
                self._take(self.windows[-1])

    def _now(self) -> float:
        return time.time() + self._offset

    def close(self) -> None:
        self._body.stop()
        self._thread.end()
        self.node.destroy_node()

    def _on_error(self, error: Exception) -> None:
        self.rejections.append(f"the robot itself failed: {error!r}")

    def _on_window(self, message: JointTrajectoryMessage) -> None:
        with self._lock:
            self._heard = time.monotonic()
            self.windows.append(message)
            self._take(message)

    def _take(self, message: JointTrajectoryMessage, controller=None) -> None:
        """Hand a window to a controller; the caller holds the lock."""
        trajectory = JointTrajectory(
            joint_names=message.joint_names,
            points=[
                TrajectoryPoint(
                    seconds_of(p.time_from_start), p.positions, p.velocities,
                    p.accelerations,
                )
                for p in message.points
            ],
            stamp=seconds_of(message.header.stamp),
        )  # fmt: skip
        reason = (controller or self._controller).submit(trajectory, self._now())
        if reason is not None:
            self.rejections.append(reason)

    def _step(self, deadline: float) -> None:
        with self._lock:
            now = self._now()  # the time may jump before and after, not within
            positions, velocities = self._sample(now)
            self._positions, self.velocities = positions, velocities
            self.setpoints.append((now, positions, velocities))
        if "clock" not in self.silent:
            self._clock.publish(Clock(clock=seconds_to_stamp(now)))
        if "joint_states" not in self.silent:
            order = [self.joints.index(name) for name in self.joint_names]
            message = JointState(
                name=list(self.joint_names),
                position=self.measure(positions)[order].tolist(),
                velocity=velocities[order].tolist(),
            )
            message.header.stamp = seconds_to_stamp(self._stamp("joint_states", now))
            self._states.publish(message)
        self._tick += 1
        if self._tick % 5 == 0:
            picture = np.full((self.picture_size, self.picture_size, 3), 90, dtype=np.uint8)
            for name, publisher in self._images.items():
                if name not in self.silent:
                    shown = self.pictures.get(name, picture)
                    message = rgb_to_image(shown, self._stamp(name, now), name)
                    message.encoding = self.encoding
                    publisher.publish(message)

    def _sample(self, now: float) -> tuple[np.ndarray, np.ndarray]:
        """Positions and velocities now.

        A window that a busy machine delivers late lets the setpoint jump; a joint cannot.
        """
        wanted, velocities = self._controller.update(now)
        before, self._moved = self._moved, time.monotonic()
        reach = 1.1 * VELOCITY * (self._moved - before)
        held = self._positions[: len(wanted)]
        return held + np.clip(wanted - held, -reach, reach), velocities

    def _stamp(self, source: str, now: float) -> float:
        return self.restamp.get(source, lambda stamp: stamp)(now)
