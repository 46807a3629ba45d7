# SPDX-License-Identifier: Apache-2.0
"""Modes of the motion controller, and its clock."""

from __future__ import annotations

import numpy as np
import pytest
from support.motion_rig import DT, PERIOD, START, stops_along

from quantvla_ros.control.config import Mode, MotionConfig
from quantvla_ros.control.motion import MotionController
from quantvla_ros.errors import QuantVLAError


def test_inactive_does_nothing(limits, home) -> None:
    c = MotionController(limits, PERIOD)
    assert c.mode is Mode.INACTIVE and c.at_rest
    assert c.tick(START) is None and not c.wants_chunk(START)
    assert c.offer_chunk(np.full((4, 4), np.nan), START, DT) is None
    with pytest.raises(QuantVLAError, match="INACTIVE"):
        c.arm(START)


def test_dry_run_takes_chunks_and_commands_nothing(rig) -> None:
    assert rig.c.mode is Mode.DRY_RUN and rig.c.wants_chunk(rig.now)
    rig.run(3.0, feed=True)
    assert rig.window is None and rig.c.path is not None
    rig.run(3.0)
    assert rig.c.fault is None and rig.c.path is None and rig.c.wants_chunk(rig.now)


def test_activate_twice_is_refused(rig) -> None:
    with pytest.raises(QuantVLAError, match="DRY_RUN"):
        rig.c.activate(rig.now)


def test_arming_begins_at_the_measured_position_at_rest(rig, home) -> None:
    rig.run(0.5, feed=True)
    measured = home + 0.03
    measured[3] = 0.01
    rig.see(measured)
    rig.c.arm(rig.now)
    rig.run(PERIOD)
    np.testing.assert_allclose(rig.first, measured, atol=1e-3)
    assert rig.speed() < 0.1
    rig.run(2.0, feed=True)
    asked = rig.c.path.sample(np.array([rig.window.begin]))
    np.testing.assert_allclose(rig.first, asked.position[0], atol=1e-3)


def test_arming_needs_a_fresh_joint_state_of_a_resting_arm(limits, home) -> None:
    c = MotionController(limits, PERIOD)
    c.activate(START)
    with pytest.raises(QuantVLAError, match="no joint state"):
        c.arm(START)
    c.observe_joints(START, np.full(4, np.nan), np.zeros(4))
    with pytest.raises(QuantVLAError, match="no joint state"):
        c.arm(START)
    c.observe_joints(START, home, np.zeros(4))
    with pytest.raises(QuantVLAError, match=r"0\.60 s old"):
        c.arm(START + 0.6)
    c.observe_joints(START + 0.6, home, np.array([0.0, 1.0, 0.0, 0.0]))
    with pytest.raises(QuantVLAError, match="'elbow' is moving"):
        c.arm(START + 0.6)
    c.observe_joints(START + 0.6, home + 0.1, np.array([0.0, np.nan, 0.0, 0.0]))
    with pytest.raises(QuantVLAError, match="velocity of joint 'elbow' is not known yet"):
        c.arm(START + 0.6)
    assert c.mode is Mode.DRY_RUN
    c.observe_joints(START + 0.6, home, np.zeros(4))
    c.arm(START + 0.6)
    c.arm(START + 0.6)
    assert c.mode is Mode.ARMED


def test_an_armed_arm_without_a_chunk_holds(rig, home) -> None:
    rig.c.arm(rig.now)
    rig.run(3.0)
    assert rig.c.mode is Mode.ARMED and rig.c.fault is None
    np.testing.assert_allclose(rig.window.positions, np.tile(home, (len(rig.window.positions), 1)))
    assert not rig.window.velocities.any()


def test_disarm_decelerates_along_the_path_into_dry_run(moving) -> None:
    path = moving.c.path
    moving.c.disarm(moving.now)
    assert moving.c.mode is Mode.STOPPING and not moving.c.at_rest
    with pytest.raises(QuantVLAError, match="STOPPING"):
        moving.c.arm(moving.now)
    assert not moving.c.wants_chunk(moving.now)
    stops_along(path, moving)
    assert moving.c.mode is Mode.DRY_RUN


def test_disarm_elsewhere_changes_nothing(rig) -> None:
    rig.c.disarm(rig.now)
    assert rig.c.mode is Mode.DRY_RUN


def test_deactivate_decelerates_first(moving) -> None:
    moving.c.deactivate(moving.now)
    assert moving.c.mode is Mode.STOPPING and not moving.c.at_rest
    with pytest.raises(QuantVLAError, match="STOPPING"):
        moving.c.activate(moving.now)
    assert len(moving.until_rest()) > 10
    assert moving.c.mode is Mode.INACTIVE and moving.c.at_rest
    moving.c.activate(moving.now)
    assert moving.c.mode is Mode.DRY_RUN


def test_deactivate_at_rest_is_immediate(rig) -> None:
    rig.c.deactivate(rig.now)
    assert rig.c.mode is Mode.INACTIVE


def test_deactivate_while_disarming_ends_inactive(moving) -> None:
    moving.c.disarm(moving.now)
    moving.run(0.1)
    moving.c.deactivate(moving.now)
    moving.until_rest()
    assert moving.c.mode is Mode.INACTIVE


def test_time_never_runs_backwards(moving) -> None:
    window = moving.window
    for now in (moving.now, moving.now - 0.5, moving.now):
        again = moving.c.tick(now)
        assert again.stamp == window.stamp
        np.testing.assert_allclose(again.positions, window.positions, atol=1e-12)


def test_a_late_tick_goes_on_where_the_arm_really_is(moving) -> None:
    window = moving.window
    moving.now += 0.13
    late = moving.c.tick(moving.now)
    for at in late.stamp + late.times[: late.fresh + 1]:
        k = int(np.argmin(np.abs(late.stamp + late.times - at)))
        np.testing.assert_allclose(late.positions[k], window.sample(at).position[0], atol=1e-12)
    assert late.begin > window.begin + 0.11


def test_a_config_of_its_own_is_used(limits) -> None:
    c = MotionController(limits, PERIOD, MotionConfig(transport_margin_s=0.05))
    assert c.config.transport_margin_s == 0.05
