# SPDX-License-Identifier: Apache-2.0
"""What must hold of every published window, whatever chunks, ticks and stops come."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from quantvla_ros.control.config import Mode
from quantvla_ros.control.faults import FaultCode
from quantvla_ros.control.motion import MotionController

PERIOD, DT, START = 0.02, 0.1, 1.7e9

sessions = given(
    seed=st.integers(0, 2**32 - 1),
    wild=st.sampled_from([0.01, 0.1, 0.5, 2.0, 30.0]),
    stop_at=st.integers(5, 120),
    stop=st.sampled_from(["fault", "disarm", "deactivate", "nan", "drop", "silence"]),
)


def session(limits, home, seed, wild, stop_at, stop):
    """Windows of an armed controller that is fed, jittered, and stopped at tick ``stop_at``."""
    rng = np.random.default_rng(seed)
    controller = MotionController(limits, PERIOD)
    controller.activate(START)
    controller.observe_joints(START, home, np.zeros(4))
    controller.arm(START)
    now, windows, centre = START, [], home.copy()
    for tick in range(stop_at + 200):
        now += float(rng.choice([0.02, 0.02, 0.02, 0.019, 0.024, 0.0, 0.1, -0.01]))
        if tick < stop_at and rng.random() < 0.08:
            centre = home + wild * rng.normal(size=4)
            rows = rng.integers(1, 17)
            points = centre + wild * 0.3 * np.cumsum(rng.normal(size=(rows, 4)), axis=0)
            controller.offer_chunk(points, now - rng.uniform(0.0, 0.5), DT)
        if tick == stop_at:
            if stop == "fault":
                controller.raise_fault(FaultCode.STALE_CAMERA, "x", now)
            elif stop == "nan":
                controller.offer_chunk(np.full((16, 4), np.nan), now, DT)
            elif stop == "drop":
                controller.drop_chunks(now)
            elif stop != "silence":
                getattr(controller, stop)(now)
        window = controller.tick(now)
        if window is not None:
            windows.append(window)
        elif tick > stop_at:
            break
    return controller, windows


@settings(max_examples=30, deadline=None)
@sessions
def test_every_window_keeps_the_limits_and_ends_at_rest(limits, home, **how) -> None:
    _, windows = session(limits, home, **how)
    for w in windows:
        steps = np.diff(w.times_from_start)
        assert w.times_from_start[0] > 0 and (steps > 0).all()
        assert np.isfinite(w.positions).all()
        assert not w.velocities[-1].any() and not w.accelerations[-1].any()
        assert (w.positions >= limits.lower - 1e-6).all()
        assert (w.positions <= limits.upper + 1e-6).all()
        assert (np.abs(w.velocities) <= limits.velocity).all()
        assert (np.abs(w.accelerations) <= limits.acceleration).all()
        jerk = np.diff(w.accelerations, axis=0) / steps[:, None]
        assert (np.abs(jerk) <= limits.jerk * 1.001).all()
        # Positions, velocities and accelerations are of ONE motion.
        moved = np.diff(w.positions, axis=0) - (w.velocities[1:] + w.velocities[:-1]) * steps[0] / 2
        assert (np.abs(moved) <= limits.jerk * steps[0] ** 3 / 6 + 1e-6).all()


@settings(max_examples=30, deadline=None)
@sessions
def test_each_window_begins_on_the_one_before(limits, home, **how) -> None:
    _, windows = session(limits, home, **how)
    for old, new in pairwise(windows):
        at = new.stamp + float(new.times_from_start[0])
        expected = old.sample(max(at, old.stamp + float(old.times_from_start[0])))
        # A controller's quintic differs a little from the motion between its points.
        h = PERIOD
        assert (np.abs(expected.position[0] - new.positions[0]) < limits.jerk * h**3 / 50).all()
        assert (np.abs(expected.velocity[0] - new.velocities[0]) < limits.jerk * h**2 / 10).all()
        assert (np.abs(expected.acceleration[0] - new.accelerations[0]) < limits.jerk * h).all()


@settings(max_examples=30, deadline=None)
@sessions
def test_what_the_arm_does_in_all_keeps_the_limits(limits, home, **how) -> None:
    _, windows = session(limits, home, **how)
    h = PERIOD / 10
    for old, new in pairwise(windows):
        begin = old.stamp + float(old.times_from_start[0])
        end = new.stamp + float(new.times_from_start[0])
        states = [old.sample(t) for t in np.arange(begin, end, h)]
        if not states:
            continue
        velocity = np.concatenate([s.velocity for s in states])
        acceleration = np.concatenate([s.acceleration for s in states])
        # Between points a quintic may swing beyond its ends by a share of jerk times period.
        assert (np.abs(velocity) <= limits.velocity + limits.jerk * PERIOD**2 / 20).all()
        assert (np.abs(acceleration) <= limits.acceleration + limits.jerk * PERIOD / 4).all()


@settings(max_examples=30, deadline=None)
@sessions
def test_every_stop_comes_to_rest(limits, home, **how) -> None:
    controller, windows = session(limits, home, **how)
    longest = 0.6 + (limits.velocity / limits.acceleration + 0.1).max()
    if how["stop"] in ("fault", "nan", "disarm", "deactivate"):
        assert controller.at_rest
        assert len(windows) < how["stop_at"] + longest / PERIOD + 10
        wanted = {"disarm": (Mode.DRY_RUN, Mode.FAULT), "deactivate": (Mode.INACTIVE,)}
        assert controller.mode in wanted.get(how["stop"], (Mode.FAULT,))
    else:
        # A chunk that was short may have ended in an underrun before.
        last = windows[-1] if windows else None
        assert controller.at_rest or (last and np.abs(last.velocities[0]).max() < 1e-3)
