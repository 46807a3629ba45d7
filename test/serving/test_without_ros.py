# SPDX-License-Identifier: Apache-2.0
"""serving/ is for robots and simulations alike: no ROS may be needed to import any of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from support.process_life import import_path

from quantvla_ros import nodes

IMPORT_ALL = """
import importlib, importlib.abc, pkgutil, sys

class NoRos(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        first = name.partition(".")[0]
        if first.startswith(("rcl", "ament", "launch", "rosidl")) or first.endswith("_msgs"):
            raise ImportError(f"{name} is ROS")

sys.meta_path.insert(0, NoRos())
import quantvla_ros.serving as room
for module in pkgutil.walk_packages(room.__path__, room.__name__ + "."):
    importlib.import_module(module.name)
print(sorted(m for m in sys.modules if m.startswith("quantvla_ros.nodes")))
"""


def test_every_module_is_imported_where_no_ros_can_be():
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL],
        env={"PATH": "/usr/bin", "PYTHONPATH": import_path()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_the_nodes_room_keeps_only_what_needs_ros():
    needs = re.compile(r"^\s*(from|import) (rclpy|launch|bondpy|std_srvs|\w+_msgs)|import_module")
    files = sorted(Path(nodes.__file__).parent.glob("*.py"))
    lines = {file.name: file.read_text(encoding="utf-8").splitlines() for file in files}
    without = [name for name, text in lines.items() if not any(map(needs.search, text))]
    assert without == ["__init__.py"]
