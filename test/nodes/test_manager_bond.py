# SPDX-License-Identifier: Apache-2.0
"""A bond with a lifecycle manager like nav2's, over the graph, with a stand-in for bondpy."""

from __future__ import annotations

import contextlib
import signal
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy")

from rclpy.duration import Duration
from std_msgs.msg import String
from support.policy_graph import PolicyProcess
from support.ros_graph import Graph
from support.waiting import patient, wait_until

from quantvla_ros.nodes.graph_names import publisher_names
from quantvla_ros.nodes.manager_bond import ManagerBond

LONG = Duration(seconds=int(patient(20)))
FAKE = Path(__file__).parent / "fake_bondpy"


@pytest.fixture
def bond(monkeypatch):
    """Makes the manager's side, as nav2 does after it has activated a node."""
    monkeypatch.syspath_prepend(str(FAKE))
    from bondpy.bondpy import Bond

    def make(graph, name):
        side = Bond("bond", name, graph.node)
        side.set_heartbeat_period(0.1)
        judge = side._on_status

        def take(message):
            with contextlib.suppress(TypeError):  # a third side
                judge(message)

        side._on_status = take
        side.start()
        return side

    yield make
    for name in ("bondpy", "bondpy.bondpy"):
        sys.modules.pop(name)


def test_the_manager_finds_a_bond_while_the_node_is_active(
    robot, float_bundle, graph, bond, monkeypatch, tmp_path
):
    monkeypatch.setenv("PYTHONPATH", str(FAKE))
    policy = PolicyProcess(robot, float_bundle, tmp_path)
    try:
        policy.client.configure()
        wait_until(lambda: graph.node.count_publishers("/bond") == 0, 20, "nobody's bond")
        policy.client.activate()
        first = bond(graph, policy.name)
        assert first.wait_until_formed(LONG)
        third = String(data=f'["{policy.name}", "a third side", true]')

        def warned():
            first.pub.publish(third)  # each is read only if no other one comes at once
            return "The bond with the lifecycle manager: " in policy.process.output

        wait_until(warned, 20, "a warning")
        assert not first.is_broken()
        policy.client.deactivate()
        wait_until(first.is_broken, 20, "the end of the bond")

        policy.client.activate()
        second = bond(graph, policy.name)
        assert second.wait_until_formed(LONG) and not second.is_broken()
        publishers = publisher_names(graph.node, "/bond")
        assert publishers.count(f"/{policy.name}") == 1, "the node's is made once"
        assert policy.process.stop(signal.SIGTERM) == 0, policy.process.output
        wait_until(second.is_broken, 20, "the end of the bond")
    finally:
        policy.close()


def test_a_silent_manager_does_not_break_the_bond(graph, bond):
    node = ManagerBond(graph.node)
    node.begin()
    for _ in range(2):  # a parameter that is declared twice would raise
        node._bond.on_silence()
    assert not node._bond.is_broken()
    node.end()
    node.end()


def test_without_bondpy_there_is_no_bond_and_no_complaint(ros):
    graph = Graph("without_bondpy")
    try:
        node = ManagerBond(graph.node)
        node.begin()
        assert node._bond is None
        node.end()
    finally:
        graph.close()
