# SPDX-License-Identifier: Apache-2.0
"""The four checks in /diagnostics."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from support.waiting import wait_until

from quantvla_ros.nodes.diagnostics import Diagnostics
from quantvla_ros.nodes.qos import DIAGNOSTICS
from quantvla_ros.serving.status import ERROR, OK


def test_all_checks_are_published_and_changes_are_noticed(graph):
    arrays = graph.listen(DiagnosticArray, "/diagnostics", DIAGNOSTICS)
    diagnostics = Diagnostics(graph.node)
    assert diagnostics.update("control", ERROR, "STALE_CAMERA: none")
    assert not diagnostics.update("control", ERROR, "STALE_CAMERA: none")
    diagnostics.set_values("inputs", {"age_s_front": 0.123456, "received_front": 3})

    def published():
        diagnostics.publish()
        return arrays

    array = wait_until(published, 10)[-1]
    assert [s.name for s in array.status] == [
        "test: control",
        "test: inference",
        "test: inputs",
        "test: bundle",
    ]
    assert (array.status[0].level, array.status[0].message) == (ERROR, "STALE_CAMERA: none")
    assert {v.key: v.value for v in array.status[2].values} == {
        "age_s_front": "0.1235",
        "received_front": "3",
    }
    assert array.status[0].hardware_id == "/test"
    diagnostics.reset("not configured")
    assert not diagnostics.update("control", OK, "not configured")


def test_two_arms_in_namespaces_of_their_own_are_told_apart(graph):
    arrays = graph.listen(DiagnosticArray, "/diagnostics", DIAGNOSTICS)
    nodes = [Node("policy_node", namespace=side) for side in ("left", "right")]
    both = [Diagnostics(node) for node in nodes]

    def entries():
        for each in both:
            each.publish()
        found = {(s.hardware_id, s.name) for array in list(arrays) for s in array.status}
        return {e for e in found if e[1].endswith(": control")} if len(found) == 8 else None

    assert wait_until(entries, 20, "the entries of both") == {
        ("/left/policy_node", "left/policy_node: control"),
        ("/right/policy_node", "right/policy_node: control"),
    }
    for node in nodes:
        node.destroy_node()
