# SPDX-License-Identifier: Apache-2.0
"""The launch files name what the package installs; `launch` itself is only on a robot."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "launch").glob("*.launch.py"))


def strings(tree: ast.AST) -> list[str]:
    return [
        n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)
    ]


def keyword_values(tree: ast.AST, name: str) -> list[str]:
    return [
        k.value.value
        for n in ast.walk(tree)
        if isinstance(n, ast.Call)
        for k in n.keywords
        if k.arg == name and isinstance(k.value, ast.Constant)
    ]


def test_the_three_launch_files_are_there():
    assert [f.name for f in FILES] == ["demo.launch.py", "policy.launch.py", "sim.launch.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_file_defines_what_ros2_launch_calls(path):
    tree = ast.parse(path.read_text())
    compile(tree, str(path), "exec")
    functions = [n.name for n in tree.body if isinstance(n, ast.FunctionDef)]
    assert "generate_launch_description" in functions


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_executables_and_files_are_installed(path):
    tree = ast.parse(path.read_text())
    scripts = re.findall(r'"(\w+) = ', (ROOT / "setup.py").read_text())
    for executable in keyword_values(tree, "executable"):
        assert executable in scripts
    for name in strings(tree):
        if name.endswith(".launch.py"):
            assert (ROOT / "launch" / name).is_file()
        elif re.fullmatch(r"\w+\.yaml", name):
            assert (ROOT / "config" / name).is_file()


SIMULATION_MISSING = """
import importlib.abc, runpy, sys
from unittest.mock import MagicMock

class Launch(importlib.abc.MetaPathFinder):  # whose own packages only a robot has
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("launch", "launch_ros"):
            sys.modules[name] = MagicMock(__path__=[])
            return importlib.machinery.ModuleSpec(name, self)
    def create_module(self, spec):
        return sys.modules[spec.name]
    def exec_module(self, module):
        pass

sys.meta_path.insert(0, Launch())
sys.modules["simulation"] = None
runpy.run_path(sys.argv[1])["generate_launch_description"]()
"""


def test_the_simulated_robots_launch_says_when_it_is_not_installed():
    command = [sys.executable, "-c", SIMULATION_MISSING, ROOT / "launch" / "sim.launch.py"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert "RuntimeError: The simulated robot is not installed" in ended.stderr
