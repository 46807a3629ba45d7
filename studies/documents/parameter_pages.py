# SPDX-License-Identifier: Apache-2.0
"""Texts of ``config/policy.yaml`` and ``docs/reference/parameters.md``, from the model."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

from quantvla_ros.serving.joint_limit_texts import JOINT_LIMIT_TEXTS
from quantvla_ros.serving.parameter_table import ParameterInfo, parameter_table

CONFIG = Path("config/policy.yaml")
PAGE = Path("docs/reference/parameters.md")
COMMAND = "python -m studies.documents.reference_pages"


def config_text() -> str:
    """Return the parameter file with every parameter, its text and its default."""
    lines = [
        "# SPDX-License-Identifier: Apache-2.0",
        f"# Parameters of policy_node with their defaults. Made by: {COMMAND}",
        "# Acceleration and jerk limits are the robot's: see robots/panda.yaml.",
        "/**:",
        "  ros__parameters:",
    ]
    for info in parameter_table():
        comment = info.text.replace("`", "")
        if info.unit:
            comment += f" Unit: {info.unit}."
        if info.range_text:
            comment += f" Allowed: {info.range_text}."
        lines += [f"    # {line}" for line in textwrap.wrap(comment, 90)]
        lines.append(f"    {info.name}: {_literal(info)}")
    return "\n".join(lines) + "\n"


def page_text() -> str:
    """Return the reference page."""
    lines = [
        "# Parameters of `policy_node`",
        "",
        f"This page is made from the parameter model by `{COMMAND}`.",
        "",
        "A parameter marked *live* may be set at any time. The others are read when the node is",
        "configured: to change one, clean the node up, set it, and configure again.",
        "",
        "| Parameter | Type | Default | Unit | Allowed | Live | Meaning |",
        "|---|---|---|---|---|---|---|",
    ]
    for info in parameter_table():
        lines.append(
            f"| `{info.name}` | {info.kind} | `{_literal(info)}` | {info.unit} | "
            f"{info.range_text} | {'yes' if info.live else ''} | {info.text} |"
        )
    lines += [
        "",
        "## Limits of each joint",
        "",
        "Position and velocity limits come from the URDF on `robot_description`. The URDF has no",
        "acceleration and jerk limits: they stand in the [robot's description](robot-yaml.md), and",
        "these parameters, one set for each joint, go before it. The names are those of MoveIt's",
        "`joint_limits.yaml`.",
        "",
        "| Parameter | Type | Unit | Meaning |",
        "|---|---|---|---|",
    ]
    for key, (text, unit) in JOINT_LIMIT_TEXTS.items():
        lines.append(f"| `joint_limits.<joint>.{key}` | double | {unit} | {text} |")
    return "\n".join(lines) + "\n"


def _literal(info: ParameterInfo) -> str:
    return json.dumps(info.default)
