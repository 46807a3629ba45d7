# SPDX-License-Identifier: Apache-2.0
"""openpi's PyTorch checkpoints: config.json, model.safetensors and assets/<id>/norm_stats.json.

What openpi's code knows by the name of a training configuration stands in no file of a checkpoint:
whether the prompt tells the state, and which actions are counted from it. So the user names it.
(openpi, commit 15a9616a: src/openpi/training/config.py; src/openpi/transforms.py.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from quantvla_ros.bundle.schema import float_manifest
from quantvla_ros.checkpoints.checkpoint import Checkpoint
from quantvla_ros.checkpoints.counting import Spaces
from quantvla_ros.checkpoints.options import Imported, ImportOptions
from quantvla_ros.checkpoints.robot_mapping import map_cameras, map_robot
from quantvla_ros.checkpoints.space_mapping import count_values
from quantvla_ros.checkpoints.statistics import (
    ACTION,
    STATE,
    Feature,
    Scaled,
    normalization,
    read_norm_stats,
)
from quantvla_ros.checkpoints.text import find_tokenizer
from quantvla_ros.errors import CheckpointError
from quantvla_ros.models.pi05.prompts import TOKENIZER, prompt_spec
from quantvla_ros.models.pi05.weights import architecture, read_weights
from quantvla_ros.robot.action_space import TWIST_NAMES
from quantvla_ros.robot.robot_file import RobotFile

CAMERAS = ("base_0_rgb", "left_wrist_0_rgb", "right_wrist_0_rgb")
"""Pictures in the network's order (src/openpi/models/model.py, `IMAGE_KEYS`)."""
STEPS, PROMPT, EPS = 10, 200, 1e-6
"""Of the flow (pi0.py, `sample_actions`), tokens (pi0_config.py), and what `Normalize` adds."""
_SIZE = (224, 224)


@dataclass(frozen=True)
class Training:
    """What a training configuration of openpi says that no checkpoint does.

    Attributes:
        state_in_prompt: whether the prompt tells the state.
        relative: "arms": the joints of arms are counted from the state; "none": nothing is.
        velocity: whether it commands velocities of the arms' joints.
        note: what a user should know; empty for nothing.
    """

    state_in_prompt: bool = True
    relative: str = "none"
    velocity: bool = False
    note: str = ""


TRAININGS: Mapping[str, Training] = {
    "pi05_droid": Training(
        velocity=True,
        note="DROID's velocities are from -1 to 1, which is 3 rad/s (0.2 rad in one of 15 steps a "
        "second): robot.yaml must say that, or what your own data counts in; its gripper is from "
        "0, open, to 1, closed",
    ),
    "pi05_libero": Training(state_in_prompt=False),
    "pi05_aloha": Training(
        relative="arms",
        note="openpi turns ALOHA's joints into its own units (adapt_to_pi), which is not done "
        "here: the units of robot.yaml must be those",
    ),
    "absolute": Training(),
    "delta": Training(relative="arms"),
}


def is_openpi(checkpoint: Checkpoint) -> bool:
    """Whether openpi exported it, and of this family: pi0 has an MLP of another name."""
    named = {"action_horizon", "action_expert_variant"} <= set(checkpoint.config)
    return named and "time_mlp_in.weight" in checkpoint.sources


def from_openpi(checkpoint: Checkpoint, options: ImportOptions) -> Imported:
    """The float bundle of an openpi checkpoint; the importer's part for those."""
    training, robot = _training(checkpoint, options.embodiment), options.robot
    file = options.norm_stats or _statistics_file(checkpoint)
    statistics = read_norm_stats(file)
    actions = list(robot.action or robot.policy_names.values())
    states = count_values(robot, list(robot.state or robot.policy_names.values()))
    values = count_values(robot, actions)
    cameras = map_cameras(robot, CAMERAS, _SIZE, optional=True)
    horizon = int(checkpoint.config["action_horizon"])
    weights = read_weights(checkpoint)
    told = {
        "cameras": len(cameras.slots),
        "horizon": horizon,
        "state_in_prompt": states if training.state_in_prompt else None,
        "resize": "bytes",
    }
    config = architecture(checkpoint, weights, told, options.sizes)
    slots = tuple(
        replace(slot, height=config.image_size, width=config.image_size) for slot in cameras.slots
    )
    cameras = replace(cameras, slots=slots)
    spaces = Spaces(
        states=states,
        actions=values,
        horizon=horizon,
        state_width=max(states, config.state_in_prompt or 0),
        action_width=config.action_width,
        relative=_relative(robot, actions) if training.relative == "arms" else (),
        velocity=training.velocity,
    )
    text = find_tokenizer(checkpoint, options.tokenizer, named=TOKENIZER)
    manifest = float_manifest(
        "pi05",
        config.model_dump(mode="json"),
        map_robot(robot, spaces, cameras, options.rate),
        normalization(
            _scaled(statistics, STATE, states, file)
            if training.state_in_prompt
            else Scaled(None, "IDENTITY", states, str(file)),
            _scaled(statistics, ACTION, values, file),
            horizon,
        ),
        STEPS,
        prompt_spec(text, PROMPT, config.state_in_prompt),
    )
    notes = (training.note,) if training.note else ()
    return Imported(manifest, weights, text, cameras, notes)


def _training(checkpoint: Checkpoint, named: str | None) -> Training:
    known, training = ", ".join(TRAININGS), TRAININGS.get(named or "")
    if training is None:
        given = "says nothing" if named is None else f"is not told by '{named}'"
        raise CheckpointError(
            f"{checkpoint.path} is openpi's and {given} of how it was trained; name its "
            f"configuration with --embodiment ({known}: 'absolute' for one of your own with "
            "absolute actions, 'delta' for one whose arms' actions are counted from the state)"
        )
    return training


def _statistics_file(checkpoint: Checkpoint) -> Path:
    found = sorted((checkpoint.path / "assets").rglob("norm_stats.json"))
    if len(found) != 1:
        count = "holds no" if not found else f"holds {len(found)} files"
        raise CheckpointError(
            f"{checkpoint.path / 'assets'} {count} norm_stats.json; give the one of the policy's "
            "data with --norm-stats FILE"
        )
    return found[0]


def _relative(robot: RobotFile, actions: list[str]) -> list[bool]:
    arms = {
        joint.policy or name
        for group in robot.groups.values()
        if group.type == "arm"
        for name, joint in group.joints.items()
    }
    return [name in arms and name not in TWIST_NAMES for name in actions]


def _scaled(statistics: Mapping[str, Feature], name: str, count: int, file: Path) -> Scaled:
    """Quantiles; statistics of more values than the robot has are of padding behind them."""
    known = statistics.get(name)
    if known is not None:
        values = {key: value[..., :count] for key, value in known.values.items()}
        known = Feature(known.name, known.where, values)
    return Scaled(known, "QUANTILES", count, str(file), eps=EPS, eps_where="always")
