# SPDX-License-Identifier: Apache-2.0
"""An imported checkpoint through the whole chain: record, quantize, gate, report, node.

A family's test says what is its own: `class TestChain(FamilyChain)`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from support.arm_and_hand import CAMERAS, COMMANDED, JOINTS, description
from support.parity import golden
from support.policy_graph import active_policy
from support.swinging_robot import SwingingRobot, recorded

from calib_tools.buffer.store import load_buffer
from calib_tools.gate import gate
from calib_tools.inspect_bundle import inspect_bundle
from calib_tools.quantize.command import quantize
from calib_tools.quantize.recipe import Recipe
from calib_tools.report.page import write_report
from quantvla_ros.backends.policy import load_policy
from quantvla_ros.bundle.storage import load_bundle, load_manifest, save_bundle
from quantvla_ros.checkpoints.checkpoint import open_checkpoint
from quantvla_ros.checkpoints.options import Imported, ImportOptions
from quantvla_ros.models.families import find_family
from quantvla_ros.processing.noise import draw_noise
from quantvla_ros.robot.action_prefix import ActionPrefix
from quantvla_ros.robot.robot_file import RobotFile

RECIPES = {
    "w8a8": Recipe(layout="llm+dit", transforms=("smoothquant", "hadamard")),
    "w4a8": Recipe(scheme="w4a8", layout="llm+dit_mlp", sequential=True),
}
INTEGER = {
    "w8a8": ("int8", ("llm_attn", "llm_mlp", "dit_attn", "dit_mlp")),
    "w4a8": ("int4", ("llm_attn", "llm_mlp", "dit_mlp")),
}
"""What a scheme calls its integers, and the roles that its recipe's layout rounds."""


