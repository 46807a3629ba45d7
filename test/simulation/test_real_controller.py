# SPDX-License-Identifier: Apache-2.0
"""The simulated controller against setpoints of a real one (golden/README.md)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from simulation.controller_release import find_release
from simulation.trajectory import JointTrajectory, TrajectoryPoint
from simulation.trajectory_controller import TrajectoryController

GOLDEN = Path(__file__).parent / "golden" / "real_controller.npz"
NAMES = tuple(f"joint{k}" for k in range(8))


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


def sent(golden, variant):
    """The windows: when each came (s), and the trajectory."""
    windows = []
    ends = np.cumsum(golden[f"count_{variant}"])
    for k, end in enumerate(ends):
        rows = slice(end - golden[f"count_{variant}"][k], end)
        times, points = golden[f"time_ns_{variant}"][rows], golden[f"points_{variant}"][rows]
        made = [TrajectoryPoint(t * 1e-9, *point) for t, point in zip(times, points, strict=True)]
        stamp = golden[f"stamp_ns_{variant}"][k] * 1e-9
        if stamp == 0.0:  # when that simulation began, and no "now"
            stamp = 1e-12
        arrival = golden[f"arrival_ns_{variant}"][k] * 1e-9
        windows.append((arrival, JointTrajectory(NAMES, made, stamp)))
    return windows


@pytest.mark.parametrize("rate", [100, 500])
@pytest.mark.parametrize("variant", ["as_sent", "with_point_due"])
def test_it_commands_what_the_real_one_commanded(golden, variant, rate) -> None:
    wanted = golden[f"setpoints_{variant}_{rate}"]
    waiting = sent(golden, variant)
    controller = TrajectoryController(NAMES, wanted[0, 1:], find_release("jazzy"), rate)
    got = []
    for now in wanted[:, 0]:
        while waiting and waiting[0][0] <= now:
            assert controller.submit(waiting.pop(0)[1], now) is None
        got.append(controller.update(now)[0])
    assert np.abs(np.diff(wanted[:, 1:], axis=0)).max() > 1e-3  # it moved
    np.testing.assert_allclose(got, wanted[:, 1:], rtol=0, atol=1e-9)


def test_other_releases_would_not(golden) -> None:
    """What the comparison sees: Humble's cycle on the same windows."""
    wanted = golden["setpoints_as_sent_500"]
    waiting = sent(golden, "as_sent")
    controller = TrajectoryController(NAMES, wanted[0, 1:], find_release("humble"), 500)
    off = 0.0
    for row in wanted:
        while waiting and waiting[0][0] <= row[0]:
            controller.submit(waiting.pop(0)[1], row[0])
        off = max(off, float(np.abs(controller.update(row[0])[0] - row[1:]).max()))
    assert off > 1e-4
