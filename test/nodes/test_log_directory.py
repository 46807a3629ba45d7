# SPDX-License-Identifier: Apache-2.0
"""ROS starts where it has no home for its logs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support.process_life import import_path

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.serving.log_directory import use_log_directory

START = """
from quantvla_ros.nodes.recorder import TopicTap
from quantvla_ros.nodes.runtime import Runtime
with TopicTap({}), Runtime([]):
    print("started")
"""


def start(tmp_path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Start ROS in a process that has these variables and none of its own for logs or caches."""
    named = ("HOME", "ROS_LOG_DIR", "ROS_HOME", "XDG_CACHE_HOME")
    kept = {name: value for name, value in os.environ.items() if name not in named}
    temporary = tmp_path / "tmp"
    temporary.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-c", START],
        env={**kept, "PYTHONPATH": import_path(), "TMPDIR": str(temporary), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_home_that_cannot_be_written_is_no_hindrance(tmp_path):
    done = start(tmp_path, HOME="/proc/nothing")
    assert done.stdout == "started\n", done.stderr
    (private,) = (tmp_path / "tmp").iterdir()
    assert (private / "ros_logs").is_dir()


def test_a_folder_that_somebody_named_is_not_passed_over(tmp_path):
    done = start(tmp_path, ROS_LOG_DIR="/proc/nothing", HOME=str(tmp_path))
    assert "'/proc/nothing' cannot be written" in done.stderr
    assert "set ROS_LOG_DIR to another folder" in done.stderr


@pytest.mark.parametrize(
    ("variable", "within"), [("ROS_LOG_DIR", ""), ("ROS_HOME", "log"), ("HOME", ".ros/log")]
)
def test_a_folder_that_can_be_written_is_left_to_ros(tmp_path, monkeypatch, variable, within):
    for name in ("ROS_LOG_DIR", "ROS_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    before = os.environ.get("ROS_LOG_DIR")
    use_log_directory()
    assert os.environ.get("ROS_LOG_DIR") == before
    assert (tmp_path / within).is_dir()


def test_the_variable_that_is_wrong_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("ROS_LOG_DIR", raising=False)
    monkeypatch.setenv("ROS_HOME", "/proc/nothing")
    with pytest.raises(QuantVLAError, match="set ROS_HOME to another folder"):
        use_log_directory()
