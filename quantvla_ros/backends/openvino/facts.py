# SPDX-License-Identifier: Apache-2.0
"""What `quantvla doctor` says of this backend; imports neither torch nor OpenVINO."""

from __future__ import annotations

from quantvla_ros.backends.base import Fact
from quantvla_ros.backends.openvino.library import REMEDY, missing, version, why_not_exact


def facts() -> list[Fact]:
    """One line: the packages, and what they multiply exactly here."""
    name = "OpenVINO"
    if lacking := missing():
        return [Fact(name, "note", f"optional; not installed: {', '.join(lacking)}", REMEDY)]
    if why := why_not_exact():
        return [Fact(name, "note", f"{version()}: float bundles; INT8 is refused: {why}")]
    return [Fact(name, "good", f"{version()}: float, and INT8 with static ranges")]
