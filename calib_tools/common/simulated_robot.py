# SPDX-License-Identifier: Apache-2.0
"""Whether there is a simulated robot: a real one installs none."""

from __future__ import annotations

from importlib.util import find_spec

from quantvla_ros.errors import QuantVLAError


def check_simulation() -> None:
    """Refuse, before anything that needs the simulated robot is imported.

    Raises:
        QuantVLAError: it is not installed.
    """
    if find_spec("simulation") is None:
        raise QuantVLAError(
            "The simulated robot is not installed: a robot needs none. Run this in the source "
            "folder of quantvla_ros, or put that folder on PYTHONPATH."
        )
