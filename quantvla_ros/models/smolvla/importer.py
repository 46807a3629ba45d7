# SPDX-License-Identifier: Apache-2.0
"""From a SmolVLA checkpoint as LeRobot 0.4.4 to 0.6 writes it to a float bundle."""

from __future__ import annotations

from quantvla_ros.bundle.schema import TokenizerSpec, float_manifest
from quantvla_ros.checkpoints.checkpoint import Checkpoint
from quantvla_ros.checkpoints.counting import Spaces
from quantvla_ros.checkpoints.options import Imported, ImportOptions
from quantvla_ros.checkpoints.pipelines import Pipelines, TokenizePrompt, read_pipelines
from quantvla_ros.checkpoints.policy_config import valid_sizes
from quantvla_ros.checkpoints.robot_mapping import Cameras, map_cameras, map_robot
from quantvla_ros.checkpoints.text import find_tokenizer
from quantvla_ros.errors import CheckpointError
from quantvla_ros.models.smolvla.config import SmolVLAConfig
from quantvla_ros.models.smolvla.lerobot_config import LeRobotConfig, read_config
from quantvla_ros.models.smolvla.weights import network_weights, sizes_of

_TYPE = "smolvla"
_NEW_LINE, _TOKENIZE = "smolvla_new_line_processor", "tokenizer_processor"
_PAD = "<|im_end|>"
"""What SmolVLM2's tokenizer pads with (its tokenizer_config.json)."""
_NOTES = (
    "The output layer over words is left out: actions do not depend on it.",
    "The last language layer's queries, attention output and MLP are kept and never run: actions "
    "depend on its keys and values alone.",
)


def import_smolvla(checkpoint: Checkpoint, options: ImportOptions) -> Imported | None:
    """The float bundle of a checkpoint; None: it is of another family.

    Raises:
        CheckpointError: see the parts; in one sentence that names the file and the way out.
    """
    if checkpoint.config.get("type") != _TYPE:
        return None
    given = read_config(checkpoint)
    pipelines = read_pipelines(checkpoint, own=(_NEW_LINE,))
    prompt = _prompt(pipelines)
    side = given.image_size
    cameras = map_cameras(
        options.robot, given.pictures, (side, side), pipelines.renamed, optional=True
    )
    architecture = _architecture(checkpoint, given, options, cameras)
    spaces = Spaces(
        states=given.states,
        actions=given.actions,
        horizon=given.chunk_size,
        state_width=architecture.state_width,
        action_width=architecture.action_width,
    )
    manifest = float_manifest(
        _TYPE,
        architecture.model_dump(mode="json"),
        map_robot(options.robot, spaces, cameras, options.rate),
        pipelines.normalization(given.states, given.actions, given.chunk_size, options.statistics),
        given.num_steps,
        TokenizerSpec(max_length=prompt.max_length, pad=_PAD, room=prompt.max_length - 1),
    )
    text = find_tokenizer(checkpoint, options.tokenizer, pipelines.need(_TOKENIZE))
    return Imported(manifest, network_weights(checkpoint, architecture), text, cameras, _NOTES)


def _prompt(pipelines: Pipelines) -> TokenizePrompt:
    pipelines.need(_NEW_LINE)
    step = pipelines.need(_TOKENIZE)
    prompt = step.config
    assert isinstance(prompt, TokenizePrompt)
    if prompt.padding_side != "right" or not prompt.truncation:
        raise CheckpointError(
            f"{step.where} pads on the {prompt.padding_side} and cuts prompts: "
            f"{prompt.truncation}; this family pads on the right and cuts; ask for it"
        )
    return prompt


def _architecture(
    checkpoint: Checkpoint, given: LeRobotConfig, options: ImportOptions, cameras: Cameras
) -> SmolVLAConfig:
    """Sizes off the tensors, from config.json, from the user, and else the published ones."""
    with valid_sizes(checkpoint):
        return SmolVLAConfig.model_validate(
            {
                **sizes_of(checkpoint),
                "cameras": len(cameras.slots),
                "image_size": given.image_size,
                "horizon": given.chunk_size,
                "self_attention_every": given.self_attn_every_n_layers,
                "min_period": given.min_period,
                "max_period": given.max_period,
                **options.sizes,
            }
        )
