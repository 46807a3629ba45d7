# SPDX-License-Identifier: Apache-2.0
"""quantvla check-robot, on the real topics of the fake robot."""

from __future__ import annotations

import math

import pytest
import yaml

pytest.importorskip("rclpy")

from support.fake_robot import CAMERAS, JOINTS, FakeRobot

from calib_tools.check_robot.command import check_robot

SECONDS = 2.0


def description(path, **changes):
    """The fake robot's own robot.yaml."""
    limits = {"max_acceleration": 10.0, "max_jerk": 300.0}
    arm = {"type": "arm", "joints": {name: limits for name in JOINTS[:2]}}
    finger = {"type": "gripper", "joints": {JOINTS[2]: limits}}
    content = {
        "name": "fake",
        "limits_from": "a test",
        "cameras": {name: f"{name}/image_raw" for name in CAMERAS},
        "groups": {"arm": arm, "gripper": finger},
    }
    path.write_text(yaml.safe_dump(content | changes))
    return str(path)


@pytest.fixture
def robot(ros):
    fake = FakeRobot()
    yield fake
    fake.close()


def judged(path):
    return {fact.name: fact for fact in check_robot(path, SECONDS)}


def test_a_robot_that_fits_has_all_its_parts(robot, tmp_path):
    found = judged(description(tmp_path / "robot.yaml"))
    assert "8x8" in found["camera front"].text and "Hz" in found["camera front"].text
    assert "3 joints" in found["joint states"].text
    # A busy machine holds the fake robot itself back; nothing else may be wrong.
    assert all(f.status != "bad" or "too slow" in f.text for f in found.values()), found
    assert found["robot_description"].status == found["instruction"].status == "good"
    assert found["controller of arm"].status == found["limits"].status == "good"


def test_what_is_missing_wrong_or_too_slow_is_named(robot, tmp_path):
    robot.silent = {"wrist"}
    robot.restamp = {"front": math.floor}
    robot.joint_names = JOINTS[:2]
    other = {"type": "arm", "output": "nobody/joint_trajectory", "joints": {JOINTS[0]: {}}}
    rest = {"type": "arm", "joints": {name: {} for name in (*JOINTS[1:], "tail")}}
    path = description(tmp_path / "robot.yaml", groups={"arm": other, "rest": rest})
    found = judged(path)
    assert "too slow, the node stops the robot after 0.5 s" in found["camera front"].text
    assert "/wrist/image_raw" in found["camera wrist"].text
    assert "missing: finger, tail" in found["joint states"].text
    assert "missing: tail" in found["robot_description"].text
    assert found["controller of arm"].text == "nothing takes trajectory on /nobody/joint_trajectory"
    bad = [name for name, fact in found.items() if fact.status == "bad"]
    assert len(bad) == 5 and all(found[name].remedy for name in bad)


def test_depth_pictures_are_wrong(robot, tmp_path):
    robot.encoding = "16UC1"
    found = judged(description(tmp_path / "robot.yaml"))
    assert found["camera front"].status == "bad" and "16UC1" in found["camera front"].text


def test_what_the_urdf_and_the_joints_contradict_is_named(robot, tmp_path):
    limits = {"max_acceleration": 10.0, "max_jerk": 300.0}
    joints = {
        JOINTS[0]: {"unit": "-100..100", "ends": [0.5, 1.5], **limits},
        JOINTS[1]: {"si": "m", **limits},
        JOINTS[2]: {"max_acceleration": 10.0},
    }
    found = judged(
        description(tmp_path / "robot.yaml", groups={"arm": {"type": "arm", "joints": joints}})
    )
    assert "measured at 0.000 rad, outside its ends 0.500..1.500" in found["ends of joint1"].text
    assert "'joint2' is revolute, and robot.yaml counts it in m" in found["unit of joint2"].text
    assert "joint 'finger' has no jerk limit" in found["limits"].text


def test_a_simulation_and_another_robot_are_told_as_such(robot, tmp_path):
    robot.restamp = dict.fromkeys((*CAMERAS, "joint_states"), lambda stamp: stamp % 1000.0 + 1.0)
    arm = {"type": "arm", "joints": {"shoulder": {}, "elbow": {}}}
    found = judged(description(tmp_path / "robot.yaml", groups={"arm": arm}))
    assert "simulation's time" in found["camera front"].text
    for name in ("joint states", "robot_description"):
        assert "another robot than 'fake': it has none of elbow, shoulder" in found[name].text
