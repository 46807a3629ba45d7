# SPDX-License-Identifier: Apache-2.0
"""A GR00T N1.7 checkpoint in LeRobot's layout: one file of weights, and two pipelines.

Source: lerobot 0.6.1 policies/groot/processor_groot.py. Its `normalization_mapping` says IDENTITY
and is not used: the steps below normalize.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from quantvla_ros.checkpoints.checkpoint import Checkpoint
from quantvla_ros.checkpoints.options import ImportOptions
from quantvla_ros.checkpoints.pipeline_step import Step
from quantvla_ros.checkpoints.pipelines import Pipelines, RelativeActions, read_pipelines
from quantvla_ros.checkpoints.shared_steps import Config
from quantvla_ros.checkpoints.statistics import ACTION, STATE, Feature, Scaled
from quantvla_ros.errors import CheckpointError
from quantvla_ros.models.dit.groups import Counted, Groups, ranged
from quantvla_ros.models.dit.trained import Trained, choose, refused_statistics
from quantvla_ros.models.groot_n17.sizes import settings

PREFIX = "_groot_model."
PACK, SEE = "groot_n1_7_pack_inputs_v1", "groot_n1_7_vlm_encode_v1"
UNNORMALIZE, DECODE = "groot_action_unpack_unnormalize_v2", "groot_n1_7_action_decode_v1"
OWN = (PACK, SEE, UNNORMALIZE, DECODE)
IMAGES = "observation.images."
ALIASES = {"wrist_image": "image2"}
"""Cameras that LIBERO's data sets call otherwise. Source: the same."""


class _Pack(Config):
    state_horizon: int = 1
    action_horizon: int = 40
    valid_action_horizon: int | None = None
    video_horizon: int | None = None
    max_state_dim: int = 132
    max_action_dim: int = 132
    language_key: str = "task"
    formalize_language: bool = True
    embodiment_tag: str
    embodiment_mapping: dict[str, int]
    normalize_min_max: bool = True
    state_dropout_prob: float = 0.0
    clip_outliers: bool = True
    use_percentiles: bool = True
    video_modality_keys: list[str] | None = None
    raw_stats: dict[str, Any] | None = None
    modality_config: dict[str, Any] | None = None


class _See(Config):
    model_name: str
    image_crop_size: list[int] | None = None
    image_target_size: list[int] | None = None
    shortest_image_edge: int | None = None
    crop_fraction: float | None = None
    use_albumentations: bool = False
    letter_box_transform: bool = False
    device: str | None = None


class _Unnormalize(Config):
    env_action_dim: int
    normalize_min_max: bool = True
    clip_normalized_action: bool = True
    libero_gripper_action: bool = False
    libero_gripper_binarize: bool = True


class _Decode(Config):
    env_action_dim: int
    raw_stats: dict[str, Any]
    modality_config: dict[str, Any]
    use_percentiles: bool = True
    use_relative_action: bool = False
    action_decode_transform: str | None = None


def read_lerobot(checkpoint: Checkpoint, options: ImportOptions) -> Trained:
    """Read config.json and both pipelines.

    Raises:
        CheckpointError: something is missing, or means what is not carried here.
    """
    config, where = checkpoint.config, checkpoint.path / "config.json"
    pipelines = read_pipelines(checkpoint, OWN)
    pack_step = pipelines.need(PACK)
    pack, see = pack_step.read(_Pack), pipelines.need(SEE).read(_See)
    told = settings(str(where), {}, options.sizes)
    tag, number = choose(
        pack_step.where, pack.embodiment_mapping, options.embodiment, pack.embodiment_tag
    )
    _check_history(pack_step, pack)
    given = options.statistics
    rows = [told["action_horizon"], config.get("chunk_size"), pack.valid_action_horizon]
    horizon = min(row for row in rows if row)
    action, counted, two_sided = _actions(pipelines, horizon, given)
    return Trained(
        prefix=PREFIX,
        settings=told,
        embodiment=number,
        tag=tag,
        cameras=_cameras(config, pack, str(where)),
        sizes=_camera_sizes(config),
        pictures=see.model_dump(),
        formalize=pack.formalize_language,
        state=_state(config, pack_step, pack, given),
        action=action,
        counted=counted,
        two_sided=two_sided,
        horizon=horizon,
        steps=config.get("num_inference_timesteps") or told["num_inference_timesteps"],
        backbone=see.model_name,
        rename=pipelines.renamed,
    )


