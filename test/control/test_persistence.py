# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from quantvla_ros.control.persistence import Lasting, Recent


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
    recent = Recent(1.0, 0.1)
    for _ in range(3):
        recent.update(True)
        recent.update(False)
    assert recent.update(True) == pytest.approx(0.4)
    for _ in range(9):
        last = recent.update(False)
    assert last == pytest.approx(0.1), "only the newest is within a second"
    assert recent.update(False) == 0.0
    recent.update(True)
    recent.forget()
    assert recent.update(False) == 0.0
