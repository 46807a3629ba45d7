# SPDX-License-Identifier: Apache-2.0
"""The simulated gripper's controller on a real graph, over a finger without physics."""

from __future__ import annotations

import types

import numpy as np
import pytest
from action_msgs.msg import GoalStatus
from rclpy.action import ActionClient
from std_msgs.msg import Float64MultiArray
from support.waiting import wait_until

from quantvla_ros.nodes import qos
from simulation.ros.gripper_server import serve_gripper

JOINT = "finger"
NAME = "gripper_controller/gripper_cmd"


class Finger:
    """Where it was told to be; its time stands still until `wait`."""

    def __init__(self):
        self.told = []
        self.now = 1.0
        self.positions, self.velocities = np.zeros(2), np.zeros(2)

    def submit(self, position):
        self.told.append(position)

    def run(self, controller, position, seconds):
        self.positions = np.array([0.0, position])
        self.now += seconds
        controller.update(self, self.now)


@pytest.fixture
def finger():
    return Finger()


@pytest.fixture(params=["gripper_command", "parallel_gripper_command"])
def served(request, control_msgs, graph, finger):
    """Controller, client and a maker of goals; the two actions differ in their fields alone."""
    import control_msgs.action as actions

    parallel = request.param != "gripper_command"
    action = actions.ParallelGripperCommand if parallel else actions.GripperCommand
    controller = serve_gripper(graph.node, request.param, JOINT, finger.submit, lambda: finger.now)
    client = ActionClient(graph.node, action, NAME)

    def send(*positions):
        goal = action.Goal()
        if parallel:
            goal.command.position = list(positions)
        else:
            goal.command.position = positions[0]
        sent = client.send_goal_async(goal)
        wait_until(sent.done, 20, "the answer to a goal")
        return sent.result()

    def position(result):
        return result.state.position[0] if parallel else result.position

    wait_until(client.server_is_ready, 20, "the server")
    yield types.SimpleNamespace(
        controller=controller, send=send, position=position, parallel=parallel
    )
    graph.run(client.destroy)
    graph.run(controller._server.destroy)


def ended(handle):
    future = handle.get_result_async()
    wait_until(future.done, 20, "the result")
    return future.result().status, future.result().result


def test_goals_end_as_a_real_controller_ends_them(served, finger):
    controller = served.controller
    first = served.send(0.0)
    wait_until(lambda: finger.told == [0.0], 10, "the command")
    finger.run(controller, 0.005, 0.01)
    status, result = ended(first)
    assert status == GoalStatus.STATUS_SUCCEEDED and result.reached_goal and not result.stalled

    held = served.send(0.0)
    wait_until(lambda: len(finger.told) == 2, 10, "the command")
    finger.run(controller, 0.02, 0.01)
    finger.run(controller, 0.02, 1.2)  # an object between the fingers
    status, result = ended(held)
    assert status == GoalStatus.STATUS_ABORTED and result.stalled and not result.reached_goal
    assert served.position(result) == pytest.approx(0.02)

    replaced, newest = served.send(0.04), served.send(0.03)
    status, result = ended(replaced)
    assert status == GoalStatus.STATUS_ABORTED and not result.stalled
    wait_until(lambda: finger.told[-1] == 0.03, 10, "the newer command")

    answer = newest.cancel_goal_async()
    wait_until(answer.done, 10, "the answer to the cancel request")
    assert ended(newest)[0] == GoalStatus.STATUS_CANCELED
    assert finger.told[-1] == pytest.approx(0.02), "it holds where it is"

    unfinished = served.send(0.04)
    controller.reset()
    assert ended(unfinished)[0] == GoalStatus.STATUS_ABORTED
    if served.parallel:
        assert not served.send(0.0, 0.0).accepted


def test_positions_of_a_topic_are_taken_and_other_messages_are_not(graph, finger):
    assert serve_gripper(graph.node, "trajectory", JOINT, finger.submit, lambda: 0.0) is None
    serve_gripper(graph.node, "forward_command", JOINT, finger.submit, lambda: 0.0)
    publisher = graph.publisher(Float64MultiArray, "gripper_controller/commands", qos.COMMAND)
    publisher.publish(Float64MultiArray(data=[0.01]))
    wait_until(lambda: finger.told == [0.01], 20, "the command")
    publisher.publish(Float64MultiArray(data=[0.01, 0.02]))
    wait_until(publisher.wait_for_all_acked, 20, "its way")
    publisher.publish(Float64MultiArray(data=[0.03]))
    wait_until(lambda: finger.told[-1] == 0.03, 20, "the next command")
    assert finger.told == [0.01, 0.03]
