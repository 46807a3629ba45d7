# SPDX-License-Identifier: Apache-2.0
"""What `make policy` took, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RECORD = "policy-making.json"
KIND, SCHEMA = "training.make_policy", 1


def markdown(record: Mapping[str, Any]) -> str:
    """The table of a record."""
    hours = record["seconds"] / 3600
    lines = [
        f"{record['cores']} cores ({record['cpu']}), {hours:.1f} h in all:",
        "",
        "| stage | minutes |",
        "|---|---|",
    ]
    lines += [f"| {row['stage']} | {row['seconds'] / 60:.1f} |" for row in record["stages"]]
    return "\n".join(lines)
