# SPDX-License-Identifier: Apache-2.0
"""The golden checkpoint through the whole chain: import, record, quantize, gate, report, node."""

from __future__ import annotations

import time

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy")  # the fake robot and the node

from support.fake_robot import FakeRobot
from support.policy_graph import active_policy
from support.smolvla import CAMERAS, JOINTS, description, imported

from calib_tools.buffer.sources import CalibrationConfig, CameraSource, JointSource
from calib_tools.buffer.store import load_buffer
from calib_tools.gate import gate
from calib_tools.inspect_bundle import inspect_bundle
from calib_tools.quantize.command import quantize
from calib_tools.quantize.recipe import Recipe
from calib_tools.record.live import record
from calib_tools.report.page import write_report
from quantvla_ros.backends.policy import load_policy
from quantvla_ros.bundle.storage import load_manifest, save_bundle
from quantvla_ros.models.smolvla.family import FAMILY
from quantvla_ros.processing.noise import draw_noise
from quantvla_ros.robot.action_prefix import ActionPrefix

RECIPES = {
    "w8a8": Recipe(layout="llm+dit", transforms=("smoothquant", "hadamard")),
    "w4a8": Recipe(scheme="w4a8", layout="llm+dit_mlp", sequential=True),
}
KINDS = {"w8a8": "int8", "w4a8": "int4"}


class Pictures:
    """Another picture at every look."""

    def __init__(self):
        self._rng = np.random.default_rng(0)

    def get(self, name, otherwise):
        return self._rng.integers(0, 256, (12, 20, 3), dtype=np.uint8)


class SevenRobot(FakeRobot):
    """Its last joint is not commanded; its cameras always show something else."""

    joints, arm = JOINTS, JOINTS[:7]

    def heal(self):
        super().heal()
        self.pictures = Pictures()

    def swing(self):
        phases = np.linspace(1.0, 2.0, len(JOINTS))
        self.measure = lambda at: at + 0.3 * np.sin(time.monotonic() * phases)

    def _sample(self, now):
        positions, velocities = super()._sample(now)
        return np.append(positions, 0.1), np.append(velocities, 0.0)


@pytest.fixture(scope="module")
def float_bundle(tmp_path_factory):
    made = imported()
    path = tmp_path_factory.mktemp("imported") / "float"
    return save_bundle(path, made.manifest, made.weights, made.tokenizer_json)


@pytest.fixture(scope="module")
def buffer(ros, tmp_path_factory, float_bundle):
    config = CalibrationConfig(
        cameras={n: CameraSource(topic=f"/{n}/image_raw", max_age_s=5.0) for n in CAMERAS},
        joint_states=JointSource(names=list(JOINTS), max_age_s=5.0),
        candidates_per_sample=1.0,
    )
    path = tmp_path_factory.mktemp("recorded") / "buffer"
    robot = SevenRobot()
    robot.swing()
    try:
        record(config, path, 36, 120.0, force=False, bundle=float_bundle)
    finally:
        robot.close()
    return path


@pytest.fixture(scope="module", params=RECIPES)
def quantized(request, float_bundle, buffer, tmp_path_factory):
    out = tmp_path_factory.mktemp("quantized") / request.param
    quantize(float_bundle, buffer, RECIPES[request.param], out, force=False)
    return out


def test_the_layers_of_the_layout_are_integers_and_the_actions_stay_close(quantized, float_bundle):
    found, scheme = load_manifest(quantized), quantized.name
    integer = {r.name for r in found.quantization.layers if r.precision == KINDS[scheme]}
    roles = FAMILY.roles(load_policy(float_bundle, "reference", compiled=False).network)
    wanted = ("llm_attn", "llm_mlp", "dit_mlp", *(["dit_attn"] if scheme == "w8a8" else []))
    assert integer == {name for name, role in roles.items() if role in wanted}
    assert list(found.quantization.alpha) == [
        f"layers.{i}.{'cross' if i % 2 else 'self'}_attn" for i in range(4)
    ]
    assert found.gate.samples == 9 and found.gate.cosine > (0.99 if scheme == "w8a8" else 0.9)


def test_the_gate_judges_again(quantized, float_bundle, buffer):
    assert gate(quantized, float_bundle, buffer).samples == 9


def test_inspect_and_report_tell_of_it(quantized, tmp_path):
    told = inspect_bundle(quantized)
    assert told["family"] == "smolvla" and told["architecture"]["expert_width"] == 36
    write_report(quantized, tmp_path / "report.html", force=False)
    text = (tmp_path / "report.html").read_text()
    assert all(part in text for part in ("Error of each layer", "balance", "dit_mlp"))


def test_a_chunk_continues_what_the_robot_does_meanwhile(float_bundle, buffer):
    policy = load_policy(float_bundle, "reference", compiled=False)
    observation, noise = load_buffer(buffer).samples[0], draw_noise(policy.manifest, 3, 0)
    rows = np.array([[0.1] * 7, [0.2] * 7])
    chunk = policy.infer(observation, noise, ActionPrefix(rows, 2))
    np.testing.assert_allclose(chunk.actions[:2], rows, atol=1e-4)


def test_a_compiled_policy_gives_the_same_chunks(float_bundle, buffer):
    plain, compiled = (load_policy(float_bundle, "cpu", compiled=c) for c in (False, True))
    observation, noise = load_buffer(buffer).samples[0], draw_noise(plain.manifest, 3, 0)
    expected, got = (policy.infer(observation, noise).actions for policy in (plain, compiled))
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_the_node_moves_a_robot_with_it(ros, quantized, tmp_path):
    if quantized.name != "w8a8":
        pytest.skip("the node is the same for both")
    file = tmp_path / "robot.yaml"
    file.write_text(yaml.safe_dump(description()))
    robot = SevenRobot()
    parameters = ("backend:=cpu", f"robot:={file}", "allow_failed_gate:=true")
    try:
        with active_policy(
            robot, quantized, tmp_path, *parameters, "camera_check:=ignore", limits=()
        ) as policy:
            policy.bring_to_motion()
            policy.bring_to_dry_run()
        robot.assert_within_limits()
    finally:
        robot.close()
