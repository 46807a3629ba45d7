# SPDX-License-Identifier: Apache-2.0
"""The simulated robot in a process of its own, seen from the ROS graph."""

from __future__ import annotations

import itertools
import json
import signal

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("mujoco")

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TwistStamped
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger
from support.joint_positions import joint_positions
from support.ros_graph import NodeProcess
from support.waiting import wait_until
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from quantvla_ros.nodes import qos
from quantvla_ros.nodes.conversion import (
    image_to_rgb,
    seconds_to_duration,
    seconds_to_stamp,
)
from quantvla_ros.serving.stamps import seconds_of
from simulation.tasks.registry import make_task
from simulation.trajectory_controller import RATE_HZ

MODULE = "simulation.ros.robot_node"
JOINTS = [*(f"panda_joint{i}" for i in range(1, 8)), "panda_finger_joint1"]
START = 120.0  # s: the first start on a machine compiles the scene


class Robots:
    """The robot that most tests share; one that needs another, or none, ends it."""

    def __init__(self) -> None:
        self._process = None

    def running(self):
        if self._process is None or not self._process.alive:
            self.end()
            self._process = NodeProcess(MODULE, "seed:=3", "real_time_factor:=2.0")
        return self._process

    def end(self):
        if self._process is not None:
            self._process.close()
            self._process = None


@pytest.fixture(scope="module")
def robots(ros):
    robots = Robots()
    yield robots
    robots.end()


@pytest.fixture
def robot(robots):
    return robots.running()


@pytest.fixture
def joint_states(robot, graph):
    messages = graph.listen(JointState, "/joint_states", qos.SENSOR)
    wait_until(lambda: messages or not robot.alive, START, "a joint state")
    assert robot.alive, robot.output
    return messages


def positions(messages):
    return joint_positions(messages[-1], JOINTS)


def now(messages):
    return seconds_of(messages[-1].header.stamp)


def command(graph, goal, seconds, stamp=0.0, names=JOINTS):
    publisher = graph.publisher(JointTrajectory, "/joint_trajectory", qos.COMMAND)
    point = JointTrajectoryPoint(
        positions=list(goal),
        velocities=[0.0] * len(goal),
        time_from_start=seconds_to_duration(seconds),
    )
    message = JointTrajectory(joint_names=list(names), points=[point])
    message.header.stamp = seconds_to_stamp(stamp)
    publisher.publish(message)


def diagnostic_values(graph):
    messages = graph.listen(DiagnosticArray, "/diagnostics", qos.DIAGNOSTICS)
    return lambda: (
        {value.key: value.value for value in messages[-1].status[0].values} if messages else {}
    )


def state_of(messages):
    return json.loads(messages[-1].data) if messages else {}


def test_cameras_joints_and_clock_are_stamped_in_rising_simulation_time(graph, joint_states):
    clock = graph.listen(Clock, "/clock", qos.CLOCK)
    images = {
        name: graph.listen(Image, f"/{name}/image_raw", qos.SENSOR) for name in ("front", "wrist")
    }
    wait_until(lambda: min(len(m) for m in images.values()) >= 5, 30, "5 images of each camera")
    pixels = {}
    for name, received in images.items():
        stamps = [seconds_of(m.header.stamp) for m in received[:5]]
        periods = np.diff(stamps) / 0.1  # more than one when a picture was lost on the way
        np.testing.assert_allclose(periods, np.maximum(1, np.round(periods)), atol=1e-5)
        assert received[0].header.frame_id == f"{name}_optical_frame"
        pixels[name] = image_to_rgb(received[-1], name)
        assert received[0].encoding == "rgb8"
        assert pixels[name].shape == (96, 96, 3)
        assert pixels[name].std() > 10
    assert not np.array_equal(pixels["front"], pixels["wrist"])
    stamps = [seconds_of(m.header.stamp) for m in joint_states]
    assert (np.diff(stamps) > 0).all()
    assert np.diff(stamps).min() <= 0.0121, "the rate; a busy listener loses most of them"
    ticks = [seconds_of(m.clock) for m in clock]
    assert (np.diff(ticks) > 0).all()
    assert np.diff(ticks).min() <= 0.0121
    assert joint_states[0].name == [*JOINTS, "panda_finger_joint2"]
    assert len(joint_states[0].velocity) == len(joint_states[0].position) == 9


def test_the_description_reaches_those_who_come_late_and_names_every_joint(graph, joint_states):
    description = graph.listen(String, "/robot_description", qos.LATCHED)
    wait_until(lambda: description, 20, "the robot description")
    for name in JOINTS:
        assert f'"{name}"' in description[0].data


