# SPDX-License-Identifier: Apache-2.0
"""A family of another shape, from outside the package by its entry point, through the whole chain.

Nothing here is told where the family lies: `test/quantvla_outside-1.dist-info` names it.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("rclpy")  # the fake robot and the node

from outside_family.network import ReachConfig, ReachNetwork
from support.fake_robot import CAMERAS, JOINTS, SIZE, FakeRobot
from support.policy_graph import WORDS, active_policy, manifest
from support.spaces import ARM, action_space, state_space
from support.swinging_robot import recorded

from calib_tools.buffer.store import load_buffer
from calib_tools.gate import gate
from calib_tools.inspect_bundle import inspect_bundle
from calib_tools.quantize.command import quantize
from calib_tools.quantize.recipe import Recipe
from calib_tools.report.page import write_report
from quantvla_ros.backends.policy import load_policy
from quantvla_ros.bundle.schema import Normalization
from quantvla_ros.bundle.storage import load_bundle, load_manifest, save_bundle
from quantvla_ros.models.families import FAMILIES, find_family
from quantvla_ros.processing.noise import draw_noise
from quantvla_ros.robot.action_prefix import ActionPrefix
from quantvla_ros.robot.interface import CameraSlot, Interface

HORIZON, STEPS = 12, 4
LOW, HIGH = -0.6, 0.9
CONFIG = ReachConfig(
    vocabulary=4,
    cameras=2,
    image_size=SIZE,
    state_quantiles=[(LOW, HIGH)] * len(JOINTS),
    action_quantiles=[(LOW, HIGH)] * len(JOINTS),
)
UNSEEN = CAMERAS[1]
"""The optional camera: the buffer is recorded without it, and the node's robot has it."""


def reach_manifest():
    count, arm = len(JOINTS), (ARM, "rad", JOINTS)
    slots = (CameraSlot(CAMERAS[0], SIZE, SIZE), CameraSlot(UNSEEN, SIZE, SIZE, optional=True))
    return manifest(
        family="reach",
        architecture=CONFIG.model_dump(mode="json"),
        interface=Interface(slots, state_space(arm), action_space(arm), 0.1, HORIZON),
        normalization=Normalization(
            state_mean=[0.0] * count,
            state_std=[0.2] * count,
            action_mean=[[0.0] * count] * HORIZON,
            action_std=[[0.2] * count] * HORIZON,
        ),
        denoise_steps=STEPS,
    )


@pytest.fixture(scope="module")
def float_bundle(tmp_path_factory):
    torch.manual_seed(3)
    tensors = {name: value.half() for name, value in ReachNetwork(CONFIG).state_dict().items()}
    path = tmp_path_factory.mktemp("reach") / "float"
    return save_bundle(path, reach_manifest(), tensors, WORDS)


@pytest.fixture(scope="module")
def buffer(ros, tmp_path_factory, float_bundle):
    """Recorded from live topics, without the optional camera, which nobody publishes."""
    topics = {CAMERAS[0]: f"/{CAMERAS[0]}/image_raw", UNSEEN: "/nobody/image_raw"}
    path = tmp_path_factory.mktemp("recorded") / "buffer"
    return recorded(path, float_bundle, topics, first_message_timeout_s=3.0)


@pytest.fixture(scope="module")
def quantized(float_bundle, buffer, tmp_path_factory):
    out = tmp_path_factory.mktemp("quantized") / "int8"
    recipe = Recipe(layout="llm+dit", transforms=("smoothquant", "hadamard"))
    quantize(float_bundle, buffer, recipe, out, force=False)
    return out


def test_it_is_found_by_its_entry_point():
    assert "reach" in FAMILIES.names() and "reach" not in FAMILIES.bundled
    assert find_family("reach").name == "reach"


