# SPDX-License-Identifier: Apache-2.0
"""What must hold whatever chunks, delays, drops, limits, rates and stops come.

1000 cases here and 100 000 in the profile `nightly` (see test/conftest.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quantvla_ros.control.config import Mode, MotionConfig
from quantvla_ros.control.faults import FaultCode
from quantvla_ros.control.motion import MotionController

DT, START = 0.1, 1.7e9
ROUNDING = 1e-9
JITTER = (1.0, 1.0, 1.0, 0.95, 1.2, 0.0, 5.0, -0.5)  # of the period, from tick to tick
STOPS = ("fault", "disarm", "deactivate", "nan", "drop", "silence")


@dataclass(frozen=True)
class Case:
    """One session; everything else in it follows from ``seed``."""

    seed: int
    rate: int
    wild: float
    lost: float
    speed: float
    force: float
    blend_s: float
    stop_s: float
    stop_at: int
    stop: str


cases = st.builds(
    Case,
    seed=st.integers(0, 2**32 - 1),
    rate=st.sampled_from([50, 20, 50, 100, 200]),
    wild=st.sampled_from([0.01, 0.1, 0.5, 2.0, 30.0]),
    lost=st.sampled_from([0.0, 0.5]),
    speed=st.sampled_from([1.0, 0.2, 2.0]),
    force=st.sampled_from([1.0, 0.2, 3.0]),
    blend_s=st.sampled_from([0.2, 0.05, 0.5]),
    stop_s=st.sampled_from([0.3, 0.1]),
    stop_at=st.integers(3, 40),
    stop=st.sampled_from(STOPS),
)


class Session:
    """An armed controller that is fed, jittered, and stopped at tick ``stop_at``."""

    def __init__(self, limits, home, case: Case) -> None:
        self.case = case
        self.limits = replace(
            limits,
            velocity=limits.velocity * case.speed,
            acceleration=limits.acceleration * case.force,
            jerk=limits.jerk * case.force,
        )
        self.period = 1.0 / case.rate
        config = MotionConfig(blend_s=case.blend_s, stop_s=case.stop_s)
        self.c = MotionController(self.limits, self.period, config)
        self.windows, self.plans = [], []
        self._play(np.random.default_rng(case.seed), home)

    def _play(self, rng, home) -> None:
        case, c = self.case, self.c
        c.activate(START)
        c.observe_joints(START, home, np.zeros(4))
        c.arm(START)
        now, centre = START, home.copy()
        longest = 2 * case.stop_s + (self.limits.velocity / self.limits.acceleration).max() + 1.0
        self.most = case.stop_at + int(longest / self.period) + 40
        for tick in range(self.most):
            now += self.period * float(rng.choice(JITTER))
            if tick < case.stop_at and rng.random() < 0.15:
                centre = home + case.wild * rng.normal(size=4)
                rows = rng.integers(1, 17)
                steps = case.wild * 0.3 * np.cumsum(rng.normal(size=(rows, 4)), axis=0)
                if rng.random() >= case.lost:
                    c.offer_chunk(centre + steps, now - rng.uniform(0.0, 0.5), DT)
            if tick == case.stop_at:
                self._stop(now)
            window = c.tick(now)
            if window is not None:
                self.windows.append(window)
                self.plans.append(c._tracker.plan)
            elif tick > case.stop_at:
                break
        self.ticks = tick

    def _stop(self, now: float) -> None:
        if self.case.stop == "fault":
            self.c.raise_fault(FaultCode.STALE_CAMERA, "x", now)
        elif self.case.stop == "nan":
            self.c.offer_chunk(np.full((16, 4), np.nan), now, DT)
        elif self.case.stop == "drop":
            self.c.drop_chunks(now)
        elif self.case.stop != "silence":
            getattr(self.c, self.case.stop)(now)

    def check_windows(self) -> None:
        limits = self.limits
        for w in self.windows:
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

    def check_plans(self) -> None:
        """Between the points of the windows too, and the jerk: by the polynomials themselves."""
        for plan in self.plans:
            position, velocity, acceleration, jerk = states(plan)
            limits = self.limits
            assert (position >= limits.lower[:, None] - ROUNDING).all()
            assert (position <= limits.upper[:, None] + ROUNDING).all()
            assert (np.abs(velocity) <= limits.velocity[:, None] + ROUNDING).all()
            assert (np.abs(acceleration) <= limits.acceleration[:, None] + ROUNDING).all()
            assert (np.abs(jerk) <= limits.jerk[:, None] * (1 + ROUNDING) + ROUNDING).all()

    def check_joins(self) -> None:
        """Each plan begins in the state that the one before it has then."""
        for old, new in pairwise(self.plans):
            at = np.array([new.start])
            for before, after in zip(old.sample(at), new.sample(at), strict=True):
                np.testing.assert_allclose(after, before, atol=1e-7)

    def check_end(self) -> None:
        c, case = self.c, self.case
        if case.stop in ("fault", "nan", "disarm", "deactivate"):
            assert c.at_rest and self.ticks < self.most - 1
            wanted = {"disarm": (Mode.DRY_RUN, Mode.FAULT), "deactivate": (Mode.INACTIVE,)}
            assert c.mode in wanted.get(case.stop, (Mode.FAULT,))
        else:
            # A chunk that was short may have ended in an underrun before.
            last = self.windows[-1] if self.windows else None
            assert c.at_rest or (last and np.abs(last.velocities[0]).max() < 1e-3)


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


@pytest.mark.timeout(0)
@settings(
    max_examples=max(1000, settings.default.max_examples),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(case=cases)
def test_every_session_keeps_the_limits_joins_and_comes_to_rest(limits, home, case) -> None:
    session = Session(limits, home, case)
    session.check_windows()
    session.check_plans()
    session.check_joins()
    session.check_end()
