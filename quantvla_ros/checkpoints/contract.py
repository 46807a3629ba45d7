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
from quantvla_ros.robot.action_space import to_si
from quantvla_ros.robot.observation import Observation


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
    tokens = np.asarray(inputs["tokens"])[np.asarray(inputs["token_mask"], bool)]
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
    entries = manifest.interface.state.entries
    mean = np.asarray(manifest.normalization.state_mean, np.float64)[: len(entries)]
    blank = blank_observation(manifest.interface)
    joints = to_si(entries, mean).astype(np.float32)
    return Observation(blank.images, joints, instruction, blank.stamp)


def _states(manifest: BundleManifest, options: ImportOptions) -> list[ValueLine]:
    norm, joints = manifest.normalization, _joints(options)
    return [
        ValueLine(
            name=entry.name,
            joint=joints.get(entry.name, ""),
            unit=entry.unit,
            group=entry.group,
            counted="",
            scaled=_scaled(norm.state, norm.state_mean[place], norm.state_std[place], place),
        )
        for place, entry in enumerate(manifest.interface.state.entries)
    ]


def _actions(manifest: BundleManifest, options: ImportOptions) -> list[ValueLine]:
    norm, joints = manifest.normalization, _joints(options)
    kinds = {
        "joint_position": "absolute",
        "joint_delta": "relative to the state",
        "joint_velocity": "velocity from the state on",
        "ee_delta": "step of the tip",
    }
    action = manifest.interface.action
    return [
        ValueLine(
            name=entry.name,
            joint=joints.get(entry.name, ""),
            unit=entry.unit,
            group=entry.group,
            counted=kinds[action.group_of(entry).kind],
            scaled=_scaled(
                norm.action, norm.action_mean[0][place], norm.action_std[0][place], place
            ),
        )
        for place, entry in enumerate(action.entries)
    ]


def _still(manifest: BundleManifest) -> list[str]:
    """Notes of values that never changed in the training data: the network knows no others."""
    entries, deviations = manifest.interface.state.entries, manifest.normalization.state_std
    still = [e.name for e, std in zip(entries, deviations, strict=False) if std <= SMALLEST]
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
