# SPDX-License-Identifier: Apache-2.0
"""A GR00T N1.5 checkpoint in LeRobot's layout: one file of weights, and two pipelines.

Source: lerobot 0.4.4 and 0.5.1 policies/groot/processor_groot.py, which are alike. Their
`normalization_mapping` says MEAN_STD and is not used: the steps below normalize.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quantvla_ros.checkpoints.checkpoint import Checkpoint
from quantvla_ros.checkpoints.options import ImportOptions
from quantvla_ros.checkpoints.pipeline_step import Step
from quantvla_ros.checkpoints.pipelines import read_pipelines
from quantvla_ros.checkpoints.robot_mapping import IMAGES
from quantvla_ros.checkpoints.shared_steps import Config
from quantvla_ros.checkpoints.statistics import ACTION, STATE, Feature, Scaled
from quantvla_ros.errors import CheckpointError
from quantvla_ros.models.dit.groups import Counted, ranged
from quantvla_ros.models.dit.trained import Trained, choose
from quantvla_ros.models.groot_n15.sizes import settings

PREFIX = "_groot_model."
PACK, SEE, COLLATE = "groot_pack_inputs_v3", "groot_eagle_encode_v3", "groot_eagle_collate_v3"
UNNORMALIZE = "groot_action_unpack_unnormalize_v1"
TOKENIZER = "lerobot/eagle2hg-processor-groot-n1p5"


class _Pack(Config):
    state_horizon: int = 1
    action_horizon: int = 16
    max_state_dim: int = 64
    max_action_dim: int = 32
    language_key: str = "task"
    formalize_language: bool = False
    embodiment_tag: str = "new_embodiment"
    embodiment_mapping: dict[str, int]
    normalize_min_max: bool = True


class _Eagle(Config):
    tokenizer_assets_repo: str = TOKENIZER


class _Unnormalize(Config):
    env_action_dim: int
    normalize_min_max: bool = True


def read_lerobot(checkpoint: Checkpoint, options: ImportOptions) -> Trained:
    """Read config.json and both pipelines.

    Raises:
        CheckpointError: something is missing, or means what is not carried here.
    """
    config, where = checkpoint.config, str(checkpoint.path / "config.json")
    pipelines = read_pipelines(checkpoint, (PACK, SEE, COLLATE, UNNORMALIZE))
    step, out = pipelines.need(PACK), pipelines.need(UNNORMALIZE)
    pack, unnormalize = step.read(_Pack), out.read(_Unnormalize)
    for eagle in (pipelines.need(SEE), pipelines.need(COLLATE)):
        eagle.read(_Eagle)
    if pack.state_horizon > 1:
        raise CheckpointError(
            f"{step.where} has state_horizon {pack.state_horizon}: the policy looks back, which is "
            "not carried here; train one with a horizon of 1"
        )
    told = settings(where, {}, options.sizes)
    mapping = pack.embodiment_mapping
    tag, number = choose(step.where, mapping, options.embodiment, pack.embodiment_tag)
    given, states = options.statistics, config["input_features"][STATE]["shape"][0]
    actions = unnormalize.env_action_dim
    head = told["action_head_cfg"]
    return Trained(
        prefix=PREFIX,
        settings=told,
        embodiment=number,
        tag=tag,
        cameras=_cameras(config, where),
        sizes=_camera_sizes(config),
        pictures={},
        formalize=pack.formalize_language,
        state=_scaled(given.get(STATE), step, STATE, states, pack.normalize_min_max),
        action=_scaled(given.get(ACTION), out, ACTION, actions, unnormalize.normalize_min_max),
        counted=Counted(),
        two_sided=(),
        horizon=min(head["action_horizon"], pack.action_horizon),
        steps=head["num_inference_timesteps"],
        backbone=config.get("tokenizer_assets_repo") or TOKENIZER,
        rename=pipelines.renamed,
    )


def _cameras(config: Mapping[str, Any], where: str) -> list[str]:
    """The policy's cameras in its order, which is that of the alphabet."""
    known = [name.removeprefix(IMAGES) for name in config["input_features"] if IMAGES in name]
    if not known:
        raise CheckpointError(f"{where} lists no {IMAGES}* under input_features; a GR00T sees")
    return sorted(known)


def _camera_sizes(config: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    features = config["input_features"]
    shapes = {k.removeprefix(IMAGES): v["shape"] for k, v in features.items() if IMAGES in k}
    return {name: (shape[-2], shape[-1]) for name, shape in shapes.items()}


def _scaled(given: Feature | None, step: Step, name: str, count: int, ranges: bool) -> Scaled:
    """Values are not clipped, neither in nor out."""
    feature = given or step.features().get(name)
    if not ranges:
        return Scaled(feature, "IDENTITY", count, step.where)
    return ranged(feature, count, clip=False, where=str(step.state_file or step.file))
