# SPDX-License-Identifier: Apache-2.0
"""Sessions of a motion controller in which everything is left to chance, as far as it may be."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from quantvla_ros.control.config import MotionConfig
from quantvla_ros.control.faults import FaultCode
from quantvla_ros.control.motion import MotionController

DT, START = 0.1, 1.7e9
JITTER = (1.0, 1.0, 1.0, 0.95, 1.2, 0.0, 5.0, -0.5)  # of the period, from tick to tick
STOPS = ("fault", "disarm", "deactivate", "nan", "drop", "silence")
LASTING = ("drop", "silence")  # these stop nothing: the arm goes to the last point asked for
ENDLESS = 5.0  # rad to which chunks keep on a joint without position limits


@dataclass(frozen=True)
class Case:
    """One session; tuples are by joint, and everything else in it follows from ``seed``.

    Attributes:
        rate: of control (Hz).
        wild: how far apart the points of chunks are.
        lost: share of the chunks that do not come.
        withdrawn: share of the windows that are not published.
        velocity: factor of its limit; ``acceleration`` and ``jerk`` likewise.
        room: width between its position limits, of the usual one; infinite for none.
        begin: where between them it begins.
        speeds: whether its values are speeds.
    """

    seed: int
    rate: int
    wild: float
    lost: float
    withdrawn: float
    velocity: tuple[float, ...]
    acceleration: tuple[float, ...]
    jerk: tuple[float, ...]
    room: tuple[float, ...]
    begin: tuple[float, ...]
    speeds: tuple[bool, ...]
    blend_s: float
    stop_s: float
    stop_at: int
    stop: str


def _each(*values):
    return st.tuples(*[st.sampled_from(values)] * 4)


cases = st.builds(
    Case,
    seed=st.integers(0, 2**32 - 1),
    rate=st.sampled_from([50, 20, 50, 100, 200]),
    wild=st.sampled_from([0.01, 0.1, 0.5, 2.0, 30.0]),
    lost=st.sampled_from([0.0, 0.5]),
    withdrawn=st.sampled_from([0.0, 0.0, 0.1, 0.8]),
    velocity=_each(1.0, 0.2, 2.0),
    acceleration=_each(1.0, 0.2, 3.0),
    jerk=_each(1.0, 0.2, 3.0),
    room=_each(1.0, 0.2, 0.01, np.inf),
    begin=_each(0.5, 0.1, 0.0, 1.0),
    speeds=st.one_of(st.just((False,) * 4), _each(False, True)),
    blend_s=st.sampled_from([0.2, 0.05, 0.5]),
    stop_s=st.sampled_from([0.3, 0.1]),
    stop_at=st.integers(3, 40),
    stop=st.sampled_from(STOPS),
)


class Session:
    """An armed controller that is fed, jittered, and stopped at tick ``stop_at``.

    Attributes:
        windows: those that were published, and ``plans`` what they were made of.
        rested: time from which on the arm had to stand, None if it never had to.
        ticks: how many it took, of at most ``most``.
    """

    def __init__(self, limits, home, case: Case) -> None:
        self.case = case
        self.speeds = np.array(case.speeds)
        self.limits, self.home = _limits(limits, home, case)
        self.period = 1.0 / case.rate
        config = MotionConfig(blend_s=case.blend_s, stop_s=case.stop_s)
        self.c = MotionController(self.limits, self.period, config, self.speeds)
        self.windows, self.plans, self.rested = [], [], None
        self._play(np.random.default_rng(case.seed))

    def _play(self, rng) -> None:
        case, c = self.case, self.c
        c.activate(START)
        c.observe_joints(START, self.home, np.zeros(4))
        c.arm(START)
        now = START
        self.most = case.stop_at + int(self._longest_s() / self.period / (1 - case.withdrawn)) + 40
        for tick in range(self.most):
            now += self.period * float(rng.choice(JITTER))
            if tick < case.stop_at and rng.random() < 0.15:
                points = self._points(rng)
                if rng.random() >= case.lost:
                    c.offer_chunk(points, now - rng.uniform(0.0, 0.5), DT)
            if tick == case.stop_at:
                self._stop(now)
            window = c.tick(now)
            if window is None:
                c.withdraw()  # as a node does whose clock stands
                if not c.at_rest:
                    continue  # on the way to where the motion begins
                if self.rested is None:
                    self.rested = c._first
                if tick > case.stop_at:
                    break
            elif rng.random() < case.withdrawn:
                c.withdraw()
            else:
                self.windows.append(window)
                self.plans.append(c._reference.tracker.plan)
                if self._holds(tick, window):
                    break
        self.ticks = tick

    def _points(self, rng):
        wild = self.case.wild
        centre = self.home + wild * rng.normal(size=4)
        steps = wild * 0.3 * np.cumsum(rng.normal(size=(rng.integers(1, 17), 4)), axis=0)
        free = np.where(np.isinf(self.limits.upper), ENDLESS, np.inf)
        return np.clip(centre + steps, self.home - free, self.home + free)

    def _longest_s(self) -> float:
        """A stop, and the way to the last point or, of a speed, to zero."""
        limits, case = self.limits, self.case
        change = limits.velocity / limits.acceleration + 2 * limits.acceleration / limits.jerk
        way = np.minimum(limits.upper - limits.lower, 2 * ENDLESS) / limits.velocity
        far = way[self.speeds | (case.stop in LASTING)].max(initial=0.0)
        return 2 * case.stop_s + 2 * change.max() + far + 1.0

    def _holds(self, tick, window) -> bool:
        """Whether nothing moves any more though nothing stopped the arm."""
        settled = tick > self.case.stop_at + 2 / self.period
        return self.case.stop in LASTING and settled and np.abs(window.velocities).max() < 1e-6

    def _stop(self, now: float) -> None:
        if self.case.stop == "fault":
            self.c.raise_fault(FaultCode.STALE_CAMERA, "x", now)
        elif self.case.stop == "nan":
            self.c.offer_chunk(np.full((16, 4), np.nan), now, DT)
        elif self.case.stop == "drop":
            self.c.drop_chunks(now)
        elif self.case.stop != "silence":
            getattr(self.c, self.case.stop)(now)


def _limits(limits, home, case: Case):
    """The case's limits, and where it begins: a speed at zero, which lies between its limits."""
    room = np.array(case.room)
    width = (limits.upper - limits.lower) * np.where(np.isinf(room), 1.0, room)
    begin = np.where(case.speeds, 0.0, home)
    lower = begin - width * np.where(case.speeds, 0.5, case.begin)
    upper = lower + width
    free = np.isinf(room)
    made = replace(
        limits,
        lower=np.where(free, -np.inf, lower),
        upper=np.where(free, np.inf, upper),
        velocity=limits.velocity * case.velocity,
        acceleration=limits.acceleration * case.acceleration,
        jerk=limits.jerk * case.jerk,
    )
    return made, np.clip(begin, made.lower, made.upper)
