# SPDX-License-Identifier: Apache-2.0
"""What a family from outside does to import checkpoints: one function over what they all share."""

from __future__ import annotations

import torch

from outside_family.network import PATCH, ReachConfig, ReachNetwork
from quantvla_ros.bundle.schema import TokenizerSpec, float_manifest
from quantvla_ros.checkpoints.checkpoint import Checkpoint
from quantvla_ros.checkpoints.counting import Spaces
from quantvla_ros.checkpoints.options import Imported, ImportOptions
from quantvla_ros.checkpoints.pipelines import RelativeActions, TokenizePrompt, read_pipelines
from quantvla_ros.checkpoints.robot_mapping import IMAGES, map_cameras, map_robot
from quantvla_ros.checkpoints.text import find_tokenizer
from quantvla_ros.checkpoints.weights import Weights

STEPS = 4
FUSED = "encoder.attention.qkv.weight"


def importer(checkpoint: Checkpoint, options: ImportOptions) -> Imported | None:
    """Import a checkpoint whose attention is stored as one matrix."""
    config = checkpoint.config
    if config.get("type") != "reach":
        return None
    pipelines = read_pipelines(checkpoint)
    relative, prompt = pipelines.find(RelativeActions), pipelines.find(TokenizePrompt)
    assert relative and prompt
    size = config["image_size"]
    keys = [key for key in config["input_features"] if key.startswith(IMAGES)]
    cameras = map_cameras(options.robot, keys, (size, size), pipelines.renamed, optional=True)
    count, horizon = config["joints"], config["chunk_size"]
    norm = pipelines.normalization(count, count, horizon, options.statistics)
    assert norm.state is not None and norm.action is not None
    sizes = ReachConfig(
        vocabulary=config["vocabulary"],
        cameras=len(cameras.slots),
        image_size=size,
        state_quantiles=list(zip(norm.state.low, norm.state.high, strict=True)),
        action_quantiles=list(zip(norm.action.low, norm.action.high, strict=True)),
        **options.sizes,
    )
    mask = relative.mask(count)
    spaces = Spaces(count, count, horizon, count, count, mask, (), relative.action_names or ())
    manifest = float_manifest(
        "reach",
        sizes.model_dump(mode="json"),
        map_robot(options.robot, spaces, cameras, options.rate),
        norm,
        STEPS,
        TokenizerSpec(max_length=prompt.max_length),
    )
    tokenizer = find_tokenizer(checkpoint, options.tokenizer, pipelines.need("tokenizer_processor"))
    return Imported(manifest, _weights(checkpoint, sizes), tokenizer, cameras, ("Made up.",))


def _weights(checkpoint: Checkpoint, sizes: ReachConfig) -> Weights:
    weights = Weights(checkpoint, prefix="model.")
    for place, part in enumerate("qkv"):
        weights.make(
            f"encoder.attention.{part}_proj.weight",
            (FUSED,),
            lambda fused, place=place: fused.chunk(3)[place],
        )
    places = sizes.cameras * (sizes.image_size // PATCH) ** 2  # of the cameras that there are
    weights.make("place", ("place",), lambda table: table[:places])
    with torch.device("meta"):  # names alone: no memory
        names = list(ReachNetwork(sizes).state_dict())
    for name in names:
        if name not in weights:
            weights.copy(name, name)
    weights.drop("lm_head.weight")
    return weights
