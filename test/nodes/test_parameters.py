# SPDX-License-Identifier: Apache-2.0
"""Parameters on a real node: declared with ranges, validated at start and when set."""

from __future__ import annotations

import pytest
from rclpy.node import Node
from rclpy.parameter import Parameter

from quantvla_ros.nodes.parameters import check_change, declare, declare_joint_limits, read
from quantvla_ros.serving.parameter_table import ParameterError, parameter_table


@pytest.fixture
def make_node(ros):
    nodes = []

    def make(**overrides):
        node = Node(
            "parameters",
            parameter_overrides=[Parameter(k, value=v) for k, v in overrides.items()],
            start_parameter_services=False,
        )
        nodes.append(node)
        return node

    yield make
    for node in nodes:
        node.destroy_node()


def test_declares_every_parameter_with_text_and_range(make_node):
    node = make_node(threads=3)
    declare(node)
    assert read(node).threads == 3
    for info in parameter_table():
        described = node.describe_parameter(info.name)
        assert info.text in described.description
        if info.kind == "double":
            assert described.floating_point_range[0].to_value == info.upper


def test_parameter_without_a_value_is_refused_when_read(make_node):
    node = make_node(threads=None)
    declare(node)
    with pytest.raises(ParameterError, match="'threads' stands in the parameter file without"):
        read(node)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"threads": 0}, r"'threads' must be of type int from 1 to 64\."),
        ({"stop_s": 1}, r"'stop_s' must be of type double from 0 to 5 \(write 1.0, not 1\)\."),
        ({"bundle": 3}, r"'bundle' must be of type string\."),
    ],
)
def test_wrong_override_is_refused_at_start(make_node, overrides, sentence):
    with pytest.raises(ParameterError, match=sentence):
        declare(make_node(**overrides))


def test_open_bound_and_choices_are_refused_when_read(make_node):
    node = make_node(stop_s=0.0)
    declare(node)
    with pytest.raises(ParameterError, match=r"'stop_s' is 0\.0"):
        read(node)


@pytest.mark.parametrize(
    ("name", "value", "configured", "successful"),
    [
        ("max_skew_s", 0.1, True, True),
        ("max_skew_s", 0.0, True, False),
        ("backend", "reference", False, True),
        ("image_transport", "zip", False, False),
        ("backend", "reference", True, False),
        ("joint_limits.a.max_velocity", 0.5, True, False),
        ("joint_limits.a.max_velocity", 0.5, False, True),
        ("use_sim_time", True, True, False),
        ("use_sim_time", True, False, True),
    ],
)
def test_change_is_judged(make_node, name, value, configured, successful):
    node = make_node()
    declare(node)
    declare_joint_limits(node, ["a"])
    result = check_change(node, [Parameter(name, value=value)], configured)
    assert result.successful is successful
    assert successful or name in result.reason


def test_a_declaration_while_the_node_is_configured_is_no_change(make_node):
    node = make_node(**{"joint_limits.a.max_jerk": 7})
    declare(node)
    node.add_on_set_parameters_callback(lambda changes: check_change(node, changes, True))
    assert declare_joint_limits(node, ["a"])["max_jerk"] == {"a": 7.0}


def test_joint_limits_are_read_by_joint(make_node):
    node = make_node(**{"joint_limits.a.max_jerk": 7, "joint_limits.b.max_acceleration": 2.5})
    limits = declare_joint_limits(node, ["a", "b"])
    assert limits == {
        "max_velocity": {},
        "max_acceleration": {"b": 2.5},
        "max_jerk": {"a": 7.0},
        "tracking_tolerance": {},
        "max_jump": {},
    }
    assert declare_joint_limits(node, ["a", "b"]) == limits


def test_tolerance_may_be_zero(make_node):
    node = make_node(**{"joint_limits.a.tracking_tolerance": 0.0})
    assert declare_joint_limits(node, ["a"])["tracking_tolerance"] == {"a": 0.0}


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), "fast", True])
def test_joint_limit_that_is_no_positive_number_is_refused(make_node, value):
    node = make_node(**{"joint_limits.a.max_jerk": value})
    with pytest.raises(ParameterError, match=r"joint_limits\.a\.max_jerk"):
        declare_joint_limits(node, ["a"])