def test_a_trajectory_moves_the_joints_to_its_goal(graph, joint_states):
    assert graph.call(Trigger, "/sim_robot_node/reset").success
    goal = positions(joint_states) + np.array([0.15, -0.1, 0.1, 0.1, -0.1, 0.1, 0.2, -0.02])
    command(graph, goal, 0.8)
    wait_until(
        lambda: np.abs(positions(joint_states) - goal).max() < 0.01, 20, "the arm at its goal"
    )
    speeds = [np.abs(m.velocity[:7]).max() for m in joint_states]
    assert 0.2 < max(speeds) < 2.0


def test_every_setpoint_of_the_controller_can_be_heard(graph, joint_states):
    messages = graph.listen(JointTrajectory, "/sim/setpoints", qos.EVERY_SETPOINT)
    wait_until(lambda: len(messages) > 20, 30, "setpoints")
    times = []
    for message in messages[:20]:
        assert message.joint_names == JOINTS and message.header.frame_id.isdigit()
        begin = seconds_of(message.header.stamp)
        times += [begin + seconds_of(p.time_from_start) for p in message.points]
        assert all(len(point.positions) == len(JOINTS) for point in message.points)
    # A listener may lose a message; within one and from one to the next they are 2 ms apart.
    gaps = np.diff(times)
    assert np.median(gaps) == pytest.approx(1 / RATE_HZ, rel=1e-3) and (gaps > 0).all()


def test_a_bad_trajectory_is_rejected_and_the_arm_holds(graph, joint_states, robot):
    values = diagnostic_values(graph)
    before = positions(joint_states)
    rejected = int(wait_until(values, 20, "diagnostics").get("trajectories_rejected", 0))
    command(graph, before[:7] + 0.5, 0.5, names=JOINTS[:7])
    wait_until(
        lambda: values().get("trajectories_rejected") == str(rejected + 1), 20, "the rejection"
    )
    assert values()["last_rejection"] == "missing joints: panda_finger_joint1"
    assert "trajectory rejected: missing joints: panda_finger_joint1" in robot.output
    seen = len(joint_states)
    wait_until(lambda: len(joint_states) > seen + 100, 20, "100 more joint states")
    np.testing.assert_allclose(positions(joint_states), before, atol=2e-3)


def test_a_trajectory_that_ended_in_the_past_is_rejected(graph, joint_states):
    values = diagnostic_values(graph)
    command(graph, positions(joint_states), 0.1, stamp=now(joint_states) - 0.5)
    wait_until(lambda: "in the past" in values().get("last_rejection", ""), 20, "the rejection")


def test_a_twist_moves_the_arm_until_its_stamp_is_stale(graph, joint_states):
    publisher = graph.publisher(TwistStamped, "/twist", qos.COMMAND)
    start = positions(joint_states)

    def moved():
        message = TwistStamped()
        message.header.stamp = joint_states[-1].header.stamp
        message.header.frame_id = "panda_link0"
        message.twist.linear.z = 0.1
        publisher.publish(message)
        return np.abs(positions(joint_states) - start).max() > 0.1

    wait_until(moved, 20, "the arm's motion")
    stopped = now(joint_states) + 0.5
    wait_until(lambda: now(joint_states) > stopped, 20, "half a second")
    assert np.abs(joint_states[-1].velocity).max() < 1e-2


def test_a_silenced_camera_sends_nothing_and_the_other_goes_on(graph, joint_states):
    front = graph.listen(Image, "/front/image_raw", qos.SENSOR)
    wrist = graph.listen(Image, "/wrist/image_raw", qos.SENSOR)
    wait_until(lambda: front and wrist, 20, "images")
    graph.set_parameter("sim_robot_node", "silence_front", True)
    after = len(wrist) + 2  # one picture may have been on its way
    wait_until(lambda: len(wrist) > after, 20, "images of the wrist")
    silent, seen = seconds_of(wrist[-1].header.stamp), len(wrist)

    def heard():
        return seconds_of(front[-1].header.stamp) > silent

    wait_until(lambda: len(wrist) > seen + 5, 20, "images of the wrist")
    assert not heard()
    graph.set_parameter("sim_robot_node", "silence_front", False)
    wait_until(heard, 20, "images of the front camera")


def test_the_instruction_decides_what_success_means(graph, joint_states):
    states = graph.listen(String, "/sim/state", qos.LATCHED)
    state = wait_until(lambda: state_of(states), 20, "the simulation's state")
    assert len(state["objects"]) == 3
    assert state["instruction"] == f"put the {state['target']} in the basket"
    other = next(name for name in state["objects"] if name != state["target"])
    publisher = graph.publisher(String, "/instruction", qos.LATCHED)
    publisher.publish(String(data=f"put the {other} in the basket"))
    wait_until(lambda: state_of(states)["target"] == other, 20, "the other target")
    assert state_of(states)["success"] is False


