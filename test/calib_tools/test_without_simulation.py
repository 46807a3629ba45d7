# SPDX-License-Identifier: Apache-2.0
"""A robot installs no simulation: what needs one says so, and everything else works."""

from __future__ import annotations

import subprocess
import sys

import pytest

SENTENCE = "quantvla: The simulated robot is not installed: a robot needs none."


def run(code, *arguments):
    """Run `code` as on a robot, where `simulation`, `studies` and `training` are missing."""
    absent = "import sys\nfor name in ('simulation', 'studies', 'training', 'mujoco'):\n"
    absent += "    sys.modules[name] = None\n"
    command = [sys.executable, "-c", absent + code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("command", ["demo", "evaluate"])
def test_what_needs_it_says_so_in_a_sentence(tmp_path, command):
    bundles = ["bundle"] if command == "evaluate" else []
    code = "from calib_tools.cli import main\nmain()"
    ended = run(code, command, *bundles, "--out", tmp_path / "out")
    assert ended.returncode == 1
    assert ended.stderr.startswith(SENTENCE) and ended.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_every_other_command_works_without_it():
    modules = [
        "calib_tools.record.live", "calib_tools.record.select", "calib_tools.quantize.command",
        "calib_tools.quantize.quantizing", "calib_tools.gate", "calib_tools.bench.command",
        "calib_tools.bench.measuring", "calib_tools.report.page", "calib_tools.inspect_bundle",
        "calib_tools.doctor", "quantvla_ros.nodes.policy_node",
    ]  # fmt: skip
    ended = run(
        "import importlib\nfor name in sys.argv[1:]: importlib.import_module(name)", *modules
    )
    assert ended.returncode == 0, ended.stderr
