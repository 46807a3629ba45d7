# SPDX-License-Identifier: Apache-2.0
"""An `ee_delta` policy through the real node to the simulated robot's Servo and gripper."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("mujoco")

from action_msgs.msg import GoalStatusArray
from geometry_msgs.msg import TwistStamped
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from support.joint_positions import joint_positions
from support.policy_graph import manifest
from support.process_life import import_path
from support.ros_graph import NodeProcess
from support.spaces import ARM, action_space, state_space, twist
from support.spaces import GRIPPER as FINGERS
from support.waiting import wait_until

from quantvla_ros.bundle.schema import Normalization
from quantvla_ros.bundle.storage import save_bundle
from quantvla_ros.bundle.tokenizer import build_word_tokenizer
from quantvla_ros.nodes import qos
from quantvla_ros.nodes.lifecycle_client import PolicyNodeClient
from quantvla_ros.robot.interface import CameraSlot, Interface
from quantvla_ros.serving.stamps import seconds_of
from simulation.robot import JOINT_NAMES
from simulation.urdf import BASE_LINK

HORIZON = 30
FINGER = JOINT_NAMES[-1]
LIFT = 0.06  # m/s
GRIPPER = "gripper_type:=parallel_gripper_command"
START = 120.0


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A policy that lifts the tip and closes the gripper half; its code is in fake_policies."""
    import torch

    n, gripper = len(JOINT_NAMES), (FINGERS, "m", [FINGER])
    spec = Interface(
        cameras=tuple(CameraSlot(name, 96, 96) for name in ("front", "wrist")),
        state=state_space((ARM, "rad", JOINT_NAMES[:7]), gripper),
        action=action_space(*twist(), gripper),
        dt=0.1,
        horizon=HORIZON,
    )
    width = spec.action.width
    normalization = Normalization(
        state_mean=[0.0] * n,
        state_std=[1.0] * n,
        action_mean=[[0.0] * width] * HORIZON,
        action_std=[[1.0] * width] * HORIZON,
    )
    path = tmp_path_factory.mktemp("ee") / "bundle"
    made = manifest(interface=spec, normalization=normalization)
    return save_bundle(path, made, {"weight": torch.zeros(2)}, build_word_tokenizer(["lift"]))


@pytest.fixture
def node(ros, graph, bundle, control_msgs, monkeypatch):
    """Robot and policy node, the latter configured and active, and a client of it."""
    monkeypatch.setenv("PYTHONPATH", import_path())
    robot = NodeProcess("simulation.ros.robot_node", GRIPPER, "real_time_factor:=0.5")
    policy = NodeProcess(
        "quantvla_ros.nodes.policy_node",
        f"bundle:={bundle}",
        "backend:=lifting",
        f"twist_frame:={BASE_LINK}",
        GRIPPER,
        "use_sim_time:=true",
        "inference_timeout_s:=30.0",
        "warmup_timeout_s:=200.0",
        "input_timeout_s:=120.0",
        "max_camera_age_s:=5.0",
        "max_joint_age_s:=5.0",
        "max_skew_s:=1.0",
        f"joint_limits.{FINGER}.max_acceleration:=1.0",
        f"joint_limits.{FINGER}.max_jerk:=20.0",
    )
    client = PolicyNodeClient(graph.node, "policy_node", timeout_s=START)
    try:
        yield client
    finally:
        print(policy.output)  # pytest shows it with a failure
        client.close()
        policy.close()
        robot.close()


def test_the_simulated_servo_follows_its_twists_and_a_stop_is_repeated(node, graph):
    states = graph.listen(JointState, "/joint_states", qos.SENSOR)
    twists = graph.listen(TwistStamped, "/twist", qos.COMMAND)
    goals = graph.listen(
        GoalStatusArray, "/gripper_controller/gripper_cmd/_action/status", qos.LATCHED
    )
    graph.publisher(String, "/instruction", qos.LATCHED, readers=0).publish(String(data="lift"))
    wait_until(lambda: states, START, "the robot")
    node.configure()
    node.activate()
    wait_until(lambda: node.diagnostics("control")[0] == "DRY_RUN", 60, "dry run")
    wait_until(lambda: int(node.diagnostics("inference")[1].get("chunks", 0)) > 0, 60, "a chunk")
    assert twists == [] and goals == []

    def joints():
        return joint_positions(states[-1], JOINT_NAMES)

    start = joints()
    node.arm()
    wait_until(lambda: np.abs(joints() - start)[:7].max() > 0.1, 90, "the arm's motion")
    wait_until(lambda: abs(joints()[7] - 0.02) < 0.004, 60, "the gripper's motion")
    gripper = lambda: node.diagnostics("control")[1]["gripper"]  # noqa: E731
    wait_until(lambda: gripper().startswith("reached at 0.02"), 30, gripper)
    node.arm(False)
    wait_until(lambda: node.diagnostics("control")[0] == "DRY_RUN", 60, "rest")
    wait_until(
        lambda: len(twists) > 4 and all(m.twist == TwistStamped().twist for m in twists[-4:]),
        30,
        "zero twists",
    )
    for message in twists:
        assert message.header.frame_id == BASE_LINK
        linear, angular = message.twist.linear, message.twist.angular
        assert -1e-4 <= linear.z <= LIFT * 1.2
        assert [linear.x, linear.y, angular.x, angular.y, angular.z] == pytest.approx([0] * 5)
    stamps = [seconds_of(m.header.stamp) for m in twists]
    assert (np.diff(stamps) >= 0).all() and stamps[0] > 0
    assert max(m.twist.linear.z for m in twists) > 0.5 * LIFT
    rested = len(states)
    wait_until(lambda: len(states) > rested + 50, 60, "joint states after the stop")
    assert np.abs(states[-1].velocity).max() < 1e-2
    count = len(twists)
    wait_until(lambda: len(states) > rested + 100, 60, "more joint states")
    assert len(twists) == count  # silence
