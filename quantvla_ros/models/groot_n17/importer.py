# SPDX-License-Identifier: Apache-2.0
"""A float bundle from a GR00T N1.7 checkpoint, in LeRobot's layout or in NVIDIA's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quantvla_ros.bundle.schema import TokenizerSpec
from quantvla_ros.bundle.tokenizer import Tokenizer
from quantvla_ros.checkpoints.checkpoint import Checkpoint
from quantvla_ros.checkpoints.options import Imported, ImportOptions
from quantvla_ros.checkpoints.policy_config import valid_sizes
from quantvla_ros.checkpoints.robot_mapping import IMAGES, Cameras
from quantvla_ros.checkpoints.text import find_tokenizer
from quantvla_ros.checkpoints.weights import Weights
from quantvla_ros.models.dit.importing import (
    LONGEST_INSTRUCTION,
    find_cameras,
    make_manifest,
    notes,
    understood,
)
from quantvla_ros.models.dit.sizes import check_sizes, spaces_of
from quantvla_ros.models.dit.trained import Trained
from quantvla_ros.models.groot_n17.config import GrootN17Config, PicturePath
from quantvla_ros.models.groot_n17.lerobot import ALIASES, read_lerobot
from quantvla_ros.models.groot_n17.nvidia import read_nvidia
from quantvla_ros.models.groot_n17.pictures import frame_size, patch_grid
from quantvla_ros.models.groot_n17.prompt import lead_tokens
from quantvla_ros.models.groot_n17.sizes import head, language, vision
from quantvla_ros.models.groot_n17.weights import give_weights

TARGET, CROP = (256, 256), (230, 230)
"""Source: lerobot 0.6.1 policies/groot/processor_groot.py, where a checkpoint gives neither."""


def importer(checkpoint: Checkpoint, options: ImportOptions) -> Imported | None:
    """See `Family.importer`."""
    told = checkpoint.config
    # Only the generation before names the repository of its tokenizer there.
    if told.get("type") == "groot" and not told.get("tokenizer_assets_repo"):
        read = read_lerobot
    elif told.get("model_type") == "Gr00tN1d7":
        read = read_nvidia
    else:
        return None
    with understood(checkpoint):
        trained = read(checkpoint, options)
    weights = Weights(checkpoint, trained.prefix)
    cameras = _cameras(trained, options)
    text = find_tokenizer(checkpoint, options.tokenizer, named=trained.backbone)
    spec = TokenizerSpec(max_length=LONGEST_INSTRUCTION)
    lead = len(lead_tokens(Tokenizer(text, spec.max_length)))
    config = _config(checkpoint, weights, trained, cameras, lead)
    give_weights(weights, config, trained.embodiment)
    manifest = make_manifest("groot_n17", config, trained, cameras, options, spec)
    return Imported(manifest, weights, text, cameras, notes(trained, config))


def _cameras(trained: Trained, options: ImportOptions) -> Cameras:
    # NVIDIA's names are those of LIBERO's data sets, which a robot may call otherwise.
    aliases = {IMAGES + other: IMAGES + name for name, other in ALIASES.items()}
    return find_cameras(trained, options, aliases if not trained.sizes else {})


def _config(
    checkpoint: Checkpoint, weights: Weights, trained: Trained, cameras: Cameras, lead: int
) -> GrootN17Config:
    """The network's sizes and what its inputs are made by.

    Raises:
        CheckpointError: they are missing, or do not fit each other.
    """
    told = trained.settings
    with understood(checkpoint), valid_sizes(checkpoint):
        pictures = _pictures(trained.pictures, told["backbone"]["size"])
        grids = tuple(patch_grid(*frame_size(slot, pictures), pictures) for slot in cameras.slots)
        config = GrootN17Config(
            vision=vision(weights, told),
            language=language(weights, told),
            head=head(weights, told),
            grids=grids,
            lead=lead,
            **spaces_of(weights),
            rows=told["action_horizon"],
            pictures=pictures,
            formalize=trained.formalize,
            two_sided=trained.two_sided,
            ramp=told["rtc_ramp_rate"],
        )
    check_sizes(str(checkpoint.path), weights, config, trained.tag, trained.embodiment)
    return config


def _pictures(told: Mapping[str, Any], size: Mapping[str, int]) -> PicturePath:
    given = told.get("image_target_size")
    target = tuple(given or TARGET)
    crop = told.get("image_crop_size") or (target if given else CROP)
    return PicturePath(
        method="shortest_side" if told.get("use_albumentations") else "resize",
        letter_box=bool(told.get("letter_box_transform")),
        edge=told.get("shortest_image_edge") or target[0],
        target=target,
        crop=told.get("crop_fraction") or crop[0] / target[0],
        fewest=size["shortest_edge"],
        most=size["longest_edge"],
    )
