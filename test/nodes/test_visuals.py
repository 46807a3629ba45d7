# SPDX-License-Identifier: Apache-2.0
"""The chunk as people see it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from quantvla_ros.nodes.visuals import ChunkDisplay, chunk_message, path_marker
from quantvla_ros.robot.chain import KinematicJoint, Kinematics
from quantvla_ros.serving.stamps import seconds_of

ACTIONS = np.array([[0.0, 0.5], [np.pi / 2, 0.25]])
NAMES = ("turn", "slide")
CHAIN = Kinematics(
    base="world",
    tip="tip",
    joints=(
        KinematicJoint("turn", "revolute", (0, 0, 1), (0, 0, 0), (0, 0, 1)),
        KinematicJoint("slide", "prismatic", (0, 0, 0), (0, 0, 0), (1, 0, 0)),
    ),
)


def test_rows_of_a_chunk_are_due_one_step_after_another():
    message = chunk_message(ACTIONS, 12.5, 0.1, NAMES)
    assert seconds_of(message.header.stamp) == 12.5
    times = [seconds_of(p.time_from_start) for p in message.points]
    assert times == pytest.approx([0.1, 0.2])
    assert message.points[1].positions.tolist() == ACTIONS[1].tolist()


def test_path_is_that_of_the_tip_in_the_base_frame():
    marker = path_marker(ACTIONS, 12.5, NAMES, CHAIN)
    assert marker.header.frame_id == "world"
    points = [(p.x, p.y, p.z) for p in marker.points]
    assert points[0] == pytest.approx((0.5, 0.0, 1.0))
    assert points[1] == pytest.approx((0.0, 0.25, 1.0))


@pytest.mark.parametrize(("joints", "shown"), [(NAMES, True), (("turn",), False)])
def test_a_chunk_without_a_joint_of_the_chain_has_no_path(joints, shown):
    published = []
    node = SimpleNamespace(
        create_publisher=lambda kind, topic, qos: SimpleNamespace(
            publish=lambda message: published.append(topic), get_subscription_count=lambda: 1
        )
    )
    interface = SimpleNamespace(
        action=SimpleNamespace(names=list(joints)), state=SimpleNamespace(kinematics=CHAIN), dt=0.1
    )
    ChunkDisplay(node).show(ACTIONS[:, : len(joints)], 12.5, interface)
    assert published == ["~/chunk", "~/predicted_path"][: 1 + shown]
