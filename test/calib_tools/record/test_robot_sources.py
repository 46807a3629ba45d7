# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from calib_tools.buffer.sources import load_config
from calib_tools.record.robot_sources import read_sources
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.resources import shared_file


def test_a_robot_names_the_sources_that_its_configuration_would():
    by_file = load_config(shared_file("config/calibration.yaml"))
    by_robot = read_sources(None, "panda")
    assert by_robot.topics() == by_file.topics()
    assert by_robot.joint_states.names == by_file.joint_states.names


def test_a_robot_gives_the_policies_names_of_its_joints():
    source = read_sources(None, "so101").joint_states
    assert source.names[0] == "shoulder_pan"
    assert source.policy_names["shoulder_pan"] == "shoulder_pan.pos"


@pytest.mark.parametrize(("config", "robot"), [(None, ""), (Path("a.yaml"), "panda")])
def test_one_of_the_two_must_be_given(config, robot):
    with pytest.raises(QuantVLAError, match="--config, or the robot by --robot, and not both"):
        read_sources(config, robot)


def test_a_robot_without_cameras_cannot_be_recorded(tmp_path):
    file = tmp_path / "robot.yaml"
    file.write_text("{name: a, limits_from: b, groups: {arm: {type: arm, joints: {elbow: {}}}}}")
    with pytest.raises(QuantVLAError, match=r"robot\.yaml', cameras: Dictionary should have"):
        read_sources(None, str(file))
