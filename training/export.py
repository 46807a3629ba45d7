# SPDX-License-Identifier: Apache-2.0
"""Write a training run as a float bundle with 16-bit weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import torch
import typer
from pydantic import BaseModel
from torch import Tensor

from calib_tools.common.failures import told
from quantvla_ros.bundle.directory import prepare_output
from quantvla_ros.bundle.schema import (
    Normalization,
    float_manifest,
)
from quantvla_ros.bundle.storage import save_bundle
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.robot.action_space import ActionGroup, ActionSpace
from quantvla_ros.robot.interface import CameraSlot, Interface, StateSpace
from quantvla_ros.robot.kinematics import kinematics_from_urdf
from quantvla_ros.robot.units import entries
from training.architectures import find_architecture
from training.architectures.architecture import Architecture
from training.camera_statistics import add_statistics
from training.data.schema import HORIZON, JOINTS
from training.dataset import ARM, Statistics
from training.starting_point import CHECKPOINT, STATISTICS

STEP_S = 0.1
DENOISE_STEPS = 5
GROUPS = (
    ActionGroup("arm", "arm", "joint_delta"),
    ActionGroup("gripper", "gripper", "joint_position"),
)


def interface(urdf: str) -> Interface:
    """What the bundled policy expects of the robot."""
    joints = entries(JOINTS[:ARM], "rad", "arm") + entries(JOINTS[ARM:], "m", "gripper")
    kinematics = kinematics_from_urdf(urdf, "panda_link0", "panda_grip_site")
    return Interface(
        cameras=tuple(CameraSlot(name, 96, 96) for name in ("front", "wrist")),
        state=StateSpace(joints, len(joints) + 3, kinematics),
        action=ActionSpace(GROUPS, joints, len(joints)),
        dt=STEP_S,
        horizon=HORIZON,
    )


def export(run: Path, out: Path, force: bool) -> Path:
    """Write the averaged weights of `run` as the bundle `out`.

    Raises:
        QuantVLAError: there is no run, or `out` exists and `force` is not given.
    """
    if not (run / CHECKPOINT).exists():
        raise QuantVLAError(f"There is no training run with a checkpoint in {run}; train first.")
    state = torch.load(run / CHECKPOINT, weights_only=False)
    architecture = find_architecture(state["family"])
    config = architecture.config_type.model_validate(state["config"])
    statistics = Statistics.load(run / STATISTICS)
    return save_policy(out, architecture, config, state["average"], statistics, force)


def save_policy(
    out: Path,
    architecture: Architecture,
    config: BaseModel,
    weights: Mapping[str, Tensor],
    statistics: Statistics,
    force: bool,
) -> Path:
    """Write a network of these weights and this normalization as the bundle `out`."""
    from simulation.urdf import panda_urdf

    manifest = float_manifest(
        architecture.family,
        config.model_dump(mode="json"),
        interface(panda_urdf()),
        Normalization(
            **{key: value.astype(float).tolist() for key, value in vars(statistics).items()}
        ),
        denoise_steps=DENOISE_STEPS,
        tokenizer=architecture.tokenizer(),
    )
    tensors = {name: value.half().cpu().contiguous() for name, value in weights.items()}
    return save_bundle(out, manifest, tensors, architecture.tokenizer_json(), force=force)


def main(
    run: Annotated[Path, typer.Option(help="Run directory of training.train.")],
    out: Annotated[Path, typer.Option(help="Bundle to write.")],
    force: Annotated[bool, typer.Option(help="Replace the bundle when it exists.")] = False,
) -> None:
    """Write a training run as a float bundle."""
    with told("export"):
        prepare_output(out, force)
        export(run, out, force)
        add_statistics(out)
        print(out)


if __name__ == "__main__":
    typer.run(main)
