# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from itertools import pairwise

import pytest

from quantvla_ros.sim.pacing import CATCH_UP, MAX_BACKLOG_S, Pacer


def test_ticks_are_due_on_a_fixed_grid_whatever_each_one_took():
    pacer = Pacer(1.0, now=100.0)
    due = [pacer.deadline(0.01, 100.0 + 0.01 * k, 100.003 + 0.01 * k) for k in range(3)]
    assert due == pytest.approx([100.01, 100.02, 100.03])


def test_a_long_tick_is_caught_up_little_by_little():
    pacer = Pacer(1.0, now=100.0)
    due = [pacer.deadline(0.01, began=100.0, now=100.025)]
    for _ in range(12):
        began = max(due[-1], 100.025)
        due.append(pacer.deadline(0.01, began, began + 0.001))
    gaps = [after - before for before, after in pairwise(due[1:])]
    assert gaps[:6] == pytest.approx([0.01 / CATCH_UP] * 6)
    assert due[-1] == pytest.approx(100.13), "back on the grid"
    assert pacer.lost_s == 0


def test_a_longer_delay_than_the_backlog_is_lost_and_counted():
    pacer = Pacer(1.0, now=100.0)
    now = 100.01 + MAX_BACKLOG_S + 0.3
    assert pacer.deadline(0.01, 100.0, now) == now
    assert pacer.lost_s == pytest.approx(MAX_BACKLOG_S + 0.3)
    assert pacer.deadline(0.01, now, now + 0.001) == pytest.approx(now + 0.01)


def test_the_factor_scales_the_grid():
    assert Pacer(4.0, now=0.0).deadline(0.01, 0.0, 0.0) == pytest.approx(0.0025)


def test_factor_zero_never_waits():
    pacer = Pacer(0.0, now=0.0)
    assert pacer.deadline(0.01, began=4.0, now=5.0) == 5.0
    assert pacer.lost_s == 0
