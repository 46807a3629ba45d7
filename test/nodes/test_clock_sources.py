# SPDX-License-Identifier: Apache-2.0
"""A second publisher of /clock is named, to a node that takes its time from there."""

from __future__ import annotations

from rosgraph_msgs.msg import Clock
from support.waiting import wait_until

from quantvla_ros.control.faults import FaultCode
from quantvla_ros.nodes.clock_sources import ClockSources
from quantvla_ros.nodes.qos import CLOCK


def test_both_publishers_are_named_until_one_ends(graph):
    from support.ros_graph import Graph

    clocks = ClockSources(graph.node, simulated=True)
    system = ClockSources(graph.node, simulated=False)
    own = graph.node.create_publisher(Clock, "/clock", CLOCK)
    other = Graph("second_robot")

    def conflict():
        clocks.look()
        return clocks.conflict

    wait_until(lambda: graph.node.count_publishers("/clock") == 1, 20, "the first clock")
    assert conflict() is None
    try:
        other.node.create_publisher(Clock, "/clock", CLOCK)
        code, text = wait_until(conflict, 20, "the second clock")
        assert code is FaultCode.CLOCK_JUMP
        assert "2 publishers of /clock" in text and "/second_robot, /test;" in text
        system.look()
        assert system.conflict is None, "the system's clock does not come from there"
    finally:
        other.close()
    wait_until(lambda: conflict() is None, 20, "its end")
    graph.node.destroy_publisher(own)