class FamilyChain:
    """The promises that every imported family keeps on a tiny checkpoint of the golden room.

    Attributes:
        family: its name.
        checkpoint: a golden checkpoint of it.
        sizes: of its network, that no tensor tells.
        linears: how many linears of each role that is rounded the network has.
        attentions: of its action head, in order.
        shown: an entry of the architecture, such as ``head.layers``, and its value.
        cosine: the gate's, at least, by scheme.
        slots: the checkpoint's names of the robot's two cameras.
        joints: of the robot, the first seven of which are commanded.
        rate: rows of a chunk a second, Hz; so few that a chunk of eight lasts longer than an
            inference on a busy machine.
    """

    family: str
    checkpoint: str
    sizes: Mapping[str, Any]
    linears: Mapping[str, int]
    attentions: Sequence[str]
    shown: tuple[str, Any]
    cosine: Mapping[str, float] = {"w8a8": 0.99, "w4a8": 0.9}
    slots: Sequence[str] = CAMERAS
    joints: Sequence[str] = JOINTS
    rate = 2.0

    @classmethod
    def imported(cls, checkpoint: str) -> Imported:
        """A golden checkpoint, for the robot of this chain."""
        known, robot = golden(checkpoint), RobotFile.model_validate(cls.robot_file())
        tokens = known.tokenizer if (known.path / "hub").is_dir() else None
        told = ImportOptions(robot, cls.rate, tokenizer=tokens, sizes=cls.sizes)
        made = find_family(cls.family).importer(open_checkpoint(known.path), told)
        assert made is not None
        return made

    @classmethod
    def saved(cls, checkpoint: str, path: Path) -> Path:
        """Its float bundle."""
        made = cls.imported(checkpoint)
        return save_bundle(path, made.manifest, made.weights, made.tokenizer_json)

    @classmethod
    def robot_file(cls) -> dict[str, Any]:
        """The robot's robot.yaml."""
        return description(cls.slots, cls.joints)

    @pytest.fixture(scope="module")
    @classmethod
    def float_bundle(cls, tmp_path_factory):
        return cls.saved(cls.checkpoint, tmp_path_factory.mktemp("imported") / "float")

    @pytest.fixture(scope="module")
    @classmethod
    def buffer(cls, ros, tmp_path_factory, float_bundle):
        topics = {s: f"/{name}/image_raw" for s, name in zip(cls.slots, CAMERAS, strict=True)}
        path = tmp_path_factory.mktemp("recorded") / "buffer"
        return recorded(path, float_bundle, topics, cls.joints, COMMANDED)

    @pytest.fixture(scope="module", params=RECIPES)
    @classmethod
    def quantized(cls, request, float_bundle, buffer, tmp_path_factory):
        out = tmp_path_factory.mktemp("quantized") / request.param
        quantize(float_bundle, buffer, RECIPES[request.param], out, force=False)
        return out

    def test_the_bundle_holds_the_checkpoints_own_numbers(self, float_bundle):
        tensors, made = load_bundle(float_bundle).tensors, self.imported(self.checkpoint).weights
        assert tensors.keys() == set(made)
        assert all(torch.equal(tensors[name], made[name]) for name in made)

    def test_the_layers_of_the_layout_are_integers_and_the_actions_stay_close(
        self, quantized, float_bundle
    ):
        found, (kind, wanted) = load_manifest(quantized), INTEGER[quantized.name]
        integer = {r.name: r.role for r in found.quantization.layers if r.precision == kind}
        before, after = (self._roles(bundle) for bundle in (float_bundle, quantized))
        assert integer == {name: role for name, role in before.items() if role in wanted}
        there = {role: self.linears[role] for role in wanted if role in self.linears}
        assert Counter(integer.values()) == there
        assert not set(after) & set(integer)  # they are linears no more
        assert list(found.quantization.alpha) == list(self.attentions)
        assert found.gate.samples == 9 and found.gate.cosine > self.cosine[quantized.name]

    def test_the_gate_judges_again(self, quantized, float_bundle, buffer):
        if quantized.name != "w8a8":
            pytest.skip("what is loaded is the same for both")
        assert gate(quantized, float_bundle, buffer).samples == 9

    def test_inspect_and_report_tell_of_it(self, quantized, tmp_path):
        told, (key, value) = inspect_bundle(quantized), self.shown
        assert told["family"] == self.family
        assert reduce(getitem, key.split("."), told["architecture"]) == value
        write_report(quantized, tmp_path / "report.html", force=False)
        text = (tmp_path / "report.html").read_text()
        parts = ["Error of each layer", list(self.linears)[-1]]
        parts += ["balance"] if self.attentions else []
        assert all(part in text for part in parts)

    def test_a_chunk_continues_what_the_robot_does_meanwhile(self, float_bundle, buffer):
        assert_continues(float_bundle, buffer)

    def test_the_node_moves_a_robot_with_it(self, ros, quantized, tmp_path):
        if quantized.name != "w8a8":
            pytest.skip("the node is the same for both")
        file = tmp_path / "robot.yaml"
        file.write_text(yaml.safe_dump(self.robot_file()))
        robot = SwingingRobot(self.joints, COMMANDED)
        parameters = (
            "backend:=cpu",
            f"robot:={file}",
            "allow_failed_gate:=true",
            "camera_check:=ignore",
            "inference_timeout_s:=20.0",
        )
        try:
            with active_policy(robot, quantized, tmp_path, *parameters, limits=()) as policy:
                policy.bring_to_motion()
                policy.bring_to_dry_run()
            robot.assert_within_limits()
        finally:
            robot.close()

    def _roles(self, bundle: Path) -> dict[str, str]:
        network = load_policy(bundle, "reference").network
        return find_family(self.family).roles(network)


def assert_continues(bundle: Path, buffer: Path) -> None:
    """A chunk holds the rows that are carried out meanwhile, and the one behind comes near it."""
    policy = load_policy(bundle, "reference")
    observation, noise = load_buffer(buffer).samples[0], draw_noise(policy.manifest, 3, 0)
    rows = observation.joints[: len(COMMANDED)] + np.array([[0.01], [0.02], [0.03]])
    chunk, free = (policy.infer(observation, noise, p) for p in (ActionPrefix(rows, 2), None))
    np.testing.assert_allclose(chunk.actions[:2], rows[:2], atol=1e-4)
    near, far = (np.abs(one.actions[2] - rows[2]).mean() for one in (chunk, free))
    assert near < far
