# SPDX-License-Identifier: Apache-2.0
"""A float bundle from a GR00T N1.7 checkpoint, in LeRobot's layout or in NVIDIA's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from quantvla_ros.bundle.schema import BundleManifest, NoiseSpec, TokenizerSpec, float_manifest
from quantvla_ros.bundle.tokenizer import Tokenizer
from quantvla_ros.checkpoints.checkpoint import Checkpoint
from quantvla_ros.checkpoints.options import Imported, ImportOptions
from quantvla_ros.checkpoints.pipelines import PREPROCESSOR
from quantvla_ros.checkpoints.policy_config import valid_sizes
from quantvla_ros.checkpoints.robot_mapping import IMAGES, Cameras, Spaces, map_cameras, map_robot
from quantvla_ros.checkpoints.statistics import normalization
from quantvla_ros.checkpoints.text import find_tokenizer
from quantvla_ros.checkpoints.weights import Weights
from quantvla_ros.errors import CheckpointError
from quantvla_ros.models.groot_n17.config import GrootN17Config, PicturePath
from quantvla_ros.models.groot_n17.lerobot import ALIASES, read_lerobot
from quantvla_ros.models.groot_n17.nvidia import read_nvidia
from quantvla_ros.models.groot_n17.pictures import frame_size, patch_grid
from quantvla_ros.models.groot_n17.prompt import lead_tokens
from quantvla_ros.models.groot_n17.sizes import head_sizes, language_sizes, vision_sizes
from quantvla_ros.models.groot_n17.trained import Trained
from quantvla_ros.models.groot_n17.weights import HEAD, give_weights

LONGEST_INSTRUCTION = 48
"""Tokens of an instruction; the published policy has no limit, and no demonstration is so long."""
CAMERA = (480, 640)
"""Height and width of pictures where a checkpoint does not say what it was trained on."""
TARGET, CROP = (256, 256), (230, 230)
"""Source: lerobot 0.6.1 policies/groot/processor_groot.py, where a checkpoint gives neither."""

_OLD_STEPS = ("groot_pack_inputs_v3", "groot_eagle_encode_v3", "groot_eagle_collate_v3")


def importer(checkpoint: Checkpoint, options: ImportOptions) -> Imported | None:
    """See `Family.importer`."""
    _refuse_older(checkpoint)
    if checkpoint.config.get("type") == "groot":
        read = read_lerobot
    elif checkpoint.config.get("model_type") == "Gr00tN1d7":
        read = read_nvidia
    else:
        return None
    try:
        trained = read(checkpoint, options)
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"the JSON files of {checkpoint.path} are not as this family's are written "
            f"({error!r}); copy the whole checkpoint again"
        ) from error
    weights = Weights(checkpoint, trained.prefix)
    cameras = _cameras(trained, options)
    text = find_tokenizer(checkpoint, options.tokenizer, named=trained.backbone)
    config = _config(checkpoint, weights, trained, cameras, text)
    give_weights(weights, config, trained.embodiment)
    manifest = _manifest(config, trained, cameras, options)
    return Imported(manifest, weights, text, cameras, _notes(trained, config))


def _refuse_older(checkpoint: Checkpoint) -> None:
    """Name the generation before, which is another network.

    Raises:
        CheckpointError: it is one.
    """
    config = checkpoint.config
    backbone = config.get("backbone_cfg")
    steps = (checkpoint.json(PREPROCESSOR) or {}).get("steps") or []
    names = {step.get("registry_name") for step in steps if isinstance(step, dict)}
    if (
        config.get("model_type") == "gr00t_n1_5"
        or (isinstance(backbone, dict) and "eagle_path" in backbone)
        or (config.get("type") == "groot" and config.get("tokenizer_assets_repo"))
        or names & set(_OLD_STEPS)
    ):
        raise CheckpointError(
            f"{checkpoint.path} is GR00T N1.5, whose network is not carried here; train GR00T "
            "N1.7 on the same data, or give a checkpoint of another family"
        )


def _cameras(trained: Trained, options: ImportOptions) -> Cameras:
    """The robot's cameras; pictures that it does not have are left out, as in LeRobot."""
    aliases = {IMAGES + other: IMAGES + name for name, other in ALIASES.items()}
    rename = {**(aliases if not trained.sizes else {}), **trained.rename}
    keys = [IMAGES + name for name in trained.cameras]
    found = map_cameras(options.robot, keys, CAMERA, rename, optional=True)
    sizes = {IMAGES + name: size for name, size in trained.sizes.items()}
    slots = []
    for slot in found.slots:
        height, width = sizes.get(found.keys[slot.name], CAMERA)
        slots.append(replace(slot, height=height, width=width))
    return replace(found, slots=tuple(slots))


