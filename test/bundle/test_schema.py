# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from pydantic import ValidationError
from support.example_bundle import HORIZON, example_interface, example_manifest

from quantvla_ros.bundle.schema import ActionSpec, BundleManifest, CameraSpec, Interface


def altered(**changes):
    """The example manifest's data with values replaced, by dotted path."""
    data = example_manifest().model_dump(mode="json")
    for path, value in changes.items():
        node = data
        *parents, last = path.split("__")
        for key in parents:
            node = node[key]
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
        ({"interface__dt": 0.0}, "greater than 0"),
        ({"interface__horizon": 0}, "greater than 0"),
        ({"interface__cameras": []}, "at least 1"),
        ({"interface__state__units": ["rad"]}, "state.units has 1 entries, expected 2"),
        ({"interface__state__names": ["a", "a"]}, "state 'a' is listed twice"),
        ({"interface__action__relative": [True]}, "action.relative has 1 entries, expected 2"),
        ({"interface__action__kind": "torque"}, "joint_position"),
        ({"noise__scale": 0.0}, "greater than 0"),
        ({"colour": "red"}, "Extra inputs"),
        ({"family": "other"}, "pi05"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(changes, text):
    with pytest.raises(ValidationError, match=text.replace("(", r"\(")):
        BundleManifest.model_validate(altered(**changes))


TWIST = ["linear_x", "linear_y", "linear_z", "angular_x", "angular_y", "angular_z"]


def action(kind="ee_delta", names=(*TWIST, "finger"), units=None, relative=None):
    units = units or ["m/s"] * 3 + ["rad/s"] * 3 + ["m"]
    relative = relative or [False] * len(names)
    return ActionSpec(names=list(names), units=units, kind=kind, relative=relative)


def test_twists_are_named_and_may_have_a_gripper():
    assert action().joints == ["finger"]
    assert action(names=TWIST, units=["m"] * 3 + ["rad"] * 3).joints == []
    joints = action("joint_position", ["a", "b"], ["rad", "rad"])
    assert joints.joints == ["a", "b"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"names": (*TWIST[1:], TWIST[0], "finger")}, "actions of kind ee_delta are linear_x"),
        ({"names": (*TWIST, "a", "b"), "units": ["m/s"] * 8}, "at most a gripper"),
        ({"units": ["m/s"] * 3 + ["rad"] * 3 + ["m"]}, "in m/s and rad/s or in m and rad"),
        ({"relative": [True] + [False] * 6}, "offsets exactly when action.kind is joint_delta"),
        ({"kind": "joint_delta"}, "offsets exactly when action.kind is joint_delta"),
        ({"kind": "joint_position", "relative": [True] * 7}, "offsets exactly when action.kind"),
    ],
)
def test_actions_that_contradict_their_kind_are_refused(changes, text):
    with pytest.raises(ValidationError, match=text):
        action(**changes)


def test_kinematics_may_only_use_joints_of_the_state():
    data = altered(interface__state__names=["elbow", "finger"])
    with pytest.raises(ValidationError, match="panda_joint1"):
        BundleManifest.model_validate(data)


def test_a_moving_joint_needs_a_name():
    data = altered()
    data["interface"]["state"]["kinematics"]["joints"][0]["name"] = None
    with pytest.raises(ValidationError, match="name exactly when it moves"):
        BundleManifest.model_validate(data)


def test_two_cameras_of_one_name_are_refused():
    camera = CameraSpec(name="front", encoding="rgb8", height=2, width=2)
    base = example_interface()
    with pytest.raises(ValidationError, match="camera 'front' is listed twice"):
        Interface(cameras=[camera, camera], state=base.state, action=base.action, dt=0.1, horizon=2)


def test_the_state_is_longer_by_three_with_kinematics():
    assert example_interface().state.size == 5
    assert example_interface(kinematics=None).state.size == 2
