# SPDX-License-Identifier: Apache-2.0
"""A float bundle from a LeRobot checkpoint (0.4 to 0.6) or openpi's PyTorch export."""

from __future__ import annotations

from pydantic import Field

from quantvla_ros.bundle.schema import float_manifest
from quantvla_ros.checkpoints.checkpoint import Checkpoint
from quantvla_ros.checkpoints.counting import Spaces
from quantvla_ros.checkpoints.options import Imported, ImportOptions
from quantvla_ros.checkpoints.pipelines import RelativeActions, TokenizePrompt, read_pipelines
from quantvla_ros.checkpoints.policy_config import PolicyConfig, read_policy_config
from quantvla_ros.checkpoints.robot_mapping import map_cameras, map_robot
from quantvla_ros.checkpoints.text import find_tokenizer
from quantvla_ros.models.pi05.openpi import from_openpi, is_openpi
from quantvla_ros.models.pi05.prompts import prompt_spec
from quantvla_ros.models.pi05.weights import architecture, read_weights

_PROMPT = "pi05_prepare_state_tokenizer_processor_step"
_OLD_BORDER = -3.0
"""LeRobot 0.4 pads pictures with -1 before it maps 0..1 to -1..1 (modeling_pi05.py, 0.4.4)."""


def importer(checkpoint: Checkpoint, options: ImportOptions) -> Imported | None:
    """See `Family.importer`."""
    if checkpoint.config.get("type") == "pi05":
        return _from_lerobot(checkpoint, options)
    return from_openpi(checkpoint, options) if is_openpi(checkpoint) else None


class _Config(PolicyConfig):
    """Fields of config.json; what is missing has LeRobot's default (configuration_pi05.py)."""

    chunk_size: int = Field(gt=0)
    num_inference_steps: int = Field(gt=0)
    image_resolution: tuple[int, int]
    max_state_dim: int = Field(default=32, gt=0)
    min_period: float = 4e-3
    max_period: float = 4.0


def _from_lerobot(checkpoint: Checkpoint, options: ImportOptions) -> Imported:
    pipelines = read_pipelines(checkpoint, (_PROMPT,))
    pipelines.need(_PROMPT)
    said = read_policy_config(checkpoint, _Config)
    states, actions, horizon = said.states, said.actions, said.chunk_size
    relative = pipelines.find(RelativeActions)
    old = relative is None  # LeRobot below 0.5
    relative = relative or RelativeActions()
    cameras = map_cameras(
        options.robot, said.pictures, said.image_resolution, pipelines.renamed, optional=True
    )
    weights = read_weights(checkpoint)
    told = {
        "cameras": len(cameras.slots),
        "horizon": horizon,
        "state_in_prompt": max(states, said.max_state_dim) if old else states,
        "border": _OLD_BORDER if old else -1.0,
        "min_period": said.min_period,
        "max_period": said.max_period,
    }
    config = architecture(checkpoint, weights, told, options.sizes)
    spaces = Spaces(
        states=states,
        actions=actions,
        horizon=horizon,
        state_width=max(states, config.state_in_prompt or 0),
        action_width=config.action_width,
        relative=relative.mask(actions),
        action_names=(relative.action_names or ()) if relative.enabled else (),
    )
    step = pipelines.need("tokenizer_processor")
    assert isinstance(step.config, TokenizePrompt)
    text = find_tokenizer(checkpoint, options.tokenizer, step)
    manifest = float_manifest(
        "pi05",
        config.model_dump(mode="json"),
        map_robot(options.robot, spaces, cameras, options.rate),
        pipelines.normalization(states, actions, horizon, options.statistics),
        said.num_inference_steps,
        prompt_spec(text, step.config.max_length, config.state_in_prompt),
    )
    return Imported(manifest, weights, text, cameras, (_OLD_NOTE,) if old else ())


_OLD_NOTE = (
    "its pipeline is LeRobot 0.4's, so the state in the prompt is padded to the network's width "
    "and borders of pictures are -3, as in its training; if a newer LeRobot trained it, give "
    '{"state_in_prompt": VALUES OF THE STATE, "border": -1} with --sizes FILE'
)
