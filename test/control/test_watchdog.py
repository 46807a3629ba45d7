# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from quantvla_ros.control.faults import FaultCode
from quantvla_ros.control.watchdog import Watchdog


@pytest.fixture
def watchdog() -> Watchdog:
    dog = Watchdog({"front": 0.3, "wrist": 0.5}, 0.1)
    dog.start(100.0)
    return dog


def feed(dog: Watchdog, stamp: float, *without: str) -> None:
    for name in ("front", "wrist"):
        if name not in without:
            dog.saw_camera(name, stamp)
    if "joint_states" not in without:
        dog.saw_joint_state(stamp)


def test_fresh_inputs_are_no_fault(watchdog) -> None:
    feed(watchdog, 101.0)
    assert watchdog.check(101.1) == []


@pytest.mark.parametrize(
    ("silent", "age", "code", "word"),
    [
        ("front", 0.31, FaultCode.STALE_CAMERA, "'front'"),
        ("wrist", 0.51, FaultCode.STALE_CAMERA, "'wrist'"),
        ("joint_states", 0.11, FaultCode.STALE_JOINT_STATE, "joint states"),
    ],
)
def test_each_source_has_its_own_limit_and_is_named(watchdog, silent, age, code, word) -> None:
    feed(watchdog, 101.0)
    feed(watchdog, 101.0 + age, silent)
    found = watchdog.check(101.0 + age)
    assert [c for c, _ in found] == [code]
    assert word in found[0][1]
    assert watchdog.check(101.0 + age - 0.02) == []


def test_a_source_that_never_spoke_ages_from_the_start(watchdog) -> None:
    assert watchdog.check(100.09) == []
    assert len(watchdog.check(100.6)) == 3
    assert all("none has ever arrived" in text for _, text in watchdog.check(100.6))


def test_the_newest_stamp_counts(watchdog) -> None:
    feed(watchdog, 101.0)
    feed(watchdog, 100.5)
    assert watchdog.ages(101.0)["camera:front"] == 0.0


def test_start_forgets(watchdog) -> None:
    feed(watchdog, 101.0)
    watchdog.start(200.0)
    assert watchdog.check(200.05) == []


def test_an_unknown_camera_is_refused(watchdog) -> None:
    with pytest.raises(KeyError, match="rear"):
        watchdog.saw_camera("rear", 1.0)
