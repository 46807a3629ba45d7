# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
from xml.etree import ElementTree

import mujoco
import numpy as np
import pytest
import yourdfpy

from simulation.kinematics import TOOL_SITE
from simulation.urdf import BASE_LINK, TIP_LINK, panda_urdf

ARM = [f"panda_joint{i}" for i in range(1, 8)]


@pytest.fixture(scope="module")
def urdf() -> yourdfpy.URDF:
    return yourdfpy.URDF.load(
        io.BytesIO(panda_urdf().encode()), load_meshes=False, load_collision_meshes=False
    )


def pose(data, kind: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    part = getattr(data, kind)(name)
    return part.xpos.copy(), part.xmat.reshape(3, 3).copy()


def test_forward_kinematics_is_that_of_the_simulator(robot, urdf):
    rng = np.random.default_rng(1)
    limits = robot.model.jnt_range[:7]
    data = mujoco.MjData(robot.model)
    pairs = {
        TIP_LINK: ("site", TOOL_SITE),
        "panda_link4": ("body", "robot0_link4"),
        "panda_leftfinger": ("body", "gripper0_leftfinger"),
        "panda_rightfinger": ("body", "gripper0_rightfinger"),
    }
    for _ in range(25):
        arm = rng.uniform(limits[:, 0], limits[:, 1])
        finger = rng.uniform(0.0, 0.04)
        data.qpos[:9] = [*arm, finger, -finger]
        mujoco.mj_kinematics(robot.model, data)
        base, base_rotation = pose(data, "body", "robot0_link0")
        urdf.update_cfg(dict(zip([*ARM, "panda_finger_joint1"], [*arm, finger], strict=True)))
        for link, (kind, name) in pairs.items():
            position, rotation = pose(data, kind, name)
            transform = urdf.get_transform(link, BASE_LINK)
            expected = base_rotation.T @ (position - base)
            assert np.abs(transform[:3, 3] - expected).max() < 1e-4, link
            assert np.abs(transform[:3, :3] - base_rotation.T @ rotation).max() < 1e-4, link


def test_limits_are_the_models_and_frankas():
    joints = {j.get("name"): j for j in ElementTree.fromstring(panda_urdf()).iter("joint")}
    limit = {name: joints[name].find("limit").attrib for name in ARM}
    assert float(limit["panda_joint4"]["lower"]) == -3.0718
    assert float(limit["panda_joint4"]["upper"]) == -0.0698
    assert [float(limit[name]["velocity"]) for name in ARM] == [2.175] * 4 + [2.61] * 3
    assert [float(limit[name]["effort"]) for name in ARM] == [87.0] * 4 + [12.0] * 3
    for name in ("panda_finger_joint1", "panda_finger_joint2"):
        finger = joints[name].find("limit").attrib
        assert (float(finger["lower"]), float(finger["upper"])) == (0.0, 0.04)
        assert float(finger["velocity"]) == 0.2
    assert joints["panda_finger_joint2"].find("mimic").get("joint") == "panda_finger_joint1"
