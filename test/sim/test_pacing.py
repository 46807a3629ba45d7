# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from quantvla_ros.sim.pacing import MAX_BACKLOG_S, Pacer


def test_ticks_are_due_on_a_fixed_grid_whatever_each_one_took():
    pacer = Pacer(1.0, now=100.0)
    due = [pacer.deadline(0.01, now=100.0 + 0.01 * k + 0.003) for k in range(3)]
    assert due == pytest.approx([100.01, 100.02, 100.03])


def test_a_long_tick_is_caught_up():
    pacer = Pacer(1.0, now=100.0)
    assert pacer.deadline(0.01, now=100.025) == pytest.approx(100.01)
    assert pacer.deadline(0.01, now=100.026) == pytest.approx(100.02)
    assert pacer.deadline(0.01, now=100.027) == pytest.approx(100.03)
    assert pacer.lost_s == 0


def test_a_longer_delay_than_the_backlog_is_lost_and_counted():
    pacer = Pacer(1.0, now=100.0)
    now = 100.01 + MAX_BACKLOG_S + 0.3
    assert pacer.deadline(0.01, now) == now
    assert pacer.lost_s == pytest.approx(MAX_BACKLOG_S + 0.3)
    assert pacer.deadline(0.01, now) == pytest.approx(now + 0.01)


def test_the_factor_scales_the_grid():
    assert Pacer(4.0, now=0.0).deadline(0.01, now=0.0) == pytest.approx(0.0025)


def test_factor_zero_never_waits():
    pacer = Pacer(0.0, now=0.0)
    assert pacer.deadline(0.01, now=5.0) == 5.0
    assert pacer.lost_s == 0
