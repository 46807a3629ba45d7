# SPDX-License-Identifier: Apache-2.0
"""Replay recorded windows through the controllers of all releases, at every rate."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from calib_tools.common.progress import Report
from calib_tools.common.setpoints import ControllerSetup, Shares, replay
from quantvla_ros.control.limits import JointLimits
from simulation.controller_release import RELEASES
from studies.controller.recorded import Motion

RATES_HZ = (100.0, 250.0, 500.0, 1000.0)
STATE_AGE_S = 0.01
_SEED = 0


def compare(motions: Sequence[Motion], limits: JointLimits, report: Report) -> list[dict[str, Any]]:
    """Return a row for each kind of windows, release, option and rate: shares of the limits.

    The option `interpolate_from_desired_state` is on, or off with a state that is
    `STATE_AGE_S` old; then an arm that follows exactly is measured.
    """
    rows = []
    kinds = {
        "as published": list(motions),
        "without the points that are due": [motion.without_due_points() for motion in motions],
    }
    for (kind, played), release, desired in product(
        kinds.items(), RELEASES.values(), (True, False)
    ):
        report(f"{kind}: {release.name}, option {'on' if desired else 'off'}")
        for rate in RATES_HZ:
            setup = ControllerSetup(release, rate, desired, 0.0 if desired else STATE_AGE_S)
            largest = Shares()
            for motion in played:
                setpoints = replay(
                    motion.arrivals(),
                    motion.windows[0][1].positions[0],
                    setup,
                    np.random.default_rng(_SEED),
                )
                largest = largest.joined(setpoints.shares(limits))
            rows.append(
                {
                    "windows": kind,
                    "release": release.name,
                    "interpolate_from_desired_state": desired,
                    "rate_hz": rate,
                    **largest._asdict(),
                }
            )
    return rows
