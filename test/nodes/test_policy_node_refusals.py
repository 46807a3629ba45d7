# SPDX-License-Identifier: Apache-2.0
"""What the policy node refuses to be configured with, and the reason it gives."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sensor_msgs.msg import CompressedImage
from support.fake_robot import JOINTS
from support.gate_records import QUANTIZATION, gate_record
from support.policy_graph import LIMITS, PolicyProcess, manifest, write_bundle
from support.waiting import wait_until

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.robot.interface import CameraSlot


@pytest.fixture(scope="module")
def unconfigured(robot, float_bundle, tmp_path_factory):
    policy = PolicyProcess(
        robot, float_bundle, tmp_path_factory.mktemp("refusals"), "input_timeout_s:=60.0"
    )
    yield policy
    policy.close()


@pytest.fixture
def impatient(unconfigured, graph):
    """The same node, which waits 1.5 s for an input; on a busy machine others take as long."""
    graph.set_parameter(unconfigured.name, "input_timeout_s", 1.5)
    yield unconfigured
    graph.set_parameter(unconfigured.name, "input_timeout_s", 60.0)


def refusal(policy, graph, bundle) -> str:
    graph.set_parameter(policy.name, "bundle", str(bundle))
    with pytest.raises(QuantVLAError) as error:
        policy.client.configure()
    assert policy.client.state() == "unconfigured"
    return str(error.value)


def test_changed_byte_of_a_bundle(unconfigured, graph, tmp_path):
    bundle = write_bundle(tmp_path / "b")
    weights = bundle / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    text = refusal(unconfigured, graph, bundle)
    assert "BUNDLE_INVALID" in text
    assert "weights.safetensors" in text


def test_no_bundle_given(unconfigured, graph):
    assert "BUNDLE_INVALID: Parameter 'bundle'" in refusal(unconfigured, graph, "")


def test_joints_that_the_robot_does_not_have(unconfigured, graph, tmp_path):
    text = refusal(unconfigured, graph, write_bundle(tmp_path / "b", joints=("joint1", "elbow")))
    assert "JOINT_MISMATCH" in text
    assert "joint1, elbow;" in text
    assert ", ".join(sorted(JOINTS)) in text
    assert "missing: elbow" in text


def test_camera_that_sends_nothing(impatient, graph, tmp_path):
    cameras = (CameraSlot("head", 8, 8),)
    interface = replace(manifest().interface, cameras=cameras)
    text = refusal(impatient, graph, write_bundle(tmp_path / "b", interface=interface))
    assert "Nothing arrived on /head/image_raw in 1.5 s: it has no publisher; is its" in text


def test_camera_that_publishes_something_else(impatient, graph, tmp_path, stranger):
    stranger.publisher(CompressedImage, "chest/image_raw")
    cameras = (CameraSlot("chest", 8, 8),)
    interface = replace(manifest().interface, cameras=cameras)
    bundle = write_bundle(tmp_path / "b", interface=interface)
    # On a busy machine a node may find another one later than in its time for inputs.
    wait_until(
        lambda: (
            "/chest/image_raw in 1.5 s: /stranger publishes sensor_msgs/msg/CompressedImage "
            "there, and needed is sensor_msgs/msg/Image; set image_transport to 'compressed' and "
            "remap chest/image_raw/compressed to" in refusal(impatient, graph, bundle)
        ),
        60,
        "the refusal that names the publisher",
    )


def test_quantized_bundle_without_a_passed_gate(unconfigured, graph, tmp_path):
    bundle = write_bundle(tmp_path / "b", quantization=QUANTIZATION)
    assert "GATE_FAILED" in refusal(unconfigured, graph, bundle)
    graph.set_parameter(unconfigured.name, "allow_failed_gate", True)
    try:
        unconfigured.client.configure()
        assert "GATE_FAILED" in unconfigured.client.diagnostics("bundle")[0]
        unconfigured.client.cleanup()
    finally:
        graph.set_parameter(unconfigured.name, "allow_failed_gate", False)


def test_quantized_bundle_that_failed_its_gate(unconfigured, graph, tmp_path):
    gate = gate_record(passed=False, target="a script")
    bundle = write_bundle(tmp_path / "b", quantization=QUANTIZATION, gate=gate)
    text = refusal(unconfigured, graph, bundle)
    assert "GATE_FAILED" in text and str(bundle) in text


def test_gate_of_another_machine(unconfigured, graph, tmp_path):
    gate = gate_record(backend="swinging", target="another machine")
    bundle = write_bundle(tmp_path / "b", quantization=QUANTIZATION, gate=gate)
    text = refusal(unconfigured, graph, bundle)
    assert "FINGERPRINT_MISMATCH" in text
    assert "on 'another machine'" in text and "'swinging' on 'a script'" in text
    here = gate.model_copy(update={"target": "a script"})
    bundle = write_bundle(tmp_path / "here", quantization=QUANTIZATION, gate=here)
    graph.set_parameter(unconfigured.name, "bundle", str(bundle))
    unconfigured.client.configure()
    unconfigured.client.cleanup()


def test_camera_whose_stamps_are_zero(impatient, graph, float_bundle, robot):
    robot.restamp["front"] = lambda stamp: 0.0

    def told():
        text = refusal(impatient, graph, float_bundle)
        return "INPUT_MISSING: Messages arrive on /front/image_raw" in text and text

    try:
        assert "its stamps are zero" in wait_until(told, 60, "messages")
    finally:
        robot.heal()


def test_worker_that_starts_too_slowly(unconfigured, graph, float_bundle):
    graph.set_parameter(unconfigured.name, "backend", "slow_start")
    graph.set_parameter(unconfigured.name, "warmup_timeout_s", 2.0)
    try:
        text = refusal(unconfigured, graph, float_bundle)
        assert "BACKEND_ERROR" in text
        assert "not ready within 2 s" in text
    finally:
        graph.set_parameter(unconfigured.name, "warmup_timeout_s", 120.0)
        graph.set_parameter(unconfigured.name, "backend", "swinging")


def test_worker_that_dies_during_configure(unconfigured, graph, float_bundle):
    graph.set_parameter(unconfigured.name, "backend", "dying")
    try:
        text = refusal(unconfigured, graph, float_bundle)
        assert "BACKEND_ERROR" in text
        assert "SIGKILL" in text
    finally:
        graph.set_parameter(unconfigured.name, "backend", "swinging")


@pytest.mark.parametrize(
    ("name", "value", "before", "text"),
    [
        ("window_s", 0.05, 0.2, "'window_s' (0.05) must be above 'lookahead_s' (0.1)"),
        ("stop_s", 4.0, 0.3, "and a stop on its end takes 'stop_s' (4) and two control periods"),
        ("gripper_joint", "elbow", "", "is 'elbow' and the policy commands joint1, joint2, finger"),
        ("gripper_joint", "finger", "", "and 'gripper_type' is 'trajectory': say what"),
        ("gripper_type", "forward_command", "trajectory", "'gripper_joint' is empty: name"),
    ],
)
def test_parameters_that_do_not_fit(unconfigured, graph, float_bundle, name, value, before, text):
    graph.set_parameter(unconfigured.name, name, value)
    try:
        refused = refusal(unconfigured, graph, float_bundle)
        assert "PARAMETER_INVALID: " in refused and text in refused
    finally:
        graph.set_parameter(unconfigured.name, name, before)


def test_joint_without_an_acceleration_limit(robot, float_bundle, tmp_path):
    policy = PolicyProcess(robot, float_bundle, tmp_path, limits=LIMITS[2:])
    try:
        with pytest.raises(QuantVLAError, match=r"LIMITS_MISSING: .*joint1.*acceleration"):
            policy.client.configure()
    finally:
        policy.close()


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        ("no_such", "unknown backend 'no_such'; known here: "),
        ("not_there", "the backend 'not_there' cannot be loaded from 'support.fake_policies:"),
    ],
)
def test_backend_that_there_is_not(unconfigured, graph, float_bundle, backend, said):
    graph.set_parameter(unconfigured.name, "backend", backend)
    try:
        text = refusal(unconfigured, graph, float_bundle)
        assert "PARAMETER_INVALID" in text
        assert said in text
    finally:
        graph.set_parameter(unconfigured.name, "backend", "swinging")
