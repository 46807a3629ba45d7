# SPDX-License-Identifier: Apache-2.0
"""Manifests of policies that put out one and the same values, see `fake_policies.TypicalPolicy`."""

from __future__ import annotations

from dataclasses import replace

from support.policy_graph import manifest

from quantvla_ros.bundle.schema import Normalization


def changed(state, action, values, horizon):
    """What `write_bundle` takes: a state and an action space, and the values of every row."""
    return {
        "interface": replace(manifest().interface, state=state, action=action),
        "normalization": Normalization(
            state_mean=[0.0] * state.size,
            state_std=[1.0] * state.size,
            action_mean=[values] * horizon,
            action_std=[[1.0] * len(values)] * horizon,
        ),
    }
