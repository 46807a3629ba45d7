# SPDX-License-Identifier: Apache-2.0
"""Another publisher on the command topic is found and named, and forgotten when it goes."""

from __future__ import annotations

from action_msgs.msg import GoalStatus, GoalStatusArray
from support.waiting import wait_until
from trajectory_msgs.msg import JointTrajectory

from quantvla_ros.control.faults import FaultCode
from quantvla_ros.nodes.goal_watch import GoalWatch
from quantvla_ros.nodes.output_watch import OutputWatch
from quantvla_ros.nodes.qos import LATCHED

TOPIC, GRIPPER = "watched_trajectory", "watched_gripper"


def test_the_grippers_topic_is_watched_too(graph):
    own = [graph.node.create_publisher(JointTrajectory, topic, 1) for topic in (TOPIC, GRIPPER)]
    watch = OutputWatch(graph.node, own, GoalWatch(graph.node))
    second = graph.node.create_publisher(JointTrajectory, GRIPPER, 1)

    def conflict():
        watch.look()
        return watch.conflict

    assert f"publishes on /{GRIPPER}" in wait_until(conflict, 10, "the second publisher")[1]
    for publisher in (second, *own):
        graph.node.destroy_publisher(publisher)


def test_other_publisher_comes_and_goes(graph):
    from support.ros_graph import Graph

    own = graph.node.create_publisher(JointTrajectory, TOPIC, 1)
    watch = OutputWatch(graph.node, [own], GoalWatch(graph.node))
    watch.look()
    assert watch.conflict is None
    second = graph.node.create_publisher(JointTrajectory, TOPIC, 1)

    def conflict():
        watch.look()
        return watch.conflict

    code, text = wait_until(conflict, 10, "the second publisher")
    assert code is FaultCode.OUTPUT_CONFLICT
    assert f"publishes on /{TOPIC}: /test;" in text, "a namesake is another node too"
    graph.node.destroy_publisher(second)
    wait_until(lambda: conflict() is None, 10, "its end")
    other = Graph("intruder")
    try:
        other.node.create_publisher(JointTrajectory, TOPIC, 1)
        assert "/intruder" in wait_until(conflict, 10, "the intruder")[1]
    finally:
        other.close()
    wait_until(lambda: conflict() is None, 20, "the intruder's end")


def test_a_goal_of_the_controllers_action_is_a_conflict_until_it_ends(graph):
    """As an action server does, and as one does that is killed with its goal."""
    own = graph.node.create_publisher(JointTrajectory, "arm_controller/joint_trajectory", 1)
    goals = GoalWatch(graph.node)
    watch = OutputWatch(graph.node, [own], goals)
    status = "arm_controller/follow_joint_trajectory/_action/status"
    server = graph.node.create_publisher(GoalStatusArray, status, LATCHED)

    def conflict():
        watch.look()
        return watch.conflict

    def tell(*states):
        server.publish(GoalStatusArray(status_list=[GoalStatus(status=s) for s in states]))

    ended = (GoalStatus.STATUS_SUCCEEDED, GoalStatus.STATUS_CANCELED, GoalStatus.STATUS_ABORTED)
    tell(*ended)
    assert conflict() is None
    active = (
        GoalStatus.STATUS_ACCEPTED, GoalStatus.STATUS_EXECUTING, GoalStatus.STATUS_CANCELING
    )  # fmt: skip
    for state in active:
        tell(GoalStatus.STATUS_SUCCEEDED, state)
        code, text = wait_until(conflict, 10, f"a goal of state {state}")
        assert code is FaultCode.OUTPUT_CONFLICT
        assert "executes a goal of /arm_controller/follow_joint_trajectory" in text
        tell(*ended)
        wait_until(lambda: conflict() is None, 10, "its end")
    tell(GoalStatus.STATUS_EXECUTING)
    wait_until(conflict, 10, "a goal")
    graph.node.destroy_publisher(server)
    wait_until(lambda: conflict() is None, 10, "the end of the server")
    graph.node.destroy_publisher(own)


def test_a_grippers_own_goals_are_no_conflict_and_anothers_is(graph):
    class Gripper:
        action = "/hand/gripper_cmd"

        def owns(self, goal):
            return goal == bytes([1] * 16)

        def absent(self):
            return None

    server = graph.node.create_publisher(
        GoalStatusArray, f"{Gripper.action}/_action/status", LATCHED
    )
    watch = OutputWatch(graph.node, [], GoalWatch(graph.node), [Gripper()])

    def conflict():
        watch.look()
        return watch.conflict

    def tell(*numbers):
        goals = [GoalStatus(status=GoalStatus.STATUS_EXECUTING) for _ in numbers]
        for goal, number in zip(goals, numbers, strict=True):
            goal.goal_info.goal_id.uuid = [number] * 16
        server.publish(GoalStatusArray(status_list=goals))

    tell(1, 2)
    code, text = wait_until(conflict, 10, "the other client's goal")
    assert code is FaultCode.OUTPUT_CONFLICT and "a goal of /hand/gripper_cmd" in text
    tell(1)
    wait_until(lambda: conflict() is None, 10, "its end")
    graph.node.destroy_publisher(server)


def test_a_topic_that_is_no_controllers_has_no_action(graph):
    goals = GoalWatch(graph.node)
    goals.listen(["/delta_twist_cmds", "/arm/my_joint_trajectory"])
    assert goals.busy("/delta_twist_cmds") == goals.busy("/arm/my_joint_trajectory") == ""
    for action in ("/arm/follow_joint_trajectory", "/arm/my_follow_joint_trajectory"):
        assert graph.node.count_subscribers(f"{action}/_action/status") == 0
