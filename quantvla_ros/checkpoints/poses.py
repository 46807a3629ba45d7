# SPDX-License-Identifier: Apache-2.0
"""Which of equivalent rotations a policy was trained with, by the mean of its data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.robot.interface import Interface
from quantvla_ros.robot.tip_pose import TIP, TipPose


def near_training(manifest: BundleManifest) -> BundleManifest:
    """The manifest with poses whose rotations are those nearest to the training's.

    A gripper that points down is turned by half a turn, which has two rotation vectors and several
    sets of angles; the policy saw one of them.
    """
    interface, norm = manifest.interface, manifest.normalization
    state, action = interface.state, interface.action
    if state.pose is not None:
        begin = sum(state.widths[: state.parts.index(TIP)])
        state = replace(state, pose=_near(state.pose, norm.state_mean[begin:]))
    if action.pose is not None:
        means = np.mean(norm.action_mean, axis=0).tolist()
        action = replace(action, pose=_near(action.pose, means[action.pose_place :]))
    changed: Interface = replace(interface, state=state, action=action)
    return manifest.model_copy(update={"interface": changed})


def _near(pose: TipPose, means: Sequence[float]) -> TipPose:
    return replace(pose, near=tuple(means[3 : pose.width]))
