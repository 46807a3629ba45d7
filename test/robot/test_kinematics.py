# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.robot.kinematics import forward_kinematics, kinematics_from_urdf

URDF = """<robot name="r">
  <link name="base"/><link name="a"/><link name="b"/><link name="c"/><link name="tip"/>
  <joint name="turn" type="revolute">
    <parent link="base"/><child link="a"/>
    <origin xyz="0 0 1" rpy="0 0 1.5707963267948966"/><axis xyz="0 0 2"/>
  </joint>
  <joint name="wheel" type="continuous">
    <parent link="a"/><child link="b"/><origin xyz="1 0 0"/><axis xyz="0 1 0"/>
  </joint>
  <joint name="slide" type="prismatic">
    <parent link="b"/><child link="c"/><axis xyz="1 0 0"/>
  </joint>
  <joint name="mount" type="fixed">
    <parent link="c"/><child link="tip"/><origin rpy="0.3 0.2 0.1"/>
  </joint>
  <link name="finger"/>
  <joint name="mimicking" type="prismatic">
    <parent link="c"/><child link="finger"/><mimic joint="slide"/>
  </joint>
  <link name="boat"/>
  <joint name="afloat" type="floating"><parent link="c"/><child link="boat"/></joint>
</robot>"""


def chain(tip="tip"):
    return kinematics_from_urdf(URDF, "base", tip)


def test_the_chain_runs_from_base_to_tip():
    joints = chain().joints
    assert [j.name for j in joints] == ["turn", "wheel", "slide", None]
    assert [j.type for j in joints] == ["revolute", "revolute", "prismatic", "fixed"]
    assert joints[0].axis == (0, 0, 1)
    assert joints[0].rpy[2] == pytest.approx(np.pi / 2)
    assert joints[2].xyz == (0, 0, 0)


def test_at_zero_only_the_origins_count():
    xyz, rotation = forward_kinematics(chain("c"), {"turn": 0, "wheel": 0, "slide": 0})
    np.testing.assert_allclose(xyz, [0, 1, 1], atol=1e-12)
    np.testing.assert_allclose(rotation, [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-12)


def test_every_joint_moves_the_tip_about_or_along_its_axis():
    # A quarter turn left of an arm that already points left: it points back (-x), at height 1.
    # The wheel's quarter turn about its y axis then makes the slide go down.
    positions = {"turn": np.pi / 2, "wheel": np.pi / 2, "slide": 0.25, "other": 7.0}
    xyz, _ = forward_kinematics(chain("c"), positions)
    np.testing.assert_allclose(xyz, [-1, 0, 0.75], atol=1e-12)


def test_rpy_turns_about_the_fixed_axes_x_then_y_then_z():
    _, rotation = forward_kinematics(chain(), {"turn": -np.pi / 2, "wheel": 0.0, "slide": 0.0})
    cr, sr, cp, sp, cy, sy = (f(v) for v in (0.3, 0.2, 0.1) for f in (np.cos, np.sin))
    expected = [
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ]
    np.testing.assert_allclose(rotation, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("xml", "tip", "text"),
    [
        (URDF, "nowhere", "no chain from link 'base' to link 'nowhere'"),
        (URDF, "finger", "'mimicking'.*mimics"),
        (URDF, "boat", "'afloat'.*type 'floating'"),
        ("<robot", "tip", "no valid XML"),
        (URDF.replace("0 0 2", "0 0 0"), "tip", "'turn'.*length zero"),
        (URDF.replace("0 0 2", "0 z 2"), "tip", "'turn'.*three numbers"),
        (URDF.replace('<child link="a"/>', ""), "tip", "'turn'.*no child link"),
        (URDF.replace('<parent link="base"/>', '<parent link="tip"/>'), "tip", "no chain"),
    ],
)
def test_a_description_without_a_usable_chain_is_refused(xml, tip, text):
    with pytest.raises(QuantVLAError, match=text):
        kinematics_from_urdf(xml, "base", tip)
