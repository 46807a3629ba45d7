# SPDX-License-Identifier: Apache-2.0
"""Limits and gate at configure; the refusals over a graph are in test_policy_node_refusals."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy")  # the fake robot

from support.fake_robot import JOINTS, VELOCITY, urdf
from support.gate_records import QUANTIZATION, gate_record
from support.policy_graph import manifest

from quantvla_ros.bundle.schema import GateRecord
from quantvla_ros.processor import cpu_kind
from quantvla_ros.serving.startup import (
    RefusalError,
    backend_for,
    check_fingerprint,
    check_gate,
    read_limits,
)

GIVEN = {
    "max_velocity": {},
    "max_acceleration": dict.fromkeys(JOINTS, 5.0),
    "max_jerk": dict.fromkeys(JOINTS, 50.0),
}


def gate(passed: bool, **changes) -> GateRecord:
    return gate_record(passed=passed, kernel="avx2 u7s8, 7-bit activations", **changes)


def limits_of(description: str, given=GIVEN):
    return read_limits(manifest().interface, description, "/robot_description", given)


def test_velocity_parameter_may_only_lower_the_limit_of_the_urdf():
    given = {**GIVEN, "max_velocity": {"joint1": 0.5, "joint2": 99.0}}
    assert limits_of(urdf(), given).velocity.tolist() == [0.5, VELOCITY, VELOCITY]


@pytest.mark.parametrize(
    ("description", "given", "sentence"),
    [
        ("<robot", GIVEN, "LIMITS_MISSING: /robot_description is not a URDF"),
        (urdf(("joint1", "finger")), GIVEN, "JOINT_MISMATCH: .*missing: joint2"),
        (urdf(), {**GIVEN, "max_jerk": {}}, "LIMITS_MISSING: .*joint1.*jerk"),
        (urdf().replace('velocity="2.0"', ""), GIVEN, "LIMITS_MISSING: .*joint1.*velocity"),
    ],
)
def test_unusable_limits_are_refused(description, given, sentence):
    with pytest.raises(RefusalError, match=sentence):
        limits_of(description, given)


@pytest.mark.parametrize(
    ("changes", "accepted"),
    [
        ({}, True),
        ({"quantization": QUANTIZATION, "gate": gate(True)}, True),
        ({"quantization": QUANTIZATION, "gate": gate(False)}, False),
        ({"quantization": QUANTIZATION}, False),
    ],
)
def test_quantized_bundle_needs_a_passed_gate(changes, accepted):
    bundle = manifest(**changes)
    if accepted:
        assert check_gate(bundle, "b", allow_failed=False) == ""
        return
    with pytest.raises(RefusalError, match="GATE_FAILED"):
        check_gate(bundle, "b", allow_failed=False)
    assert check_gate(bundle, "b", allow_failed=True).startswith("GATE_FAILED: ")


@pytest.mark.parametrize(
    ("target", "kernel", "fits"),
    [
        (cpu_kind(), "avx2 u7s8, 7-bit activations", True),
        (cpu_kind(), "onednn u8s8, 7-bit activations", True),
        ("another kind", "avx2 u7s8, 7-bit activations", False),
        (cpu_kind(), "reference", False),
        (cpu_kind(), "avx2 u7s8, 8-bit activations", False),
    ],
)
def test_gate_holds_for_the_cpu_and_the_kernel_that_it_judged(target, kernel, fits):
    bundle = manifest(quantization=QUANTIZATION, gate=gate(True, target=target))
    if fits:
        assert check_fingerprint(bundle, "b", "cpu", kernel, allow_other=False) == ""
        return
    with pytest.raises(RefusalError, match="FINGERPRINT_MISMATCH") as refusal:
        check_fingerprint(bundle, "b", "cpu", kernel, allow_other=False)
    assert kernel in str(refusal.value) and cpu_kind() in str(refusal.value)
    warning = check_fingerprint(bundle, "b", "cpu", kernel, allow_other=True)
    assert warning.startswith("FINGERPRINT_MISMATCH: ")


def test_float_bundle_has_no_fingerprint():
    assert check_fingerprint(manifest(), "b", "cpu", "float32", allow_other=False) == ""


@pytest.mark.parametrize(
    ("judged", "asked", "runs"),
    [
        (None, "", "cpu"),
        ("engine", "", "engine"),
        ("reference", "", "cpu"),  # the yardstick runs no robot unasked
        ("engine", "reference", "reference"),
    ],
)
def test_a_bundle_runs_on_the_backend_that_judged_it(judged, asked, runs):
    record = None if judged is None else gate(True, backend=judged)
    made = manifest().model_copy(update={"gate": record})
    assert backend_for(made, asked) == runs
