# SPDX-License-Identifier: Apache-2.0
"""Thins out visual-only meshes of a compiled model: software rendering pays per triangle."""

from __future__ import annotations

import mujoco
import numpy as np
import numpy.typing as npt

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
