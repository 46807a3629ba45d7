# SPDX-License-Identifier: Apache-2.0
"""The layouts for rqt_robot_monitor and Foxglove name what the node really publishes."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

pytest.importorskip("rclpy")

from rclpy.node import Node

from quantvla_ros.nodes.diagnostics import CHECKS, entry_prefix

CONFIG = Path(__file__).parents[2] / "config"
ENTRIES = {f"policy_node: {check}" for check in CHECKS}


@pytest.mark.parametrize(
    ("file", "namespaces"),
    [("diagnostic_aggregator", ("",)), ("diagnostic_aggregator_arms", ("left", "right"))],
)
def test_aggregator_expects_the_entries_of_each_arm_and_no_other_ones(ros, file, namespaces):
    content = yaml.safe_load((CONFIG / f"{file}.yaml").read_text())
    analyzers = [v for v in content["/**"]["ros__parameters"].values() if isinstance(v, dict)]
    prefixes = []
    for namespace in namespaces:
        node = Node("policy_node", namespace=namespace, start_parameter_services=False)
        prefixes.append(entry_prefix(node))
        node.destroy_node()
    assert len(set(prefixes)) == len(analyzers)
    for analyzer, prefix in zip(analyzers, prefixes, strict=True):
        assert analyzer["expected"] == [f"{prefix}{check}" for check in CHECKS]
        assert analyzer["startswith"] == analyzer["remove_prefix"] == [prefix]


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


def test_the_documented_command_makes_a_layout_for_an_arm_in_a_namespace(tmp_path):
    page = (CONFIG.parent / "docs/reference/ros-interface.md").read_text()
    (command,) = re.findall(r"```bash\n(sed [^`]*)```", page)
    (tmp_path / "foxglove_layout.json").write_text((CONFIG / "foxglove_layout.json").read_text())
    subprocess.run(["bash", "-ec", command], cwd=tmp_path, check=True, timeout=60)
    made = (tmp_path / "left.json").read_text()
    shown = {
        c["selectedName"] for c in json.loads(made)["configById"].values() if "selectedName" in c
    }
    assert shown == {f"left/{name}" for name in ENTRIES - {"policy_node: bundle"}}
    assert set(re.findall(r'"(/[^/"]*)', made)) == {"/left", "/diagnostics"}
