# SPDX-License-Identifier: Apache-2.0
"""The contract report of an import, made of the very bundle that is written."""

from __future__ import annotations

import numpy as np

from quantvla_ros.bundle.contract import CameraLine, Contract, ValueLine
from quantvla_ros.bundle.normalization import ScaleRule
from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.bundle.tokenizer import Tokenizer
from quantvla_ros.checkpoints.options import Imported, ImportOptions
from quantvla_ros.checkpoints.statistics import SMALLEST
from quantvla_ros.processing.processing import Processing, blank_observation
from quantvla_ros.processing.trained_range import TrainedRange
from quantvla_ros.robot.action_space import ActionSpace
from quantvla_ros.robot.observation import Observation
from quantvla_ros.robot.tip_pose import TIP, TipPose
from quantvla_ros.robot.units import Entry


def contract(
    imported: Imported, options: ImportOptions, processing: Processing, tokenizer: Tokenizer
) -> Contract:
    """Say what was understood.

    Args:
        imported: what the family's importer gave.
        options: of the command line.
        processing: the family's, of the manifest: its prompt is what is shown.
        tokenizer: of the bundle.
    """
    manifest = imported.manifest
    interface = manifest.interface
    inputs = processing.inputs(example_observation(manifest, options.instruction))
    # A policy without language has no tokens at all.
    ids, there = (np.asarray(inputs.get(name, [])) for name in ("tokens", "token_mask"))
    tokens = ids[there.astype(bool)].astype(np.int64)
    return Contract(
        checkpoint=imported.weights.checkpoint.path.resolve().name,
        cameras=[
            CameraLine(
                slot=slot.name,
                key=imported.cameras.keys[slot.name],
                topic=options.robot.cameras[slot.name],
                height=slot.height,
                width=slot.width,
            )
            for slot in interface.cameras
            if slot.name in imported.cameras.keys
        ],
        absent=list(imported.cameras.absent),
        state=_states(manifest, options),
        action=_actions(manifest, options),
        rate=1.0 / interface.dt,
        instruction=options.instruction,
        prompt=tokenizer.text(tokens),
        tokens=len(tokens),
        notes=[*imported.notes, *_still(manifest)],
    )


def example_observation(manifest: BundleManifest, instruction: str) -> Observation:
    """Black pictures, and the robot in the mean state of the training data."""
    blank = blank_observation(manifest.interface)
    joints = TrainedRange(manifest).mean_si.astype(np.float32)
    return Observation(blank.images, joints, instruction, blank.stamp)


def _states(manifest: BundleManifest, options: ImportOptions) -> list[ValueLine]:
    norm, state, lines = manifest.normalization, manifest.interface.state, []
    entries = {entry.name: entry for entry in state.entries}
    for part in state.parts:
        given = None if part == TIP and state.pose is not None else entries[part]
        lines += _told(given, state.pose, options, "")
    scales = zip(norm.state_mean, norm.state_std, strict=True)
    return _with_scales(lines, norm.state, list(scales))


def _actions(manifest: BundleManifest, options: ImportOptions) -> list[ValueLine]:
    norm, action, lines = manifest.normalization, manifest.interface.action, []
    kinds = {
        "joint_position": "absolute",
        "joint_delta": "relative to the state",
        "joint_velocity": "velocity from the state on",
        "ee_delta": "step of the tip",
    }
    for place, given in enumerate(action.values):
        if given is not None:
            lines += _told(given, None, options, kinds[action.group_of(given).kind])
        elif place == action.pose_place:
            lines += _told(None, action.pose, options, _posed(action))
    scales = zip(norm.action_mean[0], norm.action_std[0], strict=True)
    return _with_scales(lines, norm.action, list(scales))


def _posed(action: ActionSpace) -> str:
    """How a pose of the tip is counted, and whether it is used."""
    relative = action.pose is not None and action.pose.frame == "tip"
    counted = "pose in the frame of the tip" if relative else "pose of the tip"
    return counted if action.follows else f"{counted}, not used: its joints are"


def _told(
    given: Entry | None, pose: TipPose | None, options: ImportOptions, counted: str
) -> list[ValueLine]:
    """The line of a value, or those of a pose."""
    if given is not None:
        joint = _joints(options).get(given.name, "")
        return [ValueLine(name=given.name, joint=joint, unit=given.unit, group=given.group,
                          counted=counted, scaled="")]  # fmt: skip
    assert pose is not None
    turns = [f"{pose.rotation} {number}" for number in range(1, pose.width - 2)]
    units = ["m"] * 3 + [pose.rotation] * len(turns)
    return [
        ValueLine(name=f"tip {name}", joint="", unit=unit, group=TIP, counted=counted, scaled="")
        for name, unit in zip([*"xyz", *turns], units, strict=True)
    ]


def _with_scales(
    lines: list[ValueLine], rule: ScaleRule | None, scales: list[tuple[float, float]]
) -> list[ValueLine]:
    return [
        line.model_copy(update={"scaled": _scaled(rule, *scales[place], place)})
        for place, line in enumerate(lines)
    ]


def _still(manifest: BundleManifest) -> list[str]:
    """Notes of values that never changed in the training data: the network knows no others."""
    trained = TrainedRange(manifest)
    still = [e.name for e, std in zip(trained.state.entries, trained.std, strict=True)
             if std <= SMALLEST]  # fmt: skip
    return [
        f"state '{name}' never changed in the training data; the node stops where it is elsewhere"
        for name in still
    ]


def _joints(options: ImportOptions) -> dict[str, str]:
    return {policy: own for own, policy in options.robot.policy_names.items()}


def _scaled(rule: ScaleRule | None, mean: float, std: float, place: int) -> str:
    """One value's normalization in words; of a chunk's steps the first and the last."""
    cut = ", cut there" if rule is not None and rule.clip else ""
    if rule is None or rule.kind == "mean_std":
        return f"mean {mean:.4g}, std {std:.4g}"
    if rule.kind == "identity":
        return f"as it is{cut}"
    kind, low, high = rule.kind.replace("_", "-"), np.asarray(rule.low), np.asarray(rule.high)
    if low.ndim == 1:
        return f"{kind} {low[place]:.4g}..{high[place]:.4g}{cut}"
    first, last = (f"{low[row, place]:.4g}..{high[row, place]:.4g}" for row in (0, -1))
    return f"{kind} by step, first {first}, last {last}{cut}"
