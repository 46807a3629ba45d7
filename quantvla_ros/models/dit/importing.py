# SPDX-License-Identifier: Apache-2.0
"""What the imports of all families of this form share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from quantvla_ros.bundle.schema import BundleManifest, NoiseSpec, TokenizerSpec, float_manifest
from quantvla_ros.checkpoints.checkpoint import Checkpoint
from quantvla_ros.checkpoints.counting import Spaces
from quantvla_ros.checkpoints.options import ImportOptions
from quantvla_ros.checkpoints.robot_mapping import IMAGES, Cameras, map_cameras, map_robot
from quantvla_ros.checkpoints.statistics import normalization
from quantvla_ros.errors import CheckpointError
from quantvla_ros.models.dit.sizes import DiTConfig
from quantvla_ros.models.dit.trained import Trained

LONGEST_INSTRUCTION = 48
"""Tokens of an instruction; the published policies have no limit, and no demonstration is so
long."""
CAMERA = (480, 640)
"""Height and width of pictures where a checkpoint does not say what it was trained on."""


@contextmanager
def understood(checkpoint: Checkpoint) -> Iterator[None]:
    """Around what reads a checkpoint's JSON files and the user's sizes.

    Raises:
        CheckpointError: they are not as this family's are written.
    """
    try:
        yield
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"the JSON files of {checkpoint.path} are not as this family's are written "
            f"({error!r}); copy the whole checkpoint again, or, if --sizes FILE was given, put all "
            "of the base model's config.json into it, and its backbone's under 'backbone'"
        ) from error


def find_cameras(trained: Trained, options: ImportOptions, aliases: Mapping[str, str]) -> Cameras:
    """The robot's cameras; pictures that it does not have are left out, as in LeRobot.

    Args:
        trained: with the policy's cameras and the sizes of their pictures.
        options: with the robot.
        aliases: other names of cameras, with ``observation.images.`` in front.
    """
    keys = [IMAGES + name for name in trained.cameras]
    rename = {**aliases, **trained.rename}
    found = map_cameras(options.robot, keys, CAMERA, rename, optional=True)
    sizes = {IMAGES + name: size for name, size in trained.sizes.items()}
    slots = []
    for slot in found.slots:
        height, width = sizes.get(found.keys[slot.name], CAMERA)
        slots.append(replace(slot, height=height, width=width))
    return replace(found, slots=tuple(slots))


def make_manifest(
    family: str,
    config: DiTConfig,
    trained: Trained,
    cameras: Cameras,
    options: ImportOptions,
    tokenizer: TokenizerSpec,
) -> BundleManifest:
    """The float bundle's manifest."""
    spaces = Spaces(
        states=trained.state.count,
        actions=trained.action.count,
        horizon=trained.horizon,
        state_width=config.state_width,
        action_width=config.action_width,
        relative=trained.counted.relative,
        origins=trained.counted.origins,
        poses=trained.counted.poses,
    )
    manifest = float_manifest(
        family,
        config.model_dump(mode="json"),
        map_robot(options.robot, spaces, cameras, options.rate),
        normalization(trained.state, trained.action, trained.horizon),
        trained.steps,
        tokenizer,
    )
    noise = NoiseSpec(distribution="normal", scale=1.0, rows=config.rows)
    return manifest.model_copy(update={"noise": noise})


def notes(trained: Trained, config: DiTConfig) -> tuple[str, ...]:
    """What a user should know, a sentence each."""
    said = [f"the linears of embodiment '{trained.tag}' (number {trained.embodiment}) are taken"]
    if trained.horizon < config.rows:
        said.append(
            f"{trained.horizon} of the network's {config.rows} rows were trained and are used"
        )
    if not trained.sizes:
        said.append(
            f"the checkpoint does not say how large its cameras' pictures were; {CAMERA[1]} x "
            f"{CAMERA[0]} is taken, of which the aspect counts"
        )
    return (*said, *trained.notes)
