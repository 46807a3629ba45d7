# SPDX-License-Identifier: Apache-2.0
"""Files that come with the package: in the source tree, or below share/ after an installation."""

from __future__ import annotations

import os
from pathlib import Path

from quantvla_ros.errors import QuantVLAError

_PACKAGE = "quantvla_ros"


def shared_file(relative: str) -> Path:
    """Path of a file or folder such as "config/policy.yaml".

    Raises:
        QuantVLAError: it is in no place where the package keeps its files.
    """
    source = Path(__file__).resolve().parents[1]
    prefixes = [p for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    places = [source, *(Path(p) / "share" / _PACKAGE for p in prefixes)]
    for place in places:
        if (place / relative).exists():
            return place / relative
    raise QuantVLAError(
        f"'{relative}' of {_PACKAGE} is not in {', '.join(map(str, places))}; run from the source "
        "tree, or source the workspace's setup file."
    )
