# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from quantvla_ros.control.config import MotionConfig
from quantvla_ros.control.schedule import ChunkSchedule

ONE = np.array([1.0])


@pytest.fixture
def schedule() -> ChunkSchedule:
    return ChunkSchedule(MotionConfig(), 0.02)


def chunk(schedule: ChunkSchedule, value: float, stamp: float) -> None:
    schedule.offer(np.full((16, 1), value), stamp, 0.1)


def at(schedule: ChunkSchedule, time: float) -> float:
    return float(schedule.path.sample(np.array([time])).position[0, 0])


def test_a_chunk_waits_for_the_tick_that_takes_it(schedule) -> None:
    chunk(schedule, 1.0, 0.0)
    assert schedule.path is None and not schedule.wants(0.0, 0.3)
    assert schedule.take(0.1) is None
    assert at(schedule, 0.5) == 1.0


def test_the_next_chunk_takes_over_smoothly_and_its_distance_is_told(schedule) -> None:
    chunk(schedule, 1.0, 0.0)
    schedule.take(0.1)
    chunk(schedule, 3.0, 0.4)
    assert schedule.take(0.5) == pytest.approx(2.0)
    values = [at(schedule, t) for t in (0.5, 0.6, 0.7)]
    assert values == pytest.approx([1.0, 2.0, 3.0])


def test_the_newest_of_two_waiting_chunks_counts(schedule) -> None:
    chunk(schedule, 1.0, 0.0)
    chunk(schedule, 2.0, 0.0)
    schedule.take(0.1)
    assert at(schedule, 0.5) == 2.0


def test_a_refused_or_late_chunk_is_never_taken(schedule) -> None:
    chunk(schedule, 1.0, 0.0)
    schedule.refuse_pending()
    schedule.take(0.1)
    assert schedule.path is None and schedule.late == 0
    chunk(schedule, 1.0, 0.0)
    schedule.take(1.61)
    assert schedule.path is None and schedule.late == 1


def test_it_runs_out_while_a_stop_along_it_still_fits(schedule) -> None:
    assert not schedule.runs_out(99.0)
    chunk(schedule, 1.0, 0.0)
    schedule.take(0.1)
    assert not schedule.runs_out(1.25) and schedule.runs_out(1.27)
    assert all(path.end - 1.26 <= 0.6 + 1e-9 for path in schedule.stops(1.26))
    assert [path.end for path in schedule.stops(1.0)] == pytest.approx([1.3, 1.45, 1.6])


def test_a_new_reference_holds_whatever_was_planned(schedule) -> None:
    chunk(schedule, 3.0, 0.0)
    schedule.take(0.1)
    schedule.hold(ONE)
    assert at(schedule, 0.2) == at(schedule, 5.0) == 1.0
    assert not schedule.runs_out(5.0) and schedule.wants(0.2, 0.0)


def test_dropping_stops_the_path_and_asks_for_a_chunk(schedule) -> None:
    schedule.offer(np.arange(1.0, 17.0)[:, None] / 10, 0.0, 0.1)
    schedule.take(0.1)
    assert not schedule.wants(0.2, 0.3)
    schedule.drop(0.5)
    assert schedule.wants(0.5, 0.3) and not schedule.runs_out(5.0)
    assert at(schedule, 0.8) == pytest.approx(0.65, abs=1e-6)
    schedule.drop(0.6)
    assert at(schedule, 5.0) == pytest.approx(0.65, abs=1e-6)
    schedule.prune(0.81)
    assert at(schedule, 5.0) == pytest.approx(0.65, abs=1e-6)


def test_a_chunk_is_wanted_a_latency_before_its_turn(schedule) -> None:
    chunk(schedule, 1.0, 0.0)
    schedule.take(0.1)  # eight rows: until 0.9
    margin = MotionConfig().request_margin_s
    assert not schedule.wants(0.9 - 0.3 - margin - 0.01, 0.3)
    assert schedule.wants(0.9 - 0.3 - margin + 0.01, 0.3)


def test_speeds_fade_to_zero_where_positions_stop_along_the_path() -> None:
    schedule = ChunkSchedule(MotionConfig(), 0.02, np.array([True, False]))
    rows = np.stack([np.full(16, 0.5), 0.1 * np.arange(1.0, 17.0)], axis=1)
    schedule.offer(rows, 0.0, 0.1)
    schedule.take(0.1)
    for path in schedule.stops(0.5):
        last = path.sample(np.array([path.end + 1.0]))
        assert last.position[0] == pytest.approx([0.0, 0.5 + (path.end - 0.5) / 2], abs=1e-3)
        assert not last.velocity.any() and not last.acceleration.any()
    schedule.drop(0.5)
    schedule.prune(0.9)
    assert schedule.path.sample(np.array([5.0])).position[0, 0] == 0.0
