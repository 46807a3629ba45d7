# SPDX-License-Identifier: Apache-2.0
"""Text of ``docs/reference/faults.md``, from the table of faults and the parameter model."""

from __future__ import annotations

from pathlib import Path

from quantvla_ros.control.faults import FAULTS, REFUSALS, FaultEntry
from quantvla_ros.serving.joint_limit_texts import JOINT_LIMIT_TEXTS
from quantvla_ros.serving.parameter_table import parameter_table
from studies.documents.parameter_pages import COMMAND

PAGE = Path("docs/reference/faults.md")

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


def page_text() -> str:
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
