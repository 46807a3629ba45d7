# SPDX-License-Identifier: Apache-2.0
"""The layouts for rqt_robot_monitor and Foxglove name what the node really publishes."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from quantvla_ros.nodes.diagnostics import CHECKS

CONFIG = Path(__file__).parents[2] / "config"
ENTRIES = {f"policy_node: {check}" for check in CHECKS}


def test_aggregator_expects_the_entries():
    content = yaml.safe_load((CONFIG / "diagnostic_aggregator.yaml").read_text())
    (analyzer,) = (v for v in content["/**"]["ros__parameters"].values() if isinstance(v, dict))
    assert set(analyzer["expected"]) == ENTRIES
    assert all(name.startswith(tuple(analyzer["startswith"])) for name in ENTRIES)


def panels(node):
    return [node] if isinstance(node, str) else panels(node["first"]) + panels(node["second"])


def test_foxglove_layout_is_complete_and_names_what_is_there():
    content = json.loads((CONFIG / "foxglove_layout.json").read_text())
    configs = content["configById"]
    assert sorted(panels(content["layout"])) == sorted(configs)
    shown = {c["selectedName"] for c in configs.values() if "selectedName" in c}
    assert shown == ENTRIES - {"policy_node: bundle"}
    interface = (CONFIG.parent / "docs/reference/ros-interface.md").read_text()
    services = {c["serviceName"] for c in configs.values() if "serviceName" in c}
    assert services
    for name in services:
        assert f"`{name.replace('/policy_node', '~')}`" in interface
