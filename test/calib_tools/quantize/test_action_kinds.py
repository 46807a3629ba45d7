# SPDX-License-Identifier: Apache-2.0
"""Policies of every kind of action through quantize, gate, inspect and report."""

from __future__ import annotations

import numpy as np
import pytest
from support.spaces import (
    ARM,
    DELTA_ARM,
    FAST_ARM,
    GRIPPER,
    action_space,
    state_space,
    twist,
)
from support.untrained import save_untrained

from calib_tools.buffer.collector import Collector
from calib_tools.buffer.sources import CalibrationConfig, CameraSource, JointSource
from calib_tools.buffer.store import load_buffer, write_buffer
from calib_tools.common.tables import gate_rows
from calib_tools.gate import gate
from calib_tools.inspect_bundle import inspect_bundle
from calib_tools.quantize.command import quantize
from calib_tools.quantize.judging import chunks_of
from calib_tools.quantize.recipe import Recipe
from calib_tools.report.page import write_report
from quantvla_ros.backends.policy import load_policy
from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.robot.action_space import ActionGroup, ActionSpace
from quantvla_ros.robot.chain import KinematicJoint, Kinematics
from quantvla_ros.robot.interface import StateSpace
from quantvla_ros.robot.tip_pose import TIP, TipPose
from quantvla_ros.robot.units import range_entry

pytest.importorskip("rclpy")  # a picture is taken out of its message by ROS

JOINTS = ["shoulder", "elbow", "finger"]
ONE_ARM = ((ARM, "rad", JOINTS[:2]), (GRIPPER, "m", JOINTS[2:]))
RECIPE = Recipe(target="reference")  # what multiplies knows no units, and it loads at once
DEGREES = ((DELTA_ARM, "deg", JOINTS[:2]), (GRIPPER, "mm", JOINTS[2:]))


def lerobot():
    """-100..100 for the arm's joints, 0..100 for the gripper's way of 8 cm."""
    return (
        *(range_entry(name, "-100..100", "arm", "rad", (-3.5, 3.5)) for name in JOINTS[:2]),
        range_entry("finger", "0..100", "gripper", "m", (0.0, 0.08)),
    )


def degrees(path):
    return save_untrained(
        path, DEGREES, DEGREES, [0.0, 0.0, 20.0], [3.0, 3.0, 20.0], [0.0] * 3, [57.3, 57.3, 1e3]
    )


def ranges(path):
    space = ActionSpace((ARM, GRIPPER), lerobot(), 3)
    state = StateSpace(lerobot(), 3)
    return save_untrained(
        path, state, space, [0.0, 0.0, 25.0], [1.5, 1.5, 25.0], [0.0] * 3, [30.0, 30.0, 100.0]
    )


def velocities(path):
    moves = action_space((FAST_ARM, "rad/s", JOINTS[:2]), ONE_ARM[1])
    return save_untrained(path, ONE_ARM, moves, [0.0, 0.0, 0.02], [0.2, 0.2, 0.02])


def poses(path):
    """Poses of a short arm's tip, which is never far from one."""
    moving = tuple(
        KinematicJoint(name, "revolute", (0.05, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 1.0))
        for name in JOINTS[:2]
    )
    pose = TipPose(Kinematics("base", "tip", moving), "vector", (0.0, 0.0, 0.0))
    joints = state_space(*ONE_ARM).entries
    state = StateSpace(joints, 7, told=(TIP, "finger"), pose=pose)
    arm = ActionGroup("arm", "arm", "ee_pose")
    return save_untrained(
        path, state, ActionSpace((arm, GRIPPER), joints, 7, pose), [0.1, 0.0, 0, 0, 0, 0.5, 0.02],
        [0.01, 0.01, 1e-3, 1e-3, 1e-3, 0.1, 0.02], None, [1.0] * 6 + [0.04],
    )  # fmt: skip


def tip(path):
    moves = action_space(*twist(), ONE_ARM[1])
    return save_untrained(path, ONE_ARM, moves, [0.0] * 6 + [0.02], [0.05] * 6 + [0.02])


