# SPDX-License-Identifier: Apache-2.0
"""A checkpoint that observes and commands the tip's pose, with a robot.yaml that names its URDF."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml
from support.parity import PARITY
from support.six_axis import urdf
from support.tiny_pi05 import JOINTS, SIZES, TOKENIZER, changed, robot

from calib_tools.import_.command import ImportSettings, read_checkpoint, the_contract
from quantvla_ros.checkpoints.pipelines import PREPROCESSOR
from quantvla_ros.errors import QuantVLAError

POSE = {"urdf": "arm.urdf", "base": "l0", "link": "l6", "rotation": "vector"}


@pytest.fixture
def settings(tmp_path):
    """What imports the golden checkpoint, whose 8 states and 7 actions begin with six of a pose."""

    def made(**changes):
        (tmp_path / "arm.urdf").write_text(urdf(JOINTS))
        content = robot().model_dump(exclude_none=True)
        content |= {"tip": {"pose": POSE}, "rate": 10.0}
        content |= {"state": ["tip", "Gripper.pos", "rail.pos"], "action": ["tip", "Gripper.pos"]}
        file = tmp_path / "robot.yaml"
        file.write_text(yaml.safe_dump(json.loads(json.dumps(content | changes))))
        sizes = tmp_path / "sizes.json"
        sizes.write_text(json.dumps(SIZES))
        return ImportSettings(str(file), tokenizer=TOKENIZER, sizes=sizes)

    return made


def test_the_tips_pose_stands_for_six_values(settings):
    manifest = read_checkpoint(PARITY / "pi05", settings()).manifest
    interface = manifest.interface
    assert interface.action.names == [*JOINTS, "Gripper.pos"]
    assert interface.state.names == [*JOINTS, "Gripper.pos", "rail.pos"]
    assert interface.state.places == [None] * 6 + [6, 7]
    assert [group.kind for group in interface.action.groups] == ["ee_pose", "joint_position"]
    near = np.mean(manifest.normalization.action_mean, axis=0)[3:6]
    np.testing.assert_allclose(interface.action.pose.near, near)
    contract = the_contract(manifest)
    assert [line.name for line in contract.state][:4] == ["tip x", "tip y", "tip z", "tip vector 1"]
    assert {line.counted for line in contract.action[:6]} == {"pose of the tip"}
    assert contract.action[6].name == "Gripper.pos"


def test_what_does_not_fit_is_one_sentence(settings, tmp_path):
    with pytest.raises(QuantVLAError, match=r"arm_x.urdf cannot be read .*tip.pose.urdf"):
        read_checkpoint(PARITY / "pi05", settings(tip={"pose": POSE | {"urdf": "arm_x.urdf"}}))
    with pytest.raises(QuantVLAError, match=r"8 values of state, and robot 'golden' has 11"):
        wide = {"pose": POSE | {"rotation": "rot6d"}}
        read_checkpoint(PARITY / "pi05", settings(tip=wide))
    nameless = changed("pi05_relative", tmp_path / "nameless", PREPROCESSOR, without_names)
    with pytest.raises(QuantVLAError, match="lists 'tip' as one of them; only poses that are abs"):
        read_checkpoint(nameless, settings())


def without_names(content):
    for step in content["steps"]:
        if step["registry_name"] == "relative_actions_processor":
            step["config"]["action_names"] = None
