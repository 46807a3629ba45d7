# SPDX-License-Identifier: Apache-2.0
"""Of the simulation, its node alone knows ROS."""

from __future__ import annotations

import re
from pathlib import Path

import simulation

ROS = re.compile(r"^\s*(?:from|import) (rclpy|quantvla_ros\.nodes|\w+_msgs)\b", re.MULTILINE)


def test_only_the_simulations_node_knows_ros():
    root = Path(simulation.__file__).parent
    knowing = {
        p.relative_to(root).parts[0] for p in root.rglob("*.py") if ROS.search(p.read_text())
    }
    assert knowing == {"ros"}
