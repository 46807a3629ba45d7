# SPDX-License-Identifier: Apache-2.0
"""An imported checkpoint through the whole chain: record, quantize, gate, report, node."""

from __future__ import annotations

import time

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy")  # the fake robot and the node

from support.fake_robot import ACCELERATION, JERK, FakeRobot
from support.imported_groot import options, tiny_sizes
from support.parity import golden
from support.policy_graph import active_policy

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
from quantvla_ros.checkpoints.checkpoint import open_checkpoint
from quantvla_ros.models.groot_n17.importer import importer
from quantvla_ros.models.groot_n17.roles import layer_roles
from quantvla_ros.processing.noise import draw_noise
from quantvla_ros.robot.action_prefix import ActionPrefix
from quantvla_ros.robot.robot_file import RobotFile

JOINTS = tuple(f"j{i}" for i in range(7))
CAMERAS = ("front", "wrist")
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
    """Seven joints that swing while they are recorded."""

    joints = arm = JOINTS

    def heal(self):
        super().heal()
        self.pictures = Pictures()

    def swing(self):
        phases = np.linspace(1.0, 2.0, len(JOINTS))
        self.measure = lambda at: at + 0.3 * np.sin(time.monotonic() * phases)


def description():
    limits = {"max_acceleration": ACCELERATION, "max_jerk": JERK}
    return {
        "name": "golden",
        "limits_from": "the test",
        "cameras": {name: f"{name}/image_raw" for name in CAMERAS},
        "groups": {"arm": {"type": "arm", "joints": {name: dict(limits) for name in JOINTS}}},
    }


def float_of(name, path):
    known = golden(name)
    robot = RobotFile.model_validate(description())
    told = options(known, robot=robot, sizes=tiny_sizes(known))
    made = importer(open_checkpoint(known.path), told)
    return save_bundle(path, made.manifest, made.weights, made.tokenizer_json)


@pytest.fixture(scope="module")
def float_bundle(tmp_path_factory):
    return float_of("groot", tmp_path_factory.mktemp("imported") / "float")


@pytest.fixture(scope="module")
def buffer(ros, tmp_path_factory, float_bundle):
    config = CalibrationConfig(
        cameras={name: CameraSource(topic=f"/{name}/image_raw", max_age_s=5.0) for name in CAMERAS},
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


def test_the_layers_of_the_layout_are_integers(quantized, float_bundle):
    found = load_manifest(quantized).quantization
    recipe = RECIPES[quantized.name]
    kind = "int4" if recipe.scheme == "w4a8" else "int8"
    integer = {record.name for record in found.layers if record.precision == kind}
    roles = layer_roles(load_policy(float_bundle, "reference", False).network)
    wanted = {"llm_attn", "llm_mlp", "dit_mlp", *(("dit_attn",) if kind == "int8" else ())}
    assert integer == {name for name, role in roles.items() if role in wanted}
    assert set(found.alpha) == {f"blocks.{i}.attn" for i in range(8)}
    judged = load_manifest(quantized).gate
    assert judged.samples == 9 and judged.cosine > (0.98 if kind == "int8" else 0.9)


def test_the_gate_judges_again(quantized, float_bundle, buffer):
    assert gate(quantized, float_bundle, buffer).samples == 9


def test_inspect_and_report_tell_of_it(quantized, tmp_path):
    told = inspect_bundle(quantized)
    assert told["family"] == "groot_n17" and told["architecture"]["head"]["layers"] == 8
    write_report(quantized, tmp_path / "report.html", force=False)
    text = (tmp_path / "report.html").read_text()
    assert all(part in text for part in ("Error of each layer", "balance", "dit_mlp"))


def test_a_compiled_policy_gives_the_same_chunks(float_bundle, buffer):
    plain, compiled = (load_policy(float_bundle, "cpu", compiled=c) for c in (False, True))
    observation, noise = load_buffer(buffer).samples[0], draw_noise(plain.manifest, 3, 0)
    expected, got = (policy.infer(observation, noise).actions for policy in (plain, compiled))
    np.testing.assert_allclose(got, expected, atol=1e-4)


@pytest.mark.parametrize("name", ["groot", "groot_relative"])
def test_a_chunk_continues_what_the_robot_does_meanwhile(name, buffer, tmp_path):
    policy = load_policy(float_of(name, tmp_path / "float"), "reference", compiled=False)
    observation, noise = load_buffer(buffer).samples[0], draw_noise(policy.manifest, 3, 0)
    rows = observation.joints + np.array([[0.01] * 7, [0.02] * 7, [0.03] * 7])
    chunk = policy.infer(observation, noise, ActionPrefix(rows, 2))
    free = policy.infer(observation, noise)
    np.testing.assert_allclose(chunk.actions[:2], rows[:2], atol=1e-4)
    near, far = (np.abs(one.actions[2] - rows[2]).mean() for one in (chunk, free))
    assert near < far


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
        )
        with active_policy(robot, quantized, tmp_path, *parameters, limits=()) as policy:
            policy.bring_to_motion()
            policy.bring_to_dry_run()
        robot.assert_within_limits()
    finally:
        robot.close()
