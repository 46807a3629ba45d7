# SPDX-License-Identifier: Apache-2.0
"""Makes the scene small: LIBERO's textures and meshes are far finer than our pictures.

With its 4096x4096 textures the compiled scene takes 230 MB, which every process loads, and software
rendering pays per triangle.
"""

from __future__ import annotations

import mujoco
import numpy as np
import numpy.typing as npt

_LARGEST_SIDE = 1024


def drop_unused(spec: mujoco.MjSpec) -> None:
    """Delete meshes, materials and textures that no geom shows."""
    meshes = {geom.meshname for geom in spec.geoms}
    materials = {geom.material for geom in spec.geoms}
    for mesh in list(spec.meshes):
        if mesh.name not in meshes:
            spec.delete(mesh)
    textures = set()
    for material in list(spec.materials):
        if material.name in materials:
            textures |= set(material.textures)
        else:
            spec.delete(material)
    for texture in list(spec.textures):
        if texture.name not in textures and texture.type != mujoco.mjtTexture.mjTEXTURE_SKYBOX:
            spec.delete(texture)


def shrink_textures(spec: mujoco.MjSpec) -> None:
    """Average blocks of pixels of large textures, as the renderer does for things far away."""
    flat = [t for t in spec.textures if t.file and t.type == mujoco.mjtTexture.mjTEXTURE_2D]
    for texture, pixels in zip(flat, _decoded(flat), strict=True):
        factor = max(pixels.shape[:2]) // _LARGEST_SIDE
        if factor > 1:
            small = _averaged(pixels, factor)
            texture.file = ""
            texture.height, texture.width = small.shape[:2]
            texture.nchannel = small.shape[2]
            texture.data = small.tobytes()


def _decoded(textures: list[mujoco.MjsTexture]) -> list[npt.NDArray[np.uint8]]:
    """Let MuJoCo read the files: a model of nothing but textures compiles in a moment."""
    reader = mujoco.MjSpec()
    for texture in textures:
        reader.add_texture(
            name=texture.name, type=texture.type, file=texture.file, nchannel=texture.nchannel
        )
    model = reader.compile()
    pictures = []
    for k in range(model.ntex):
        height, width, channels = model.tex_height[k], model.tex_width[k], model.tex_nchannel[k]
        start = int(model.tex_adr[k])
        size = int(height) * int(width) * int(channels)
        pictures.append(model.tex_data[start : start + size].reshape(height, width, channels))
    return pictures


def _averaged(pixels: npt.NDArray[np.uint8], factor: int) -> npt.NDArray[np.uint8]:
    height, width = (side // factor for side in pixels.shape[:2])
    blocks = pixels[: height * factor, : width * factor].reshape(
        height, factor, width, factor, pixels.shape[2]
    )
    rows = blocks.sum(axis=1, dtype=np.uint16)  # by rows first: ten times as fast
    averaged: npt.NDArray[np.uint8] = np.rint(rows.sum(axis=2, dtype=np.uint32) / factor**2).astype(
        np.uint8
    )
    return averaged


_MIN_FACES = 500
_CELLS_ALONG_LONGEST_SIDE = 14
_MIN_CELL_M = 0.002
_WORTHWHILE_SHARE = 0.9


def _visual_only_meshes(model: mujoco.MjModel) -> set[int]:
    visual: set[int] = set()
    collision: set[int] = set()
    for geom in range(model.ngeom):
        if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH:
            collides = model.geom_contype[geom] or model.geom_conaffinity[geom]
            (collision if collides else visual).add(int(model.geom_dataid[geom]))
    return visual - collision


def _clustered_faces(
    vertices: npt.NDArray[np.floating], faces: npt.NDArray[np.integer]
) -> tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]]:
    """Snap vertices to one representative a grid cell.

    Args:
        vertices: [n, 3], m.
        faces: [f, 3] vertex indices.

    Returns:
        The faces that are left [k, 3] and which of the given ones they were [k].
    """
    low = vertices.min(axis=0)
    extent = float((vertices.max(axis=0) - low).max())
    cell = max(extent / _CELLS_ALONG_LONGEST_SIDE, _MIN_CELL_M)
    cells = np.floor((vertices - low) / cell).astype(np.int64)
    _, first, inverse = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    snapped = first[inverse.reshape(-1)][faces]
    corners = np.sort(snapped, axis=1)
    _, unique = np.unique(corners, axis=0, return_index=True)
    is_triangle = (corners[:, 0] != corners[:, 1]) & (corners[:, 1] != corners[:, 2])
    kept = np.sort(unique[is_triangle[unique]])
    return snapped[kept], kept


def thin_visual_meshes(model: mujoco.MjModel) -> tuple[int, int]:
    """Cluster the vertices of large visual-only meshes, in place.

    Returns:
        Number of mesh faces before and after.
    """
    visual = _visual_only_meshes(model)
    before = int(model.mesh_facenum.sum())
    for mesh in visual:
        count = int(model.mesh_facenum[mesh])
        if count <= _MIN_FACES:
            continue
        vertex = int(model.mesh_vertadr[mesh])
        start = int(model.mesh_faceadr[mesh])
        old = slice(start, start + count)
        faces, kept = _clustered_faces(
            model.mesh_vert[vertex : vertex + int(model.mesh_vertnum[mesh])],
            model.mesh_face[old].copy(),
        )
        if len(kept) > count * _WORTHWHILE_SHARE:
            continue
        new = slice(start, start + len(kept))
        model.mesh_face[new] = faces
        model.mesh_facenormal[new] = model.mesh_facenormal[old][kept]
        model.mesh_facetexcoord[new] = model.mesh_facetexcoord[old][kept]
        model.mesh_facenum[mesh] = len(kept)
    return before, int(model.mesh_facenum.sum())
