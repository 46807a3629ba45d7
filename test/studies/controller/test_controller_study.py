# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import numpy as np
import pytest
from support.motion_rig import Rig, arm_limits

from simulation.controller_release import RELEASES
from studies.controller import run as controller_run
from studies.controller.run import RATES_HZ, Motion, compare
from studies.controller.table import KIND, RECORD, is_good, markdown
from studies.documents.tables import markdown as of_any_record


@pytest.fixture(scope="module")
def rows():
    """The study of an arm that waves for a second and stops."""
    patch = pytest.MonkeyPatch()
    limits = arm_limits()
    patch.setattr(controller_run, "JOINT_NAMES", limits.names)
    rig = Rig(limits, np.array([0.0, -0.5, 1.5, 0.02]))
    rig.c.arm(rig.now)
    windows = []
    for tick in range(80):
        rig.run(0.02, feed=True)
        if tick == 60:
            rig.c.disarm(rig.now)
        if rig.window is not None:
            windows.append((rig.now + 0.004, rig.window))
    said: list[str] = []
    epoch = windows[0][0] - 1.0
    moved = [
        (at - epoch, window.__class__(window.stamp - epoch, *_rows(window), window.fresh))
        for at, window in windows
    ]
    found = compare([Motion(moved)], rig.c._limits, said.append)
    patch.undo()
    assert len(said) == 12
    return found


def _rows(window):
    return window.times, window.positions, window.velocities, window.accelerations


def test_published_windows_keep_every_limit_of_every_controller(rows):
    assert len(rows) == 2 * 2 * len(RELEASES) * len(RATES_HZ)
    published = [row for row in rows if row["windows"] == "as published"]
    assert all(map(is_good, rows)) and all(row["jerk"] <= 1.0 for row in published)
    assert all(row["velocity"] > 0.05 for row in published)


def test_without_the_points_that_are_due_controllers_jump(rows):
    former = [row for row in rows if row["windows"] != "as published" and row["rate_hz"] == 1000.0]
    assert min(row["acceleration"] for row in former) > 5.0


def test_the_table_has_a_row_for_each_controller(rows, tmp_path):
    record = {"kind": KIND, "schema": 1, "command": [], "machine": {}}
    record |= {"count": 80, "episodes": 1, "rows": rows}
    path = tmp_path / RECORD
    path.write_text(json.dumps(record))
    text = of_any_record(path)
    assert text == markdown(record)
    assert len(text.splitlines()) == 4 + 2 * 2 * len(RELEASES)
    assert "| as published | humble | last setpoint |" in text


def test_a_setpoint_beyond_a_limit_is_seen(rows):
    assert not is_good({**rows[0], "jerk": 1.01})