def test_time_runs_from_0_to_1_and_quantiles_bring_the_chunk_into_their_range(float_bundle, buffer):
    policy = load_policy(float_bundle, "reference")
    observation = load_buffer(buffer).samples[0]
    noise = draw_noise(policy.manifest, 3, 0)
    network, x = policy.network, torch.from_numpy(noise)[None]
    with torch.no_grad():
        context = network.encode(policy.inputs(observation))
        for time_now in (0.0, 0.25, 0.5, 0.75):
            x = x + network.velocity(x, time_now, context) / STEPS
    expected = LOW + (x[0].double().numpy() + 1) / 2 * (HIGH - LOW)
    np.testing.assert_allclose(policy.infer(observation, noise).actions, expected, atol=1e-6)


def test_the_prompt_is_padded_on_the_left_and_the_missing_camera_is_masked(float_bundle, buffer):
    policy = load_policy(float_bundle, "reference")
    observation = load_buffer(buffer).samples[0]
    inputs = policy.inputs(observation)
    assert inputs["token_mask"].tolist() == [[False, False, False, True]]
    assert inputs["camera_mask"].tolist() == [[True, False]]
    noise = draw_noise(policy.manifest, 3, 0)
    seen = {**observation.images, UNSEEN: observation.images[CAMERAS[0]]}
    with_camera = type(observation)(seen, observation.joints, observation.instruction, 0.0)
    both, one = (policy.infer(o, noise).actions for o in (with_camera, observation))
    assert np.abs(both - one).max() > 1e-3


def test_a_chunk_continues_what_the_robot_does_meanwhile(float_bundle, buffer):
    policy = load_policy(float_bundle, "reference")
    rows = np.array([[0.1, -0.2, 0.3], [0.2, -0.1, 0.2]])
    observation, noise = load_buffer(buffer).samples[0], draw_noise(policy.manifest, 3, 0)
    chunk = policy.infer(observation, noise, ActionPrefix(rows, 2))
    np.testing.assert_allclose(chunk.actions[:2], rows, atol=1e-5)


def test_quantize_rounds_the_layers_of_the_layout_and_judges(quantized):
    found = load_manifest(quantized)
    integer = {r.name for r in found.quantization.layers if r.precision == "int8"}
    roles = find_family("reach").roles(ReachNetwork(CONFIG))
    wanted = ("llm_attn", "llm_mlp", "dit_attn", "dit_mlp")
    assert integer == {name for name, role in roles.items() if role in wanted}
    assert set(found.quantization.alpha) == {"head.0", "head.1"}
    assert found.gate.samples == 9 and found.gate.cosine > 0.99
    assert set(found.calibration.cameras) == {CAMERAS[0]}


def test_the_gate_judges_again(quantized, float_bundle, buffer):
    assert gate(quantized, float_bundle, buffer).samples == 9


def test_inspect_tells_what_it_is(quantized):
    told = inspect_bundle(quantized)
    assert told["family"] == "reach" and told["architecture"]["head_layers"] == 2
    assert {row["role"] for row in told["quantization"]["layers"]} >= {"llm_attn", "dit_mlp"}


def test_the_report_tells_of_its_layers_and_attentions(quantized, tmp_path):
    write_report(quantized, tmp_path / "report.html", force=False)
    text = (tmp_path / "report.html").read_text()
    assert all(part in text for part in ("Error of each layer", "balance", "dit_attn"))


def test_the_node_moves_a_robot_with_it(ros, quantized, tmp_path):
    robot = FakeRobot()
    try:
        parameters = ("backend:=cpu", "allow_failed_gate:=true", "camera_check:=ignore")
        with active_policy(robot, quantized, tmp_path, *parameters) as policy:
            policy.bring_to_motion()
            policy.bring_to_dry_run()
        robot.assert_within_limits()
    finally:
        robot.close()


def test_its_tensors_are_checked_against_its_own_network(float_bundle):
    assert set(load_bundle(float_bundle).tensors) == set(ReachNetwork(CONFIG).state_dict())
