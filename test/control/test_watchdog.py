# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from quantvla_ros.control.faults import FaultCode
from quantvla_ros.control.watchdog import Source, stale

FRONT = Source(FaultCode.STALE_CAMERA, "camera 'front'", 101.0, 0.3)
JOINTS = Source(FaultCode.STALE_JOINT_STATE, "joint states", 101.0, 0.1)


def test_fresh_inputs_are_no_fault() -> None:
    assert stale([FRONT, JOINTS], 101.1) == []


@pytest.mark.parametrize(("source", "age"), [(FRONT, 0.31), (JOINTS, 0.11)])
def test_each_source_has_its_own_limit_and_is_named(source: Source, age: float) -> None:
    ((code, text),) = stale([source], 101.0 + age)
    assert code is source.code
    assert source.name in text
    assert f"{source.limit:g} s" in text
    assert stale([source], 101.0 + age - 0.02) == []


def test_reason_is_told_and_does_not_change_with_the_age() -> None:
    source = FRONT._replace(trouble="its stamps repeat")
    first, second = (stale([source], now) for now in (102.0, 150.0))
    assert first == second
    assert first[0][1].endswith(": its stamps repeat")


def test_source_that_never_spoke_is_stale_at_once() -> None:
    ((_, text),) = stale([FRONT._replace(newest=None)], 0.0)
    assert "has come yet" in text


def test_stamp_in_the_far_future_is_as_good_as_none() -> None:
    assert stale([FRONT], 50.0)[0][0] is FaultCode.STALE_CAMERA
