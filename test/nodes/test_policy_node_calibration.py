# SPDX-License-Identifier: Apache-2.0
"""What a bundle tells of its calibration: known instructions, and what the cameras showed."""

from __future__ import annotations

import numpy as np
import pytest
from support.fake_robot import CAMERAS, SIZE, FakeRobot
from support.policy_graph import write_bundle
from support.spelling_tokenizers import byte_tokenizer
from support.waiting import wait_until

from quantvla_ros.bundle.calibration import Calibration
from quantvla_ros.bundle.schema import TokenizerSpec
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.processing.pictures import camera_statistics


def grey(values):
    return np.repeat(values.astype(np.uint8)[:, :, None], 3, axis=2)


ROWS, COLUMNS = np.mgrid[0:SIZE, 0:SIZE]
PICTURES = {"front": grey(40 + 20 * ROWS), "wrist": grey(200 - 20 * COLUMNS)}
CALIBRATION = Calibration(
    instructions=["swing", "left"],
    cameras={name: camera_statistics([PICTURES[name]]) for name in CAMERAS},
)


class RobotWithAView(FakeRobot):
    """Its cameras show what the policy was calibrated on."""

    def heal(self):
        super().heal()
        self.pictures = PICTURES


@pytest.fixture(scope="module")
def make_robot(ros):
    return RobotWithAView


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_bundle(
        tmp_path_factory.mktemp("bundle") / "calibrated",
        byte_tokenizer().json,
        calibration=CALIBRATION,
        tokenizer=TokenizerSpec(max_length=64),
    )


@pytest.fixture(autouse=True)
def undisturbed(policy):
    policy.bring_to_dry_run()
    policy.wait_for_inputs("fresh")


def test_bundle_says_what_is_known_of_it(policy):
    values = policy.client.diagnostics("bundle")[1]
    assert values["calibrated_instructions"] == "2"
    assert values["camera_statistics"] == "front, wrist"


def test_only_calibrated_instructions_move_a_policy_that_spells_every_word(policy, robot):
    robot.instruct("schwinge")
    policy.wait_for_inputs("the instruction 'schwinge' is none that the policy was calibrated on")
    with pytest.raises(QuantVLAError, match=r"Cannot arm: .*calibrated on 'swing', 'left'; or set"):
        policy.client.arm()
    robot.instruct("left")
    policy.wait_for_inputs("fresh")
    policy.bring_to_motion()


WRONG = {
    "black": ({"front": grey(0 * ROWS)}, "camera 'front'", "too dark: brightness 0 of 255"),
    "covered": ({"wrist": grey(0 * ROWS + 120)}, "camera 'wrist'", "as if it were covered"),
    "swapped": (
        {"front": PICTURES["wrist"], "wrist": PICTURES["front"]},
        "camera 'front'",
        "as if it were another camera's or turned",
    ),
}


@pytest.mark.parametrize("instruction", ["swing", ""])
@pytest.mark.parametrize("kind", WRONG)
def test_wrong_camera_is_named_and_refuses_arming(policy, robot, kind, instruction):
    """Without an instruction nothing is inferred, and the pictures are looked at all the same."""
    robot.instruct(instruction)
    pictures, camera, text = WRONG[kind]
    robot.pictures = PICTURES | pictures
    policy.wait_for_inputs(f"{camera} does not show what the policy was calibrated on")
    assert text in policy.client.diagnostics("inputs")[0]
    with pytest.raises(QuantVLAError, match=f"Cannot arm: {camera} does not show") as error:
        policy.client.arm()
    assert text in str(error.value) and "'camera_check' to warn" in str(error.value)


def test_dim_light_still_arms(policy, robot):
    robot.pictures = {name: (picture * 0.45).astype(np.uint8) for name, picture in PICTURES.items()}
    received = policy.count("inputs", "received_wrist")
    wait_until(lambda: policy.count("inputs", "received_wrist") > received + 3, 20, "pictures")
    policy.bring_to_motion()


def test_wrong_camera_may_be_allowed_and_stops_no_arm(policy, robot, graph):
    policy.bring_to_motion()
    robot.pictures = PICTURES | WRONG["black"][0]
    policy.wait_for_inputs("camera 'front' does not show")
    assert policy.message == "ARMED"
    policy.client.rest()
    with pytest.raises(QuantVLAError, match="Cannot arm: camera 'front'"):
        policy.client.arm()
    try:
        graph.set_parameter(policy.name, "camera_check", "warn")
        policy.client.arm()
        policy.wait_for_inputs("camera 'front' does not show")
        graph.set_parameter(policy.name, "camera_check", "ignore")
        policy.wait_for_inputs("fresh")
        assert policy.message == "ARMED"
    finally:
        graph.set_parameter(policy.name, "camera_check", "enforce")
