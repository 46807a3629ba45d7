# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from pydantic import ValidationError
from support.example_bundle import HORIZON, example_manifest

from quantvla_ros.bundle.schema import BundleManifest


def altered(**changes):
    """The example manifest's data with values replaced, by dotted path."""
    data = example_manifest().model_dump(mode="json")
    for path, value in changes.items():
        node = data
        *parents, last = path.split("__")
        for key in parents:
            node = node[int(key) if isinstance(node, list) else key]
        node[last] = value
    return data


def test_a_manifest_survives_the_way_through_plain_data():
    manifest = example_manifest()
    assert BundleManifest.model_validate(manifest.model_dump(mode="json")) == manifest


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"normalization__state_mean": [0.0, 0.0]}, "state_mean has 2 entries, expected 5"),
        (
            {"normalization__action_std": [[1.0, 1.0]]},
            "action_std has 1 entries, expected 4",
        ),
        ({"normalization__action_mean": [[1.0]] * HORIZON}, "a row of normalization.action_mean"),
        ({"normalization__state_std": [1.0, 1.0, 0.0, 1.0, 1.0]}, "greater than 0"),
        ({"normalization__state_mean": [float("nan")] * 5}, "finite"),
        ({"interface__dt": 0.0}, "dt is 0.0, it must be above 0"),
        ({"interface__horizon": 0}, "horizon is 0, it must be above 0"),
        ({"interface__cameras": []}, "cameras has no entries"),
        ({"interface__cameras__0__colour": "red"}, "Unexpected keyword"),
        (
            {"interface__action__groups__0__kind": "ee_twist"},
            "has kind 'ee_twist'; supported are joint_position, joint_delta, joint_velocity, ee_p",
        ),
        ({"interface__action__entries__0__unit": "furlong"}, "has unit 'furlong'; known are rad"),
        ({"interface__state__kinematics__joints__0__name": None}, "a name exactly when it moves"),
        ({"noise__scale": -1.0}, "greater than or equal to 0"),
        ({"colour": "red"}, "Extra inputs"),
        ({"family": ""}, "at least 1"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(changes, text):
    with pytest.raises(ValidationError, match=text.replace("(", r"\(")):
        BundleManifest.model_validate(altered(**changes))
