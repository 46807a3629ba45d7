# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantvla_ros.control.crossfade import Crossfade
from quantvla_ros.control.stopping import SlowedPath
from quantvla_ros.control.timeline import ChunkTimeline, Hold
from quantvla_ros.control.tracker import Tracker

PERIOD = 0.02
START = 1.7e9


def follow(limits, path, home, jitter, seconds, together=None):
    """Pursue a path with the ticks given; return tracker and the dense motion that came of it."""
    tracker = Tracker(limits, 0.1, 0.2, home, together=together)
    tracker.start_at(home, START)
    now, dense = START, []
    while now < START + seconds:
        tracker.pursue(path, now)
        step = next(jitter)
        dense.append(np.stack(tracker.plan.sample(now + step * np.arange(8) / 8)))
        now += step
    return tracker, np.concatenate(dense, axis=1)


def regular():
    while True:
        yield PERIOD


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.05, 0.3, 2.0, 20.0]))
def test_whatever_the_path_asks_the_limits_hold(limits, home, seed, wild) -> None:
    rng = np.random.default_rng(seed)
    old = ChunkTimeline(home + wild * rng.normal(size=(16, 4)), START, 0.1, START)
    new = ChunkTimeline(home + wild * rng.normal(size=(16, 4)), START + 0.5, 0.1, START + 0.5)
    path = Crossfade(Crossfade(Hold(home), old, START, 0.2), new, START + 0.7, 0.2)
    jitter = iter(rng.choice([0.02, 0.02, 0.005, 0.035, 0.1, 0.6], size=2000))
    _, (p, v, a) = follow(limits, path, home, jitter, 2.5)
    assert (p >= limits.lower - 1e-6).all() and (p <= limits.upper + 1e-6).all()
    assert (np.abs(v) <= limits.velocity * (1 + 1e-6)).all()
    assert (np.abs(a) <= limits.acceleration * (1 + 1e-6)).all()


def test_a_feasible_path_is_followed_without_lag(limits, home) -> None:
    amplitude = np.array([0.2, 0.2, 0.3, 0.01])
    due = 0.1 * np.arange(1, 61)
    rise = np.minimum(due / 2, 1.0)[:, None] ** 2

    def wish(t):
        return amplitude * np.sin(2 * np.pi * 0.4 * t[:, None] + np.arange(4))

    path = ChunkTimeline(home + rise * wish(due), START, 0.1, START)
    tracker, (p, v, _) = follow(limits, path, home, regular(), 5.5)
    t = START + np.arange(len(p)) * PERIOD / 8
    settled = t > START + 2.5
    asked = path.sample(t[settled])
    assert np.abs(p[settled] - asked.position).max() < 2e-3
    assert np.abs(v[settled] - asked.velocity).max() < 3e-2
    assert np.abs(p[settled] - home - wish(t[settled] - START)).max() < 1e-2
    assert not tracker.limited.any() and not tracker.clamped.any()


def test_a_path_outside_the_limits_is_followed_to_the_limit_and_counted(limits, home) -> None:
    tracker, (p, v, _) = follow(limits, Hold(limits.upper + 1.0), home, regular(), 6.0)
    np.testing.assert_allclose(p[-1], limits.upper, atol=1e-4)
    np.testing.assert_allclose(v[-1], 0.0, atol=1e-3)
    assert (tracker.clamped == 300).all() or (tracker.clamped >= 299).all()


def test_a_far_goal_is_reached_at_the_limits_and_counted(limits, home) -> None:
    goal = home + np.array([2.0, 0.0, 0.0, 0.0])
    tracker, (p, v, _) = follow(limits, Hold(goal), home, regular(), 4.0)
    np.testing.assert_allclose(p[-1], goal, atol=1e-3)
    assert tracker.limited[0] > 10 and not tracker.limited[1:].any()
    assert np.abs(v[:, 0]).max() > 0.8 * limits.velocity[0]
    np.testing.assert_allclose(p[:, 1:], np.tile(home[1:], (len(p), 1)), atol=1e-9)


def test_joints_of_an_arm_go_straight_to_a_goal_and_a_finger_waits_for_none(limits, home) -> None:
    """The elbow, whose limits are the lowest, would lag behind the others if each went alone."""
    goal = home + np.array([0.15, 0.15, -0.15, 0.01])
    alone, arm = np.arange(4), np.array([0, 0, 0, 1])
    off, done = {}, {}
    for name, together in (("alone", alone), ("arm", arm)):
        _, (p, _, _) = follow(limits, Hold(goal), home, regular(), 2.0, together)
        way = (p - home) / (goal - home)
        np.testing.assert_allclose(way[-1], 1.0, atol=1e-3)
        off[name] = np.ptp(way[:, :3], axis=1).max()
        done[name] = (way[:, 3] < 0.99).sum()
    assert off["alone"] > 0.4
    assert off["arm"] < 1e-6
    assert done["arm"] == done["alone"]


def test_a_joint_that_begins_outside_may_only_come_in(limits, home) -> None:
    outside = home.copy()
    outside[3] = -0.002
    _, (p, _, _) = follow(limits, Hold(outside), outside, regular(), 1.0)
    assert p[:, 3].min() >= -0.002 - 1e-6
    assert abs(p[-1, 3]) < 1e-4


def moving(limits, home):
    """A tracker in the middle of a smooth motion, its path and the time."""
    due = 0.1 * np.arange(1, 31)
    shape = np.sin(2 * due)[:, None] * np.array([0.3, 0.15, 0.3, 0.01])
    path = ChunkTimeline(home + shape, START, 0.1, START)
    path = Crossfade(Hold(home), path, START, 0.6)
    tracker, _ = follow(limits, path, home, regular(), 1.4)
    return tracker, path, START + 1.4


def test_a_stop_along_the_path_stays_on_it(limits, home) -> None:
    tracker, path, now = moving(limits, home)
    slowed = SlowedPath(path, now, 0.5)
    tracker.stop([SlowedPath(path, now, 0.05), slowed], now)
    assert tracker.plan.end == pytest.approx(now + 0.5, abs=1e-6)
    t = np.linspace(now, now + 0.7, 60)
    np.testing.assert_allclose(
        tracker.plan.sample(t).position, slowed.sample(t).position, atol=2e-3
    )
    rest = tracker.plan.sample(np.array([now + 0.51]))
    assert not rest.velocity.any() and not rest.acceleration.any()


def test_a_stop_that_no_path_allows_brakes_at_once(limits, home) -> None:
    tracker, _, now = moving(limits, home)
    velocity = tracker.plan.sample(np.array([now])).velocity[0]
    assert np.abs(velocity).max() > 0.2
    tracker.stop([SlowedPath(Hold(home + 1.0), now, 0.3)], now)
    expected = (np.abs(velocity) / (0.98 * limits.acceleration)).max()
    assert tracker.plan.end - now < expected + 0.15
    state = np.stack(tracker.plan.sample(np.linspace(now, tracker.plan.end, 200)))
    assert (np.abs(state[1]) <= limits.velocity).all()
    assert (np.abs(state[2]) <= limits.acceleration).all()
