# SPDX-License-Identifier: Apache-2.0
"""Another publisher on the command topic is found and named, and forgotten when it goes."""

from __future__ import annotations

from trajectory_msgs.msg import JointTrajectory
from waiting import wait_until

from quantvla_ros.control.faults import FaultCode
from quantvla_ros.nodes.output_watch import OutputWatch

TOPIC, GRIPPER = "watched_trajectory", "watched_gripper"


def test_the_grippers_topic_is_watched_too(graph):
    own = [graph.node.create_publisher(JointTrajectory, topic, 1) for topic in (TOPIC, GRIPPER)]
    watch = OutputWatch(graph.node, own)
    second = graph.node.create_publisher(JointTrajectory, GRIPPER, 1)

    def conflict():
        watch.look()
        return watch.conflict

    assert f"publishes on /{GRIPPER}" in wait_until(conflict, 10, "the second publisher")[1]
    for publisher in (second, *own):
        graph.node.destroy_publisher(publisher)


def test_other_publisher_comes_and_goes(graph):
    from ros_graph import Graph

    own = graph.node.create_publisher(JointTrajectory, TOPIC, 1)
    watch = OutputWatch(graph.node, [own])
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
