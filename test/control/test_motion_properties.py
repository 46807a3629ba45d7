# SPDX-License-Identifier: Apache-2.0
"""What must hold whatever chunks, delays, drops, limits, rates, stops and lost windows come.

1000 cases, most of them among the slow tests, and 100 000 in the profile `nightly` (see
test/conftest.py).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.random_session import LASTING, START, Case, Session, cases

from calib_tools.common.setpoints import ControllerSetup, replay, window_trajectory
from quantvla_ros.control.config import Mode, MotionConfig
from quantvla_ros.control.quintic import QuinticJoins, state_powers
from simulation.controller_release import RELEASES

ROUNDING = 1e-9
ONES = (1.0,) * 4
LATEST_S = MotionConfig().transport_margin_s
MOST = max(1000, settings.default.max_examples)
# More of these than of the sessions would take minutes.
REPLAYED = max(20, settings.default.max_examples // 20)


def examples(count: int) -> settings:
    return settings(
        max_examples=count,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )


@pytest.mark.timeout(0)
@examples(MOST // 5)
@given(case=cases)
def test_a_session_keeps_the_limits_joins_and_comes_to_rest(limits, home, case) -> None:
    check_session(limits, home, case)


@pytest.mark.slow
@pytest.mark.timeout(0)
@examples(MOST - MOST // 5)
@given(case=cases)
def test_every_session_keeps_the_limits_joins_and_comes_to_rest(limits, home, case) -> None:
    check_session(limits, home, case)


def check_session(limits, home, case) -> None:
    session = Session(limits, home, case)
    check_windows(session)
    check_between(session)
    check_plans(session)
    check_joins(session)
    check_followed(session)
    check_end(session)
    check_rest(session)


@pytest.mark.timeout(0)
@examples(REPLAYED)
@given(case=cases, seed=st.integers(0, 2**32 - 1))
@example(  # 80 % of the windows withdrawn, one lost, and a controller whose clock is 3 ms ahead
    case=Case(
        seed=511, rate=200, wild=0.01, lost=0.0, withdrawn=0.8, velocity=ONES, acceleration=ONES,
        jerk=ONES, room=ONES, begin=(0.5,) * 4, speeds=(False,) * 4, blend_s=0.5, stop_s=0.1,
        stop_at=37, stop="fault",
    ),
    seed=1,
)  # fmt: skip
def test_setpoints_of_every_controller_keep_the_limits(limits, home, case, seed) -> None:
    """At each rate, of each release, with either option, whatever clocks and transport do."""
    session = Session(limits, home, replace(case, speeds=(False,) * 4))
    if not session.windows:
        return
    rng = np.random.default_rng(seed)
    held = session.windows[0].positions[0]
    for release, rate in product(RELEASES.values(), (100.0, 250.0, 500.0, 1000.0)):
        controller = ControllerSetup(
            release,
            rate,
            from_desired=bool(rng.integers(2)),
            state_age_s=float(rng.choice([0.0, 0.01, 0.03])),
            cycle_jitter=float(rng.choice([0.0, 0.3])),
            clock_ahead_s=float(rng.choice([0.0, 0.003, -0.003])),
        )
        arrivals = [
            (at - START, window_trajectory(window, limits.names, START))
            for at, window in delivered(
                session.windows,
                LATEST_S - abs(controller.clock_ahead_s),
                max(controller.clock_ahead_s, 0.0),
                rng,
            )
        ]
        shares = replay(arrivals, held, controller, rng).shares(session.c._limits)
        assert max(shares) <= 1.0, (controller, shares)


def delivered(windows, latest_s, ahead_s, rng):
    """Arrivals of windows: each after up to ``latest_s``, and some of them never.

    One may be lost where the next one comes before the lost one departs from the one before it, by
    the controller's clock, which is up to ``ahead_s`` ahead.
    """
    arrivals, before, lost = [], -np.inf, True
    for window, following in zip(windows, [*windows[1:], None], strict=True):
        in_time = following is not None and following.stamp + latest_s + ahead_s <= window.begin
        lost = not lost and in_time and rng.random() < 0.3
        if not lost:
            before = max(before, window.stamp + rng.uniform(0.0, latest_s))
            arrivals.append((before, window))
    return arrivals


def check_windows(session) -> None:
    limits = session.limits
    for w in session.windows:
        steps = np.diff(w.times)[:, None]
        assert (steps > 0).all() and w.begin > w.stamp
        assert np.isfinite(w.positions).all()
        assert not w.velocities[-1].any() and not w.accelerations[-1].any()
        assert (w.positions >= limits.lower - ROUNDING).all()
        assert (w.positions <= limits.upper + ROUNDING).all()
        assert (np.abs(w.velocities) <= limits.velocity + ROUNDING).all()
        assert (np.abs(w.accelerations) <= limits.acceleration + ROUNDING).all()
        # Positions, velocities and accelerations are of ONE motion.
        mean = (w.velocities[1:] + w.velocities[:-1]) * steps / 2
        moved = np.diff(w.positions, axis=0) - mean
        assert (np.abs(moved) <= limits.jerk * steps**3 / 6 + 1e-6).all()


def check_between(session) -> None:
    """What a controller makes of a window between its points keeps the limits, the jerk too."""
    limits, joints = session.c._limits, ~session.speeds
    rates = np.stack([limits.velocity, limits.acceleration, limits.jerk], axis=1)[joints]
    for w in session.windows:
        peaks = w.joins(w.fresh).peaks()[:, joints]
        assert (peaks <= rates * (1 + ROUNDING) + ROUNDING).all()


def check_plans(session) -> None:
    """Between the points of the windows too, and the jerk: by the polynomials themselves."""
    limits = session.limits
    for plan in session.plans:
        position, velocity, acceleration, jerk = states(plan)
        assert (position >= limits.lower[:, None] - ROUNDING).all()
        assert (position <= limits.upper[:, None] + ROUNDING).all()
        assert (np.abs(velocity) <= limits.velocity[:, None] + ROUNDING).all()
        assert (np.abs(acceleration) <= limits.acceleration[:, None] + ROUNDING).all()
        assert (np.abs(jerk) <= limits.jerk[:, None] * (1 + ROUNDING) + ROUNDING).all()


def check_joins(session) -> None:
    """Each plan begins in the state that the published one before it has then."""
    for old, new in pairwise(session.plans):
        at = np.array([new.start])
        assert close(new.sample(at), old.sample(at))


def check_followed(session) -> None:
    """Up to where it departs a window says what the one before said, and no controller jumps."""
    for old, new in pairwise(session.windows):
        assert new.begin >= old.begin
        at = np.linspace(max(new.start, old.start), new.begin, 8)
        assert close(told(new, at), told(old, at))


def close(after, before) -> bool:
    return np.allclose(after, before, rtol=1e-7, atol=1e-7)


def told(window, times):
    """States [K, 3, n] that a controller makes of a window: `Window.sample` for many times."""
    at = np.minimum(times - window.stamp, window.times[-1])
    k = np.minimum(np.searchsorted(window.times, at, side="right"), len(window.times) - 1) - 1
    spans, states = np.diff(window.times), window.states()
    joins = QuinticJoins(states[k], states[k + 1], spans[k])
    return joins.at(state_powers((at - window.times[k]) / spans[k]))


def check_end(session) -> None:
    c, case = session.c, session.case
    if case.stop not in LASTING:
        assert c.at_rest and session.ticks < session.most - 1
        wanted = {"disarm": (Mode.DRY_RUN, Mode.FAULT), "deactivate": (Mode.INACTIVE,)}
        assert c.mode in wanted.get(case.stop, (Mode.FAULT,))
    else:
        # A chunk that was short may have ended in an underrun before.
        last = session.windows[-1] if session.windows else None
        assert c.at_rest or (last and np.abs(last.velocities[0]).max() < 1e-3)


def check_rest(session) -> None:
    """Who is told nothing any more stands; a speed that is told last lasts, so it is zero."""
    if session.rested is None or not session.windows:
        return
    told = session.plans[-1].sample(session.rested + np.linspace(0.0, 3.0, 61))
    np.testing.assert_allclose(told.position, np.tile(told.position[-1], (61, 1)), atol=1e-9)
    last = session.windows[-1].positions[-1]
    np.testing.assert_allclose(last, told.position[-1], atol=1e-6)
    np.testing.assert_allclose(last[session.speeds], 0.0, atol=1e-6)


U = (1 - np.cos(np.pi * np.arange(17) / 16)) / 2


def states(plan):
    """Position, velocity, acceleration and jerk [n, S * 17] within all pieces of a plan."""
    breaks = np.concatenate([plan._breaks, np.full((len(plan._breaks), 1), np.inf)], axis=1)
    spans = np.diff(np.where(np.isfinite(breaks), breaks, np.nanmax(breaks[np.isfinite(breaks)])))
    u = spans[:, :, None] * U
    c = plan._coefficients[..., None]
    c0, c1, c2, c3, c4, c5 = (c[:, :, k] for k in range(6))
    position = c0 + u * (c1 + u * (c2 + u * (c3 + u * (c4 + u * c5))))
    velocity = c1 + u * (2 * c2 + u * (3 * c3 + u * (4 * c4 + u * 5 * c5)))
    acceleration = 2 * c2 + u * (6 * c3 + u * (12 * c4 + u * 20 * c5))
    jerk = 6 * c3 + u * (24 * c4 + u * 60 * c5)
    used = np.broadcast_to(spans[:, :, None] > 0, u.shape)
    rest = position[:, :1, :1]
    return [
        np.where(used, values, fill).reshape(len(c), -1)
        for values, fill in ((position, rest), (velocity, 0.0), (acceleration, 0.0), (jerk, 0.0))
    ]
