# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import mujoco
import numpy as np
import pytest
from PIL import Image

from simulation import scene
from simulation.scene_size import drop_unused, shrink_textures, thin_visual_meshes

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


SPHERE = """
<mujoco>
  <asset>
    <mesh name="fine" builtin="sphere" params="4" scale=".1 .1 .1"/>
    <mesh name="solid" builtin="sphere" params="4" scale=".1 .1 .1"/>
    <mesh name="coarse" builtin="sphere" params="1" scale=".1 .1 .1"/>
  </asset>
  <worldbody>
    <geom type="mesh" mesh="fine" contype="0" conaffinity="0"/>
    <geom type="mesh" mesh="solid" pos="1 0 0"/>
    <geom type="mesh" mesh="coarse" contype="0" conaffinity="0" pos="2 0 0"/>
  </worldbody>
</mujoco>"""


@pytest.fixture
def model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(SPHERE)


def faces(model: mujoco.MjModel, name: str) -> np.ndarray:
    mesh = model.mesh(name)
    return model.mesh_face[mesh.faceadr[0] : mesh.faceadr[0] + mesh.facenum[0]]


def test_only_large_visual_meshes_shrink(model):
    count = {name: len(faces(model, name)) for name in ("fine", "solid", "coarse")}
    before, after = thin_visual_meshes(model)
    assert before == sum(count.values())
    assert len(faces(model, "fine")) < 0.35 * count["fine"]
    assert len(faces(model, "solid")) == count["solid"]
    assert len(faces(model, "coarse")) == count["coarse"]
    assert after == before - count["fine"] + len(faces(model, "fine"))


def test_thinned_surface_keeps_its_shape(model):
    thin_visual_meshes(model)
    mesh = model.mesh("fine")
    vertices = model.mesh_vert[mesh.vertadr[0] : mesh.vertadr[0] + mesh.vertnum[0]]
    triangles = faces(model, "fine")
    assert np.all(triangles[:, 0] != triangles[:, 1])
    corners = vertices[triangles]
    assert np.allclose(np.linalg.norm(corners, axis=2), 0.1, atol=2e-3)
    area = (
        np.linalg.norm(
            np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
        ).sum()
        / 2
    )
    assert area == pytest.approx(4 * np.pi * 0.1**2, rel=0.1)
