# SPDX-License-Identifier: Apache-2.0
"""A float bundle from a LeRobot checkpoint (0.4 to 0.6) or openpi's PyTorch export."""

from __future__ import annotations

from quantvla_ros.bundle.schema import TokenizerSpec, float_manifest
from quantvla_ros.checkpoints.checkpoint import Checkpoint
from quantvla_ros.checkpoints.options import Imported, ImportOptions
from quantvla_ros.checkpoints.pipelines import (
    Pipelines,
    RelativeActions,
    Rename,
    TokenizePrompt,
    read_pipelines,
)
from quantvla_ros.checkpoints.robot_mapping import Spaces, map_cameras, map_robot
from quantvla_ros.checkpoints.statistics import ACTION, STATE, normalization, read_norm_stats
from quantvla_ros.checkpoints.text import find_tokenizer
from quantvla_ros.errors import CheckpointError
from quantvla_ros.models.pi05.openpi import from_openpi, is_openpi
from quantvla_ros.models.pi05.prompts import PAD, instruction_room
from quantvla_ros.models.pi05.weights import architecture, read_weights

_PROMPT = "pi05_prepare_state_tokenizer_processor_step"
_FEATURES = ("input_features", "output_features")
_OLD_BORDER = -3.0
"""LeRobot 0.4 pads pictures with -1 before it maps 0..1 to -1..1 (modeling_pi05.py, 0.4.4)."""


def importer(checkpoint: Checkpoint, options: ImportOptions) -> Imported | None:
    """See `Family.importer`."""
    if checkpoint.config.get("type") == "pi05":
        return _from_lerobot(checkpoint, options)
    return from_openpi(checkpoint, options) if is_openpi(checkpoint) else None


def _from_lerobot(checkpoint: Checkpoint, options: ImportOptions) -> Imported:
    said = checkpoint.config
    pipelines = read_pipelines(checkpoint, (_PROMPT,))
    pipelines.need(_PROMPT)
    pictures, states, actions = _features(checkpoint)
    old = pipelines.find(RelativeActions) is None  # LeRobot below 0.5
    robot, rename = options.robot, pipelines.find(Rename)
    size = _number_pair(checkpoint, "image_resolution")
    cameras = map_cameras(
        robot, pictures, size, None if rename is None else rename.rename_map, optional=True
    )
    horizon = _number(checkpoint, "chunk_size")
    weights = read_weights(checkpoint)
    told = {
        "cameras": len(cameras.slots),
        "horizon": horizon,
        "state_in_prompt": max(states, _number(checkpoint, "max_state_dim")) if old else states,
        "border": _OLD_BORDER if old else -1.0,
        **{key: said[key] for key in ("min_period", "max_period") if key in said},
    }
    config = architecture(checkpoint, weights, told, options.sizes)
    relative, names = _relative(pipelines, actions)
    spaces = Spaces(
        states=states,
        actions=actions,
        horizon=horizon,
        state_width=max(states, config.state_in_prompt or 0),
        action_width=config.action_width,
        relative=relative,
        action_names=names,
    )
    given = None if options.norm_stats is None else read_norm_stats(options.norm_stats)
    before, after = pipelines.need("normalizer_processor"), pipelines.need("unnormalizer_processor")
    step = pipelines.need("tokenizer_processor")
    assert isinstance(step.config, TokenizePrompt)
    text = find_tokenizer(checkpoint, options.tokenizer, step)
    manifest = float_manifest(
        "pi05",
        config.model_dump(mode="json"),
        map_robot(robot, spaces, cameras, options.rate),
        normalization(
            before.scaled(STATE, states, given), after.scaled(ACTION, actions, given), horizon
        ),
        _number(checkpoint, "num_inference_steps"),
        step.config.max_length,
    )
    room = instruction_room(text, step.config.max_length, config.state_in_prompt)
    spec = TokenizerSpec(max_length=step.config.max_length, pad=PAD, room=room)
    notes = (_OLD_NOTE,) if old else ()
    return Imported(manifest.model_copy(update={"tokenizer": spec}), weights, text, cameras, notes)


_OLD_NOTE = (
    "its pipeline is LeRobot 0.4's, so the state in the prompt is padded to the network's width "
    "and borders of pictures are -3, as in its training; if a newer LeRobot trained it, give "
    '{"state_in_prompt": VALUES OF THE STATE, "border": -1} with --sizes FILE'
)


def _features(checkpoint: Checkpoint) -> tuple[list[str], int, int]:
    """Names of the pictures but for those that were always empty, and counts of both spaces."""
    found = {}
    for key in _FEATURES:
        listed = checkpoint.config.get(key)
        if not isinstance(listed, dict):
            raise _lacks(checkpoint, key)
        found.update(listed)
    pictures = [
        name
        for name, feature in found.items()
        if feature.get("type") == "VISUAL" and "empty_camera_" not in name
    ]
    counts = []
    for name in (STATE, ACTION):
        shape = found.get(name, {}).get("shape")
        if not isinstance(shape, list) or len(shape) != 1:
            raise _lacks(checkpoint, f"{name}.shape")
        counts.append(int(shape[0]))
    return pictures, counts[0], counts[1]


def _relative(pipelines: Pipelines, count: int) -> tuple[list[bool], list[str]]:
    """Which actions are counted from the state, and their names where the checkpoint has them."""
    relative = pipelines.find(RelativeActions)
    if relative is None or not relative.enabled:
        return [], []
    return relative.mask(count), list(relative.action_names or ())


def _number(checkpoint: Checkpoint, key: str) -> int:
    value = checkpoint.config.get(key)
    if not isinstance(value, int) or value < 1:
        raise _lacks(checkpoint, key)
    return value


def _number_pair(checkpoint: Checkpoint, key: str) -> tuple[int, int]:
    value = checkpoint.config.get(key)
    if not isinstance(value, list) or len(value) != 2:
        raise _lacks(checkpoint, key)
    return int(value[0]), int(value[1])


def _lacks(checkpoint: Checkpoint, key: str) -> CheckpointError:
    return CheckpointError(
        f"{checkpoint.path / 'config.json'} has no usable '{key}', which LeRobot writes for this "
        "policy; copy the checkpoint again"
    )
