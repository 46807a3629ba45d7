# SPDX-License-Identifier: Apache-2.0
"""An imported checkpoint through the whole chain: record, quantize, gate, report, node."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
import yaml

pytest.importorskip("rclpy")  # the fake robot and the node

from support.fake_robot import ACCELERATION, CAMERAS, JERK, FakeRobot
from support.policy_graph import active_policy
from support.tiny_pi05 import CAMERAS as SLOTS
from support.tiny_pi05 import imported, saved

from calib_tools.buffer.sources import CalibrationConfig, CameraSource, JointSource
from calib_tools.buffer.store import load_buffer
from calib_tools.gate import gate
from calib_tools.inspect_bundle import inspect_bundle
from calib_tools.quantize.command import quantize
from calib_tools.quantize.recipe import Recipe
from calib_tools.record.live import record
from calib_tools.report.page import write_report
from quantvla_ros.backends.policy import load_policy
from quantvla_ros.bundle.storage import load_bundle, load_manifest
from quantvla_ros.models.families import find_family
from quantvla_ros.processing.noise import draw_noise
from quantvla_ros.robot.action_prefix import ActionPrefix
from quantvla_ros.robot.robot_file import RobotFile

JOINTS = tuple(f"j{i}" for i in range(8))
RECIPES = {
    "w8a8": Recipe(layout="llm+dit", transforms=("smoothquant", "hadamard")),
    "w4a8": Recipe(scheme="w4a8", layout="llm+dit_mlp", sequential=True),
}


class Pictures:
    """Another picture at every look."""

    def __init__(self):
        self._rng = np.random.default_rng(0)

    def get(self, name, otherwise):
        return self._rng.integers(0, 256, (12, 20, 3), dtype=np.uint8)


class GoldenRobot(FakeRobot):
    """Seven joints that are commanded and one that is only observed; they swing."""

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


def description():
    limits = {"max_acceleration": ACCELERATION, "max_jerk": JERK}
    arm = {"type": "arm", "joints": {name: dict(limits) for name in JOINTS}}
    return {
        "name": "golden",
        "limits_from": "the test",
        "cameras": {s: f"{name}/image_raw" for s, name in zip(SLOTS, CAMERAS, strict=True)},
        "groups": {"arm": arm},
        "state": list(JOINTS),
        "action": list(JOINTS[:7]),
    }


@pytest.fixture(scope="module")
def float_bundle(tmp_path_factory):
    robot = RobotFile.model_validate(description())
    # Two rows a second, so that a chunk of eight lasts longer than an inference on a busy machine.
    return saved(tmp_path_factory.mktemp("imported") / "float", robot=robot, rate=2.0)


@pytest.fixture(scope="module")
def buffer(ros, tmp_path_factory, float_bundle):
    topics = {s: f"/{name}/image_raw" for s, name in zip(SLOTS, CAMERAS, strict=True)}
    config = CalibrationConfig(
        cameras={name: CameraSource(topic=at, max_age_s=5.0) for name, at in topics.items()},
        joint_states=JointSource(names=list(JOINTS), max_age_s=5.0),
        candidates_per_sample=1.0,
    )
    path = tmp_path_factory.mktemp("recorded") / "buffer"
    robot = GoldenRobot()
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


def test_the_layers_of_the_layout_are_integers(quantized):
    found = load_manifest(quantized)
    recipe = RECIPES[quantized.name]
    kind = "int4" if recipe.scheme == "w4a8" else "int8"
    integer = {r.name for r in found.quantization.layers if r.precision == kind}
    roles = find_family("pi05").roles(load_policy(quantized, "reference", False).network)
    wanted = {"llm_attn", "llm_mlp", "dit_mlp", *(("dit_attn",) if kind == "int8" else ())}
    assert {r.role for r in found.quantization.layers if r.name in integer} == wanted
    assert len(integer) == 3 * 7 + 3 * 3 + (3 * 4 if kind == "int8" else 0)
    assert not set(roles) & integer  # they are linears no more
    assert set(found.quantization.alpha) == {f"layers.{i}.self_attn" for i in range(3)}
    assert found.gate.samples == 9 and found.gate.cosine > (0.99 if kind == "int8" else 0.9)


def test_the_gate_judges_again(quantized, float_bundle, buffer):
    assert gate(quantized, float_bundle, buffer).samples == 9


def test_inspect_and_report_tell_of_it(quantized, tmp_path):
    told = inspect_bundle(quantized)
    assert told["family"] == "pi05" and told["architecture"]["state_in_prompt"] == 8
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
    robot = GoldenRobot()
    try:
        parameters = (
            "backend:=cpu",
            f"robot:={file}",
            "allow_failed_gate:=true",
            "camera_check:=ignore",
            "inference_timeout_s:=20.0",
        )
        with active_policy(robot, quantized, tmp_path, *parameters, limits=()) as policy:
            policy.bring_to_motion()
            policy.bring_to_dry_run()
        robot.assert_within_limits()
    finally:
        robot.close()


def test_the_bundle_holds_the_checkpoints_own_numbers(float_bundle):
    tensors, made = load_bundle(float_bundle).tensors, imported("pi05").weights
    assert tensors.keys() == set(made)
    assert all(torch.equal(tensors[name], made[name]) for name in made)
