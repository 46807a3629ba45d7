# SPDX-License-Identifier: Apache-2.0
"""What a fault does to a motion, and how it is left."""

from __future__ import annotations

import numpy as np
import pytest
from support.motion_rig import DT, PERIOD, stops_along

from quantvla_ros.control.config import Mode
from quantvla_ros.control.faults import FaultCode
from quantvla_ros.errors import QuantVLAError


@pytest.mark.parametrize("code", FaultCode)
def test_every_fault_decelerates_along_the_path(moving, code) -> None:
    path = moving.c.path
    moving.c.raise_fault(code, "provoked", moving.now)
    assert moving.c.mode is Mode.FAULT and not moving.c.at_rest
    stops_along(path, moving)
    assert moving.c.mode is Mode.FAULT and moving.c.fault.code is code


@pytest.mark.parametrize("code", list(FaultCode))
def test_every_fault_leads_to_rest_and_is_latched(moving, limits, code) -> None:
    moving.c.raise_fault(code, "because", moving.now)
    assert moving.c.mode is Mode.FAULT and not moving.c.at_rest
    with pytest.raises(QuantVLAError, match="still decelerates"):
        moving.c.reset_fault(moving.now)
    moving.until_rest()
    assert moving.c.fault.code is code and moving.c.fault.text == "because"
    assert moving.c.at_rest and not moving.window.velocities[-1].any()
    moving.run(2.0, feed=True)
    assert moving.window is None and moving.c.mode is Mode.FAULT
    with pytest.raises(QuantVLAError, match=code.value):
        moving.c.arm(moving.now)
    moving.c.reset_fault(moving.now)
    assert moving.c.mode is Mode.DRY_RUN and moving.c.fault is None
    moving.run(0.5, feed=True)
    assert moving.window is None
    moving.see(moving.home)
    moving.c.arm(moving.now)
    moving.run(0.5, feed=True)
    assert moving.c.mode is Mode.ARMED and moving.window is not None


def test_the_first_fault_stays_and_all_are_counted(moving) -> None:
    moving.c.raise_fault(FaultCode.STALE_CAMERA, "one", moving.now)
    moving.c.raise_fault(FaultCode.WORKER_DIED, "two", moving.now)
    moving.c.raise_fault(FaultCode.STALE_CAMERA, "three", moving.now)
    assert moving.c.fault.text == "one"
    assert moving.c.fault_counts == {FaultCode.STALE_CAMERA: 2, FaultCode.WORKER_DIED: 1}


@pytest.mark.parametrize("moves", [True, False])
def test_an_arm_that_gives_way_ends_where_it_is_measured_and_keeps_its_grip(
    moving, limits, moves
) -> None:
    if not moves:
        moving.run(3.0)  # no chunk comes: it stands
        moving.c.reset_fault(moving.now)
        moving.see(moving.home)
        moving.c.arm(moving.now)
        moving.run(0.5)
    command = moving.c._reference.at(moving.now)
    held = command - [0.25, -0.1, 0.0, np.nan]
    moving.c.give_way(held)
    moving.c.raise_fault(FaultCode.TRACKING_ERROR, "it presses", moving.now)
    begin = moving.now
    firsts = moving.until_rest()
    np.testing.assert_allclose(moving.window.positions[-1, :3], held[:3], atol=1e-6)
    assert abs(moving.window.positions[-1, 3] - command[3]) < 0.02
    assert moving.now - begin < 1.5
    assert (np.abs(np.diff(firsts, axis=0)) <= limits.velocity * PERIOD + 1e-9).all()


def test_a_fault_at_rest_latches_at_once(rig) -> None:
    rig.c.raise_fault(FaultCode.STALE_CAMERA, "one", rig.now)
    assert rig.c.mode is Mode.FAULT and rig.c.at_rest
    rig.c.reset_fault(rig.now)
    assert rig.c.mode is Mode.DRY_RUN


