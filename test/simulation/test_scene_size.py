# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from simulation import scene
from simulation.scene_size import drop_unused, shrink_textures

mujoco = pytest.importorskip("mujoco")

XML = """
<mujoco>
  <asset>
    <texture name="big" type="2d" file="{file}"/>
    <texture name="unused" type="2d" builtin="flat" width="8" height="8"/>
    <material name="shown" texture="big"/>
    <material name="hidden" texture="unused"/>
    <mesh name="loose" builtin="sphere" params="1"/>
  </asset>
  <worldbody><geom size=".1" material="shown"/></worldbody>
</mujoco>"""


@pytest.fixture
def spec(tmp_path):
    file = tmp_path / "big.png"
    pixels = np.zeros((2048, 4096, 3), np.uint8)
    pixels[:1024, :, 0] = 200
    pixels[:, :2048, 1] = 100
    Image.fromarray(pixels).save(file)
    return mujoco.MjSpec.from_string(XML.format(file=file))


def test_a_large_texture_keeps_its_picture_at_a_quarter_of_the_side(spec):
    before = spec.compile()
    shrink_textures(spec)
    after = spec.compile()
    assert (after.tex("big").height, after.tex("big").width) == (512, 1024)
    pictures = []
    for model in (before, after):
        k = model.tex("big").id
        start, shape = model.tex_adr[k], (model.tex_height[k], model.tex_width[k], 3)
        pictures.append(model.tex_data[start : start + np.prod(shape)].reshape(shape))
    assert np.array_equal(pictures[0][::4, ::4], pictures[1])


def test_only_what_no_geom_shows_is_dropped(spec):
    drop_unused(spec)
    model = spec.compile()
    assert (model.ntex, model.nmat, model.nmesh) == (1, 1, 0)


def test_the_compiled_scene_stays_small():
    assert scene.load_scene().nbuffer < 120e6
