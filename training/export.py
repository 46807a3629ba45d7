# SPDX-License-Identifier: Apache-2.0
"""Write a training run as a float bundle with 16-bit weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from quantvla_ros.bundle.observation import kinematics_from_urdf
from quantvla_ros.bundle.schema import (
    ActionSpec,
    BundleManifest,
    CameraSpec,
    Interface,
    NoiseSpec,
    Normalization,
    StateSpec,
    TokenizerSpec,
)
from quantvla_ros.bundle.storage import save_bundle
from quantvla_ros.models.pi05 import Pi05Config
from training.data.schema import HORIZON, JOINTS
from training.dataset import ARM
from training.language import MAX_LENGTH, tokenizer_json

STEP_S = 0.1
DENOISE_STEPS = 5
UNITS = ["rad"] * ARM + ["m"]


def interface(urdf: str) -> Interface:
    """What the bundled policy expects of the robot."""
    return Interface(
        cameras=[
            CameraSpec(name=name, encoding="rgb8", height=96, width=96)
            for name in ("front", "wrist")
        ],
        state=StateSpec(
            names=list(JOINTS),
            units=UNITS,
            kinematics=kinematics_from_urdf(urdf, "panda_link0", "panda_grip_site"),
        ),
        action=ActionSpec(
            names=list(JOINTS), units=UNITS, kind="joint_delta", relative=[True] * ARM + [False]
        ),
        dt=STEP_S,
        horizon=HORIZON,
    )


def export(run: Path, out: Path, force: bool) -> Path:
    """Write the averaged weights of `run` as the bundle `out`."""
    from quantvla_ros.sim.urdf import panda_urdf

    state = torch.load(run / "checkpoint.pt", weights_only=False)
    with np.load(run / "statistics.npz") as s:
        normalization = Normalization(
            state_mean=s["state_mean"].astype(float).tolist(),
            state_std=s["state_std"].astype(float).tolist(),
            action_mean=s["action_mean"].astype(float).tolist(),
            action_std=s["action_std"].astype(float).tolist(),
        )
    manifest = BundleManifest(
        schema_version=1,
        family="pi05",
        architecture=Pi05Config.model_validate(state["config"]).model_dump(mode="json"),
        interface=interface(panda_urdf()),
        normalization=normalization,
        noise=NoiseSpec(distribution="normal", scale=1.0),
        denoise_steps=DENOISE_STEPS,
        tokenizer=TokenizerSpec(max_length=MAX_LENGTH),
        quantization=None,
        gate=None,
        files={},
    )
    tensors = {name: value.half().contiguous() for name, value in state["average"].items()}
    return save_bundle(out, manifest, tensors, tokenizer_json(), force=force)


def main(
    run: Annotated[Path, typer.Option(help="Run directory of training.train.")],
    out: Annotated[Path, typer.Option(help="Bundle to write.")],
    force: Annotated[bool, typer.Option(help="Replace the bundle when it exists.")] = False,
) -> None:
    """Write a training run as a float bundle."""
    print(export(run, out, force))


if __name__ == "__main__":
    typer.run(main)