def test_a_fault_of_an_armed_arm_that_holds_is_at_rest_with_the_next_tick(rig) -> None:
    rig.c.arm(rig.now)
    rig.run(0.4)
    rig.c.raise_fault(FaultCode.WORKER_DIED, "one", rig.now)
    rig.run(PERIOD)
    assert rig.window is None and rig.c.at_rest and rig.c.mode is Mode.FAULT


def test_a_motion_is_taken_back_that_begins_when_a_fault_comes(rig, home) -> None:
    """Time stands between the two ticks, so nothing moves yet at the point where both begin."""
    rig.c.arm(rig.now)
    rig.run(0.4)
    rig.chunk()
    rig.run(PERIOD)
    assert rig.window.velocities.any() and rig.speed() == 0.0
    rig.c.raise_fault(FaultCode.WORKER_DIED, "one", rig.now)
    window = rig.c.tick(rig.now)
    assert not rig.c.at_rest and (window.positions == home).all()
    assert rig.c.tick(rig.now) is None and rig.c.at_rest


def test_a_fault_survives_deactivation(moving) -> None:
    moving.c.raise_fault(FaultCode.STALE_CAMERA, "one", moving.now)
    moving.c.deactivate(moving.now)
    moving.until_rest()
    assert moving.c.mode is Mode.INACTIVE
    moving.c.activate(moving.now)
    assert moving.c.mode is Mode.FAULT
    moving.c.deactivate(moving.now)
    moving.c.reset_fault(moving.now)
    assert moving.c.mode is Mode.INACTIVE and moving.c.fault is None


def test_a_fault_while_deactivating_still_ends_inactive(moving) -> None:
    moving.c.deactivate(moving.now)
    moving.run(0.1)
    moving.c.raise_fault(FaultCode.WORKER_DIED, "one", moving.now)
    assert moving.c.mode is Mode.FAULT
    moving.until_rest()
    assert moving.c.mode is Mode.INACTIVE and moving.c.fault.code is FaultCode.WORKER_DIED


def test_nothing_to_reset_is_said(rig) -> None:
    with pytest.raises(QuantVLAError, match="no fault"):
        rig.c.reset_fault(rig.now)


@pytest.mark.parametrize(
    "bad",
    [
        np.full((16, 4), np.nan),
        np.array([[0.0, 0.0, np.inf, 0.0]]),
        np.zeros((16, 3)),
        np.zeros((0, 4)),
        np.zeros(4),
    ],
)
def test_a_bad_chunk_moves_nothing(rig, home, bad) -> None:
    rig.c.arm(rig.now)
    rig.run(0.1)
    assert rig.c.offer_chunk(bad, rig.now, DT) is FaultCode.NONFINITE_ACTION
    assert rig.c.mode is Mode.FAULT and rig.c.fault.code is FaultCode.NONFINITE_ACTION
    for first in rig.until_rest():
        np.testing.assert_array_equal(first, home)


def test_a_bad_chunk_names_the_joint_and_stops_a_moving_arm(moving) -> None:
    bad = np.tile(moving.home, (16, 1))
    bad[3, 2] = np.nan
    assert moving.c.offer_chunk(bad, moving.now, DT) is FaultCode.NONFINITE_ACTION
    assert "'wrist'" in moving.c.fault.text and "row 3" in moving.c.fault.text
    assert np.isfinite(moving.until_rest()).all()
    assert moving.c.offer_chunk(moving.home[None], moving.now, np.nan) is not None


def test_a_chunk_that_runs_out_is_an_underrun_and_stops_on_its_path(moving) -> None:
    last = moving.now
    moving.run(0.5)
    assert moving.c.mode is Mode.ARMED
    moving.run(1.6)
    assert moving.c.fault.code is FaultCode.CHUNK_UNDERRUN
    assert moving.c.fault.stamp - last < 1.6
    assert moving.c.at_rest
