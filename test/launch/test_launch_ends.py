# SPDX-License-Identifier: Apache-2.0
"""A launch ends with the node it was made for; `launch` itself is only on a robot."""

from __future__ import annotations

import runpy
import sys
import types
from pathlib import Path

import pytest

from quantvla_ros.nodes.launching import end_launch

ROOT = Path(__file__).parents[2]
PROCESSES = ("Node", "LifecycleNode")


class Call:
    """What was called, and with what."""

    def __init__(self, name, /, *arguments, **named):
        self.name, self.arguments, self.named = name, arguments, named


class Stub(types.ModuleType):
    """A module of which everything can be called."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *arguments, **named: Call(name, *arguments, **named)


@pytest.fixture
def launch_stubs(monkeypatch):
    """Stand-ins for the packages that a launch file imports."""
    below = {
        "launch": ("actions", "conditions", "event_handlers", "events", "substitutions"),
        "launch_ros": ("actions", "event_handlers", "parameter_descriptions", "substitutions"),
    }
    names = [f"{package}.{part}" for package, parts in below.items() for part in parts]
    for name in (*below, *names, "launch_ros.events", "launch_ros.events.lifecycle"):
        monkeypatch.setitem(sys.modules, name, Stub(name))


@pytest.mark.parametrize("name", ["policy", "sim"])
def test_each_process_ends_its_launch_unless_it_is_not_required(launch_stubs, name):
    pytest.importorskip("lifecycle_msgs")
    content = runpy.run_path(str(ROOT / "launch" / f"{name}.launch.py"))
    (entities,) = content["generate_launch_description"]().arguments
    (process,) = (e for e in entities if e.name in PROCESSES)
    handlers = [
        e
        for e in entities
        if e.name == "RegisterEventHandler" and e.arguments[0].name == "OnProcessExit"
    ]
    (handler,) = handlers
    assert handler.arguments[0].named == {"target_action": process, "on_exit": end_launch}
    condition = handler.named["condition"]
    assert (condition.name, condition.arguments[0].arguments) == ("IfCondition", ("required",))
    assert entities.index(handler) < entities.index(process)
    (declared,) = (
        e for e in entities if e.name == "DeclareLaunchArgument" and e.arguments == ("required",)
    )
    assert declared.named["default_value"] == "true"


def ended(returncode, is_shutdown=False):
    event = types.SimpleNamespace(process_name="policy_node-1", returncode=returncode)
    return end_launch(event, types.SimpleNamespace(is_shutdown=is_shutdown))


@pytest.mark.parametrize("status", [1, -9])
def test_a_node_that_failed_fails_its_launch(status):
    with pytest.raises(RuntimeError, match=f"policy_node-1 ended with status {status}$"):
        ended(status)


def test_a_node_that_ended_ends_its_launch_once(launch_stubs):
    action = ended(0)
    assert action.name == "Shutdown"
    assert action.named == {"reason": "policy_node-1 has ended"}
    # It is being ended: by Ctrl-C, or because another node ended.
    assert ended(0, is_shutdown=True) is None
    assert ended(-9, is_shutdown=True) is None