def _check_history(step: Step, pack: _Pack) -> None:
    for name in ("state_horizon", "video_horizon"):
        if (getattr(pack, name) or 1) > 1:
            raise CheckpointError(
                f"{step.where} has {name} {getattr(pack, name)}: the policy looks back, which is "
                "not carried here; train one with a horizon of 1"
            )


def _cameras(config: Mapping[str, Any], pack: _Pack, where: str) -> Sequence[str]:
    """The policy's cameras in its order, as LeRobot finds them."""
    features = config.get("input_features") or {}
    known = sorted(k.removeprefix(IMAGES) for k in features if k.startswith(IMAGES))
    chosen = []
    for key in pack.video_modality_keys or ():
        named = [key, ALIASES.get(key, key)]
        chosen += [next(name for name in named if name in known)] if set(named) & set(known) else []
    if not (chosen or known):
        raise CheckpointError(f"{where} lists no {IMAGES}* under input_features; a GR00T sees")
    return chosen or known


def _camera_sizes(config: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    features = config.get("input_features") or {}
    shapes = {k.removeprefix(IMAGES): v["shape"] for k, v in features.items() if IMAGES in k}
    return {name: (shape[-2], shape[-1]) for name, shape in shapes.items()}


def _state(
    config: Mapping[str, Any], step: Step, pack: _Pack, given: Mapping[str, Feature]
) -> Scaled:
    """Its minimum and maximum are percentiles already where the policy was trained by those."""
    feature = given.get(STATE) or step.features().get(STATE)
    count = config["input_features"][STATE]["shape"][0]
    if not pack.normalize_min_max:
        return Scaled(feature, "IDENTITY", count, step.where, clip=pack.clip_outliers)
    return ranged(feature, count, pack.clip_outliers, str(step.state_file or step.file))


def _actions(
    pipelines: Pipelines, horizon: int, given: Mapping[str, Feature]
) -> tuple[Scaled, Counted, tuple[int, ...]]:
    """Normalization, what they are counted from, and which are two-sided."""
    if (step := pipelines.step(DECODE)) is not None:
        if given:
            raise refused_statistics(str(step.file))
        decode = step.read(_Decode)
        groups = Groups(
            str(step.file),
            decode.modality_config,
            decode.raw_stats,
            decode.use_percentiles,
            decode.use_relative_action,
        )
        action, counted = groups.action(horizon)
        if action.count != decode.env_action_dim:
            raise CheckpointError(
                f"{step.where} has {action.count} actions and env_action_dim "
                f"{decode.env_action_dim}; give a checkpoint where both agree"
            )
        kind = decode.action_decode_transform
        if kind not in (None, "libero"):
            raise CheckpointError(f"{step.where} decodes actions by '{kind}', which is not known")
        return action, counted, groups.columns("gripper") if kind else ()
    step = pipelines.need(UNNORMALIZE)
    plain = step.read(_Unnormalize)
    if plain.libero_gripper_action or not plain.normalize_min_max:
        raise CheckpointError(
            f"{step.where} sets libero_gripper_action {plain.libero_gripper_action} and "
            f"normalize_min_max {plain.normalize_min_max}; only false and true are carried"
        )
    count = plain.env_action_dim
    feature = given.get(ACTION) or step.features().get(ACTION)
    counted = Counted((pipelines.find(RelativeActions) or RelativeActions()).mask(count))
    where = str(step.state_file or step.file)
    return ranged(feature, count, plain.clip_normalized_action, where), counted, ()