def scene_without_all_of(objects):
    """Seed of a scene that lacks one of these, and that one."""
    task = make_task("pick_place")
    for seed in itertools.count():
        task.reset(seed)
        for name in objects:
            if name not in task.present:
                return seed, name


def test_an_instruction_for_an_object_that_is_not_there_is_warned_of_once(
    graph, joint_states, robot
):
    states = graph.listen(String, "/sim/state", qos.LATCHED)
    before = wait_until(lambda: state_of(states), 20, "the simulation's state")
    publisher = graph.publisher(String, "/instruction", qos.LATCHED)

    def instruct(text):
        publisher.publish(String(data=text))
        await_states()

    def await_states():
        seen = len(states)
        wait_until(lambda: len(states) >= seen + 2, 20, "two more states")

    def warnings():
        return [line for line in robot.output.splitlines() if "names no object" in line]

    for _ in range(3):
        instruct("put the teapot in the basket")
    wait_until(warnings, 20, "the warning")
    instruct("")
    (warning,) = warnings()
    assert "WARN" in warning and "'put the teapot in the basket'" in warning
    assert all(f"'{name}'" in warning for name in before["objects"])
    assert state_of(states)["target"] == before["target"]

    seed, gone = scene_without_all_of(set(before["objects"]) - {before["target"]})
    instruct(f"put the {gone} in the basket")
    wait_until(lambda: state_of(states)["target"] == gone, 20, "the other target")
    graph.set_parameter("sim_robot_node", "seed", seed)
    assert graph.call(Trigger, "/sim_robot_node/reset").success
    await_states()
    assert len(warnings()) == 1  # the sentence was for the scene before
    instruct(f"put the {gone} in the basket")
    wait_until(lambda: len(warnings()) == 2, 20, "the warning for the new scene")


def test_reset_takes_the_next_seed_and_the_clock_goes_on(graph, joint_states):
    states = graph.listen(String, "/sim/state", qos.LATCHED)
    clock = graph.listen(Clock, "/clock", qos.CLOCK)
    before = wait_until(lambda: clock and state_of(states), 20, "the simulation's state")
    response = graph.call(Trigger, "/sim_robot_node/reset")
    assert response.success and response.message.startswith(f"seed {before['seed'] + 1}: put the")
    after = wait_until(
        lambda: state_of(states)["resets"] > before["resets"] and state_of(states), 20, "a reset"
    )
    assert after["seed"] == before["seed"] + 1
    graph.set_parameter("sim_robot_node", "seed", 40)
    assert graph.call(Trigger, "/sim_robot_node/reset").message.startswith("seed 40:")
    count = len(clock)
    wait_until(lambda: len(clock) > count + 20, 20, "the clock")
    assert (np.diff([seconds_of(m.clock) for m in clock]) > 0).all()


def test_time_cannot_be_stepped_when_it_runs_by_itself(graph, joint_states):
    response = graph.call(Trigger, "/sim_robot_node/step")
    assert not response.success
    assert "stepped:=true" in response.message


def test_sigint_ends_it_with_status_0_and_leaves_no_process(graph, joint_states, robot):
    assert robot.stop(signal.SIGINT) == 0
    assert robot.group_is_gone()
    assert "Traceback" not in robot.output


def test_stepped_time_stands_still_until_a_step_of_one_control_period(graph, robots):
    robots.end()
    process = NodeProcess(MODULE, "stepped:=true")
    try:
        clock = graph.listen(Clock, "/clock", qos.CLOCK)
        times = [
            float(graph.call(Trigger, "/sim_robot_node/step", timeout=START).message.split()[1])
            for _ in range(3)
        ]
        np.testing.assert_allclose(np.diff(times), 0.02, atol=1e-9)
        diagnostics = graph.listen(DiagnosticArray, "/diagnostics", qos.DIAGNOSTICS)
        wait_until(lambda: len(diagnostics) >= 2, 20, "diagnostics")
        assert seconds_of(diagnostics[-1].header.stamp) == pytest.approx(times[-1])
        assert seconds_of(clock[-1].clock) == pytest.approx(times[-1])
        assert process.stop(signal.SIGTERM) == 0
    finally:
        process.close()


def test_an_unknown_task_is_one_sentence_and_a_failure(ros):
    process = NodeProcess(MODULE, "task:=fold_laundry")
    try:
        wait_until(lambda: not process.alive, START, "the node's end")
        assert process.process.returncode == 1
        assert (
            "Unknown task 'fold_laundry'; choose one of: beside_plate, pick_place" in process.output
        )
        assert "Traceback" not in process.output
    finally:
        process.close()
