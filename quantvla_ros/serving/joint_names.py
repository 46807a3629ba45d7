# SPDX-License-Identifier: Apache-2.0
"""The sentence about joints that one side names and the other does not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def joint_mismatch(owner: str, wanted: Sequence[str], source: str, offered: Iterable[str]) -> str:
    """Say which joints are missing, with both sides' names; empty when none is.

    Args:
        owner: of the wanted joints, as "policy".
        wanted: their names.
        source: topic or description that names joints.
        offered: what it names.
    """
    offered = sorted(offered)
    missing = [name for name in wanted if name not in offered]
    if not missing:
        return ""
    return (
        f"The {owner}'s joints are {', '.join(wanted)}; {source} has {', '.join(offered)}; "
        f"missing: {', '.join(missing)}."
    )