@pytest.mark.parametrize(
    ("make", "names", "unit"),
    [
        (degrees, ["arm"], "rad"),
        (ranges, ["arm"], "rad"),
        (velocities, ["arm"], "rad"),
        (poses, ["arm"], "rad"),
        (tip, ["tip angles", "tip lengths"], "rad"),
    ],
)
def test_a_policy_is_quantized_judged_and_reported_in_si(tmp_path, tiny_buffer, make, names, unit):
    bundle = make(tmp_path / "float")
    quantize(bundle, tiny_buffer, RECIPE, tmp_path / "int8", force=False)
    judged = gate(tmp_path / "int8", bundle, tiny_buffer)
    assert [motion.name for motion in judged.motions] == names
    assert judged.motions[0].unit == unit
    assert judged.gripper_commands == 4
    told = " ".join(row[0] for row in gate_rows(judged))
    assert f"{names[0]}: mean chunk difference, {unit}" in told
    assert inspect_bundle(tmp_path / "int8")["action"][-1]["name"] == "gripper"
    write_report(tmp_path / "int8", tmp_path / "page.html", force=False)
    assert names[0] in (tmp_path / "page.html").read_text()


def test_the_same_policy_in_other_units_gives_the_same_chunks(tmp_path, tiny_buffer):
    """Its numbers are others, what they mean is the same: offsets of 0.05 rad and 2 cm."""
    samples = load_buffer(tiny_buffer, JOINTS).held_out
    si = ((DELTA_ARM, "rad", JOINTS[:2]), (GRIPPER, "m", JOINTS[2:]))
    std, turn = [0.05, 0.05, 0.02], 180.0 / np.pi
    plain = save_untrained(tmp_path / "si", si, si, [0.0, 0.0, 0.02], std)
    other = save_untrained(
        tmp_path / "deg", DEGREES, DEGREES, [0.0, 0.0, 20.0],
        [0.05 * turn, 0.05 * turn, 20.0], [0.0] * 3, [turn, turn, 1e3],
    )  # fmt: skip
    chunks = [chunks_of(load_policy(path, "reference"), samples) for path in (plain, other)]
    np.testing.assert_allclose(chunks[0], chunks[1], atol=1e-5)


def test_two_arms_with_two_grippers(tmp_path, streams):
    names = ["l_arm", "l_grip", "r_arm", "r_grip"]
    config = CalibrationConfig(
        cameras={name: CameraSource(topic=f"/{name}/image_raw") for name in ("front", "wrist")},
        joint_states=JointSource(names=names),
        candidates_per_sample=1.0,
    )
    groups = tuple(
        (ActionGroup(name, kind, "joint_position"), "rad", [name])
        for name, kind in zip(names, ("arm", "gripper") * 2, strict=True)
    )
    collector = Collector(config, 32)
    for tick in range(160):
        stamp = streams.start_ns + tick * 20_000_000
        angle = 0.02 * tick
        collector.add(streams.joints(stamp, [angle, 0.1, -angle, 0.2], names))
        if tick == 0:
            collector.add(streams.instruction("put the milk in the basket"))
        if tick % 5 == 0:
            for place, name in enumerate(("front", "wrist")):
                picture = streams.picture(tick + place)
                late = stamp + place * 3_000_000
                collector.add(streams.image(f"/{name}/image_raw", late, picture))
    samples, counts = collector.finish()
    write_buffer(tmp_path / "buffer", config, samples, counts, ["live topics"])
    bundle = save_untrained(tmp_path / "float", groups, groups, [0.0] * 4, [0.05] * 4)
    quantize(bundle, tmp_path / "buffer", RECIPE, tmp_path / "int8", force=False)
    judged = load_manifest(tmp_path / "int8").gate
    assert [motion.name for motion in judged.motions] == ["l_arm", "r_arm"]
    assert judged.gripper_commands == 2 * 4
    assert set(judged.mae_per_action) == set(names)
