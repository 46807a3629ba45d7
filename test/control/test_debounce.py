# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from quantvla_ros.control.debounce import Lasting, Recent


def test_lasting_counts_without_a_break() -> None:
    lasting = Lasting()
    assert lasting.update(False, 1.0) == 0.0
    assert lasting.update(True, 2.0) == 0.0
    assert lasting.update(True, 2.5) == 0.5
    assert lasting.update(False, 2.6) == 0.0
    assert lasting.update(True, 3.0) == 0.0


def test_lasting_survives_a_clock_that_goes_back() -> None:
    lasting = Lasting()
    lasting.update(True, 100.0)
    assert lasting.update(True, 5.0) == 0.0
    assert lasting.update(True, 6.0) == 1.0


def test_recent_adds_up_over_its_window() -> None:
    recent = Recent(1.0)
    recent.update(False, 10.0)
    for k in range(1, 8):
        last = recent.update(k % 2 == 1, 10.0 + 0.1 * k)
    assert last == pytest.approx(0.4)
    assert recent.update(False, 11.65) == pytest.approx(0.1), "only the newest is within a second"
    assert recent.update(False, 12.0) == pytest.approx(0.0)


def test_recent_counts_time_and_not_notes() -> None:
    recent = Recent(1.0)
    for _ in range(50):
        assert recent.update(True, 10.0) == 0.0
    assert recent.update(True, 10.2) == pytest.approx(0.2)


def test_recent_begins_again_when_told_and_when_the_clock_goes_back() -> None:
    recent = Recent(1.0)
    recent.update(True, 10.0)
    recent.update(True, 10.5)
    assert recent.update(True, 3.0) == 0.0
    assert recent.update(True, 3.4) == pytest.approx(0.4)
    recent.forget()
    assert recent.update(True, 3.8) == 0.0
