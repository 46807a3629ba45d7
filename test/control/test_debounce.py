# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from quantvla_ros.control.debounce import ActiveTime, HeldFor


def test_held_counts_without_a_break() -> None:
    held = HeldFor()
    assert held.update(False, 1.0) == 0.0
    assert held.update(True, 2.0) == 0.0
    assert held.update(True, 2.5) == 0.5
    assert held.update(False, 2.6) == 0.0
    assert held.update(True, 3.0) == 0.0


def test_held_survives_a_clock_that_goes_back() -> None:
    held = HeldFor()
    held.update(True, 100.0)
    assert held.update(True, 5.0) == 0.0
    assert held.update(True, 6.0) == 1.0


def test_active_time_adds_up_over_its_window() -> None:
    active = ActiveTime(1.0)
    active.update(False, 10.0)
    for k in range(1, 8):
        last = active.update(k % 2 == 1, 10.0 + 0.1 * k)
    assert last == pytest.approx(0.4)
    assert active.update(False, 11.65) == pytest.approx(0.1), "only the newest is within a second"
    assert active.update(False, 12.0) == pytest.approx(0.0)


def test_active_time_counts_time_and_not_notes() -> None:
    active = ActiveTime(1.0)
    for _ in range(50):
        assert active.update(True, 10.0) == 0.0
    assert active.update(True, 10.2) == pytest.approx(0.2)


def test_active_time_begins_again_when_told_and_when_the_clock_goes_back() -> None:
    active = ActiveTime(1.0)
    active.update(True, 10.0)
    active.update(True, 10.5)
    assert active.update(True, 3.0) == 0.0
    assert active.update(True, 3.4) == pytest.approx(0.4)
    active.forget()
    assert active.update(True, 3.8) == 0.0
