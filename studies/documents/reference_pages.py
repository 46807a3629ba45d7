# SPDX-License-Identifier: Apache-2.0
"""Files that are made from the code: run as a module it renews them, ``--check`` compares only."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from quantvla_ros.control.faults import FAULTS, REFUSALS, FaultEntry
from quantvla_ros.serving.joint_limit_texts import JOINT_LIMIT_TEXTS
from quantvla_ros.serving.parameter_table import ParameterInfo, parameter_table
from quantvla_ros.whole_file import write_file

CONFIG = Path("config/policy.yaml")
PARAMETERS, FAULTS_PAGE = Path("docs/reference/parameters.md"), Path("docs/reference/faults.md")
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


def parameters_text() -> str:
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


_HEAD = f"""\
<!-- SPDX-License-Identifier: Apache-2.0 -->
# Faults

This page is made from the table in `quantvla_ros/control/faults.py` by `{COMMAND}`.

A fault while the node is armed stops the arm within its limits. It is latched, named with its
reason in `/diagnostics` (`policy_node: control`), written to the log once, and counted there as
`fault_<CODE>`. A further fault while one is latched is logged and counted, and changes nothing
else. Motion never resumes by itself: call `~/reset_fault` when the arm rests, then `~/arm`. The
reset starts a lost inference process again. A latched fault outlives deactivate, cleanup and a new
configure; only a new process begins without it.

In dry run nothing moves. A condition that refuses arming is there a warning in
`policy_node: inputs`, and `~/arm` answers with its name.
"""

_REFUSED = """
## Refused at configure

The transition fails, and the reason is logged and shown in `/diagnostics`.
"""


def faults_text() -> str:
    """Return the reference page.

    Raises:
        KeyError: a fault names a parameter that the node does not have.
    """
    lines = [
        _HEAD,
        "| code | raised when | thresholds (default) | the arm | in dry run | then |",
        "|---|---|---|---|---|---|",
    ]
    for code, entry in FAULTS.items():
        lines.append(
            f"| `{code.value}` | {entry.condition} | {_thresholds(entry)} | {entry.arm} | "
            f"{entry.dry_run} | {entry.remedy} |"
        )
    lines += [_REFUSED, "| code | reason | then |", "|---|---|---|"]
    for refusal, reason in REFUSALS.items():
        lines.append(f"| `{refusal.value}` | {reason.reason} | {reason.remedy} |")
    return "\n".join(lines) + "\n"


def _thresholds(entry: FaultEntry) -> str:
    infos = {info.name: info for info in parameter_table()}
    found = []
    for name in entry.parameters:
        if name.startswith("joint_limits."):
            _ = JOINT_LIMIT_TEXTS[name.rpartition(".")[2]]
            found.append(f"`{name}`")
        else:
            info = infos[name]
            found.append(f"`{name}` ({info.default}{' ' if info.unit else ''}{info.unit})")
    return ", ".join(found)


REPOSITORY = Path(__file__).resolve().parents[2]


def pages() -> dict[Path, str]:
    """Return every file that is made from the code, by its path in the source tree."""
    return {
        CONFIG: config_text(),
        PARAMETERS: parameters_text(),
        FAULTS_PAGE: faults_text(),
    }


def outdated(root: Path) -> list[Path]:
    """Return the files under ``root`` that are not what the code says."""
    return [
        path
        for path, text in pages().items()
        if not (root / path).exists() or (root / path).read_text(encoding="utf-8") != text
    ]


def write(root: Path) -> list[Path]:
    """Renew the outdated files under ``root`` (a source tree) and return their paths."""
    texts, renewed = pages(), outdated(root)
    for relative in renewed:
        write_file(root / relative, texts[relative])
    return renewed


def main(arguments: Sequence[str] | None = None, root: Path = REPOSITORY) -> int:
    """Entry of ``python -m studies.documents.reference_pages``; the exit status."""
    parser = argparse.ArgumentParser(
        prog="studies.documents.reference_pages",
        description=__doc__,
        epilog="example: python -m studies.documents.reference_pages --check",
    )
    parser.add_argument("--check", action="store_true", help="change nothing, only compare")
    if not parser.parse_args(arguments).check:
        for path in write(root):
            print(path)
        return 0
    for path in outdated(root):
        print(f"{path} is not what the code says: run `{COMMAND}`.", file=sys.stderr)
    return 1 if outdated(root) else 0


if __name__ == "__main__":
    sys.exit(main())
