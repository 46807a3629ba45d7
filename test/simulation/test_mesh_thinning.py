# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import mujoco
import numpy as np
import pytest

from simulation.mesh_thinning import thin_visual_meshes

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
