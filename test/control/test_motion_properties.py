# SPDX-License-Identifier: Apache-2.0
"""What must hold whatever chunks, delays, drops, limits, rates, stops and lost windows come.

1000 cases here and 100 000 in the profile `nightly` (see test/conftest.py).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from control.random_session import LASTING, Session, cases
from hypothesis import HealthCheck, given, settings

from quantvla_ros.control.config import Mode
from quantvla_ros.control.quintic import QuinticJoins, state_powers

ROUNDING = 1e-9
BETWEEN = 0.15, 0.3, 0.5, 0.7, 0.85
"""Instants between two points, as shares of the time between them."""
OWN_WAY = 0.02
"""Share by which a controller's quintics may pass a limit; without a cap on the jerk it was a third
of the acceleration."""
JUMPS = 10
"""The jerk between two points of a window changes by at most so many times its limit."""
SEEN = 0.0014, 0.005, 1.9
"""By the jump of a jerk amid an interval of length 1 a quintic errs in position and in velocity by
these shares of it; by an error of 1 in the position at its end in velocity by the last."""


@pytest.mark.timeout(0)
@settings(
    max_examples=max(1000, settings.default.max_examples),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(case=cases)
def test_every_session_keeps_the_limits_joins_and_comes_to_rest(limits, home, case) -> None:
    session = Session(limits, home, case)
    check_windows(session)
    check_between(session)
    check_plans(session)
    check_joins(session)
    check_followed(session)
    check_end(session)
    check_rest(session)


def check_windows(session) -> None:
    limits = session.limits
    for w in session.windows:
        steps = np.diff(w.times_from_start)
        assert w.times_from_start[0] > 0 and (steps > 0).all()
        assert np.isfinite(w.positions).all()
        assert not w.velocities[-1].any() and not w.accelerations[-1].any()
        assert (w.positions >= limits.lower - ROUNDING).all()
        assert (w.positions <= limits.upper + ROUNDING).all()
        assert (np.abs(w.velocities) <= limits.velocity + ROUNDING).all()
        assert (np.abs(w.accelerations) <= limits.acceleration + ROUNDING).all()
        # Positions, velocities and accelerations are of ONE motion.
        mean = (w.velocities[1:] + w.velocities[:-1]) * steps[0] / 2
        moved = np.diff(w.positions, axis=0) - mean
        assert (np.abs(moved) <= limits.jerk * steps[0] ** 3 / 6 + 1e-6).all()


def check_between(session) -> None:
    """What a controller makes of a window between its points keeps the limits too."""
    limits, joints = session.limits, ~session.speeds
    for w in session.windows:
        states = np.stack([w.positions, w.velocities, w.accelerations], axis=1)
        joins = QuinticJoins(states[:-1], states[1:], np.diff(w.times_from_start))
        for share in BETWEEN:
            powers = state_powers(np.full(len(states) - 1, share))
            _, velocity, acceleration = joins.at(powers)[:, :, joints].swapaxes(0, 1)
            assert (np.abs(velocity) <= limits.velocity[joints] * (1 + OWN_WAY)).all()
            assert (np.abs(acceleration) <= limits.acceleration[joints] * (1 + OWN_WAY)).all()


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
        for before, after in zip(old.sample(at), new.sample(at), strict=True):
            np.testing.assert_allclose(after, before, atol=1e-7)


def check_followed(session) -> None:
    """A controller that follows the windows themselves never jumps to the next one."""
    jerk = JUMPS * session.limits.jerk
    for old, new in pairwise(session.windows):
        assert new.begin >= old.begin
        followed = old.sample(new.begin)
        step = old.times_from_start[1] - old.times_from_start[0]
        points = (new.begin - old.begin) / step
        near, off = 1e-6, 1e-5
        if abs(points - round(points)) > 1e-6 and points < len(old.positions):
            near = near + SEEN[0] * jerk * step**3
            off = off + SEEN[1] * jerk * step**2 + SEEN[2] * 1e-6 / step
        assert (np.abs(new.positions[0] - followed.position[0]) <= near).all()
        assert (np.abs(new.velocities[0] - followed.velocity[0]) <= off).all()


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
