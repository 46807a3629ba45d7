# SPDX-License-Identifier: Apache-2.0
"""From an ACT checkpoint as LeRobot 0.4 to 0.6 writes it to a float bundle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from quantvla_ros.bundle.schema import NoiseSpec, TokenizerSpec, float_manifest
from quantvla_ros.bundle.tokenizer import build_word_tokenizer
from quantvla_ros.checkpoints.checkpoint import CONFIG, Checkpoint
from quantvla_ros.checkpoints.counting import Spaces
from quantvla_ros.checkpoints.options import Imported, ImportOptions
from quantvla_ros.checkpoints.pipelines import Pipelines, read_pipelines
from quantvla_ros.checkpoints.policy_config import PolicyConfig, read_policy_config, valid_sizes
from quantvla_ros.checkpoints.robot_mapping import map_cameras, map_robot
from quantvla_ros.checkpoints.shared_steps import Normalize
from quantvla_ros.errors import CheckpointError
from quantvla_ros.models.act_policy.config import ActPolicyConfig
from quantvla_ros.models.act_policy.weights import network_weights, sizes_of

_TYPE = "act"
_SCALES = "normalizer_processor"
_NOTES = (
    "The policy reads no words: whatever the instruction is, it does what it was trained for.",
    "What training draws its codes with (vae_encoder) is left out; the code is 0, as in LeRobot.",
)


class _ActConfig(PolicyConfig):
    """The fields of config.json that change what is computed."""

    chunk_size: int
    n_heads: int = 8
    feedforward_activation: str = "relu"
    vision_backbone: str = "resnet18"
    pre_norm: bool = False
    replace_final_stride_with_dilation: bool = False
    temporal_ensemble_coeff: float | None = None


def import_act(checkpoint: Checkpoint, options: ImportOptions) -> Imported | None:
    """The float bundle of a checkpoint; None: it is of another family.

    Raises:
        CheckpointError: see the parts; in one sentence that names the file and the way out.
    """
    if checkpoint.config.get("type") != _TYPE:
        return None
    given = read_policy_config(checkpoint, _ActConfig)
    _check(checkpoint, given)
    pipelines = read_pipelines(checkpoint, scaled_pictures=True)
    height, width = _picture_size(checkpoint, given)
    cameras = map_cameras(options.robot, given.pictures, (height, width), pipelines.renamed)
    keys = [cameras.keys[slot.name] for slot in cameras.slots]
    with valid_sizes(checkpoint):
        config = ActPolicyConfig.model_validate(
            {
                **sizes_of(checkpoint),
                "height": height,
                "width": width,
                "heads": given.n_heads,
                "activation": given.feedforward_activation,
                **_picture_statistics(pipelines, options, keys),
                **options.sizes,
            }
        )
    spaces = Spaces(
        states=given.states,
        actions=given.actions,
        horizon=given.chunk_size,
        state_width=config.states,
        action_width=config.actions,
    )
    manifest = float_manifest(
        "act_policy",
        config.model_dump(mode="json"),
        map_robot(options.robot, spaces, cameras, options.rate),
        pipelines.normalization(given.states, given.actions, given.chunk_size, options.statistics),
        1,
        TokenizerSpec(max_length=1, reads=False),
    )
    manifest = manifest.model_copy(update={"noise": NoiseSpec(distribution="normal", scale=0.0)})
    weights, tokenizer = network_weights(checkpoint, config), build_word_tokenizer([])
    return Imported(manifest, weights, tokenizer, cameras, _notes(given))


def _check(checkpoint: Checkpoint, given: _ActConfig) -> None:
    """Refuse what would have to be computed otherwise.

    Raises:
        CheckpointError: names the field.
    """
    wanted: dict[str, Sequence[Any]] = {
        "pre_norm": (False,),
        "replace_final_stride_with_dilation": (False,),
        "vision_backbone": ("resnet18", "resnet34"),
        "feedforward_activation": ("relu", "gelu"),
    }
    for name, values in wanted.items():
        if (value := getattr(given, name)) not in values:
            known = " or ".join(str(one).lower() for one in values)
            raise CheckpointError(
                f"{checkpoint.path / CONFIG} sets {name} to {value}, which is not followed here; "
                f"train with {known}"
            )
    others = [n for n, f in given.input_features.items() if f.type not in ("VISUAL", "STATE")]
    if others:
        raise CheckpointError(
            f"{checkpoint.path / CONFIG} lists the input '{others[0]}', which no robot observes; "
            "train with pictures and observation.state alone"
        )


def _picture_size(checkpoint: Checkpoint, given: _ActConfig) -> tuple[int, int]:
    sizes = {tuple(given.input_features[name].shape[-2:]) for name in given.pictures}
    if len(sizes) > 1:
        told = " and ".join(f"{height} x {width}" for height, width in sorted(sizes))
        raise CheckpointError(
            f"{checkpoint.path / CONFIG} has pictures of {told} pixels (height x width), and one "
            "size for all is carried; record and train with cameras of one size"
        )
    height, width = sizes.pop()
    return height, width


def _picture_statistics(
    pipelines: Pipelines, options: ImportOptions, keys: Sequence[str]
) -> dict[str, list[list[float]]]:
    """By what each camera's channels are scaled."""
    step = pipelines.need(_SCALES)
    assert isinstance(step.config, Normalize)
    found: dict[str, list[list[float]]] = {"picture_mean": [], "picture_std": []}
    for key in keys:
        mode = step.config.mode(key)
        mean, std = np.zeros(3), np.ones(3)
        if mode == "MEAN_STD":
            mean, std = step.picture_statistics(key)
            # LeRobot adds it in float32.
            std = np.float32(std) + np.float32(step.config.eps)
        elif mode != "IDENTITY":
            raise CheckpointError(
                f"{step.where} scales the picture '{key}' by {mode}, which is not done here; "
                "train with VISUAL: MEAN_STD or IDENTITY"
            )
        found["picture_mean"].append([float(value) for value in mean])
        found["picture_std"].append([float(value) for value in std])
    return found


def _notes(given: _ActConfig) -> tuple[str, ...]:
    if given.temporal_ensemble_coeff is None:
        return _NOTES
    return (
        *_NOTES,
        "temporal_ensemble_coeff is not used: the node goes from one chunk to the next by a "
        "crossfade of its own.",
    )