def _config(
    checkpoint: Checkpoint, weights: Weights, trained: Trained, cameras: Cameras, text: str
) -> GrootN17Config:
    """The network's sizes and what its inputs are made by.

    Raises:
        CheckpointError: they are missing, or do not fit each other.
    """
    told = trained.settings
    try:
        with valid_sizes(checkpoint):
            pictures = _pictures(trained.pictures, told["backbone"]["size"])
            grids = tuple(
                patch_grid(*frame_size(slot, pictures), pictures) for slot in cameras.slots
            )
            config = GrootN17Config(
                vision=vision_sizes(weights, told),
                language=language_sizes(weights, told),
                head=head_sizes(weights, told),
                grids=grids,
                lead=len(lead_tokens(Tokenizer(text, LONGEST_INSTRUCTION))),
                state_width=weights.shape(f"{HEAD}state_encoder.layer1.W")[1],
                action_width=weights.shape(f"{HEAD}action_encoder.W1.W")[1],
                rows=told["action_horizon"],
                pictures=pictures,
                formalize=trained.formalize,
                two_sided=trained.two_sided,
                ramp=told["rtc_ramp_rate"],
            )
    except KeyError as error:
        raise CheckpointError(
            f"{checkpoint.path} and --sizes FILE lack {error} among the network's sizes; give a "
            "file with the base model's config.json, and its backbone's under 'backbone'"
        ) from error
    _check(checkpoint, weights, config, trained)
    return config


def _check(
    checkpoint: Checkpoint, weights: Weights, config: GrootN17Config, trained: Trained
) -> None:
    """Refuse what no tensor's shape would show.

    Raises:
        CheckpointError: says what does not fit.
    """
    heads, width = config.head.heads, weights.shape(f"{HEAD}model.proj_out_2.weight")[1]
    readers, count = config.head.reader_heads, weights.shape(f"{HEAD}state_encoder.layer1.b")[0]
    if width % heads or config.language.width % readers:
        raise CheckpointError(
            f"{checkpoint.path} has blocks of {width} columns for {heads} heads and a reader of "
            f"{config.language.width} for {readers}, which do not divide; give the network's "
            "sizes with --sizes FILE"
        )
    if trained.embodiment >= count:
        raise CheckpointError(
            f"{checkpoint.path} has {count} embodiments, and '{trained.tag}' is number "
            f"{trained.embodiment}; choose another one with --embodiment TAG"
        )


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


def _manifest(
    config: GrootN17Config, trained: Trained, cameras: Cameras, options: ImportOptions
) -> BundleManifest:
    spaces = Spaces(
        states=trained.state.count,
        actions=trained.action.count,
        horizon=trained.horizon,
        state_width=config.state_width,
        action_width=config.action_width,
        relative=trained.relative,
    )
    manifest = float_manifest(
        "groot_n17",
        config.model_dump(mode="json"),
        map_robot(options.robot, spaces, cameras, options.rate),
        normalization(trained.state, trained.action, trained.horizon),
        trained.steps,
        TokenizerSpec(max_length=LONGEST_INSTRUCTION),
    )
    noise = NoiseSpec(distribution="normal", scale=1.0, rows=config.rows)
    return manifest.model_copy(update={"noise": noise})


def _notes(trained: Trained, config: GrootN17Config) -> tuple[str, ...]:
    notes = [f"the linears of embodiment '{trained.tag}' (number {trained.embodiment}) are taken"]
    if trained.horizon < config.rows:
        notes.append(
            f"{trained.horizon} of the network's {config.rows} rows were trained and are used"
        )
    if not trained.sizes:
        notes.append(
            f"the checkpoint does not say how large its cameras' pictures were; {CAMERA[1]} x "
            f"{CAMERA[0]} is taken, of which the aspect counts"
        )
    return (*notes, *trained.notes)
