# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from calib_tools.system import episodes
from calib_tools.system.episodes import AFTER_SUCCESS_S, EPISODE_S, run_episodes
from quantvla_ros.errors import QuantVLAError


class FakeOperator:
    """A robot whose time goes on by a step whenever somebody looks at its messages."""

    def __init__(self, success_after: float | None, fault_after: float | None = None):
        self.success_after, self.fault_after = success_after, fault_after
        self.refuse_arming = 0
        self.events: list[str] = []
        self.policy = self.tap = self
        self.seed, self.started, self.time = 0, 0.0, 100.0
        self.waiting = 0

    @property
    def state(self):
        elapsed = self.time - self.started
        return {
            "time": self.time,
            "seed": self.seed,
            "instruction": f"instruction {self.seed}",
            "success": self.success_after is not None and elapsed >= self.success_after,
            "first_moved": "milk",
        }

    def instruct(self, text):
        self.events.append(f"instruct {text}")

    def reset_scene(self):
        self.seed += 1
        self.started = self.time
        self.events.append("reset")
        return {**self.state, "success": False}

    def arm(self):
        if self.refuse_arming:
            self.refuse_arming -= 1
            raise QuantVLAError("Cannot arm: STALE_CAMERA")
        self.events.append("arm")

    def rest(self):
        self.events.append("rest")

    def reset_fault(self):
        self.fault_after = None
        self.events.append("reset_fault")

    def diagnostics(self, check):
        elapsed = self.time - self.started
        if self.fault_after is not None and elapsed >= self.fault_after:
            return "STALE_CAMERA: front is silent", {"mode": "FAULT"}
        return "ARMED", {"mode": "ARMED"}

    def next(self, timeout):
        if timeout > 0:
            self.time += 0.5
            return f"message {self.time}"
        return None


def run(operator, count=1):
    seen: list = []
    said: list[str] = []
    return run_episodes(operator, [], count, seen, said.append), seen, said


def test_an_episode_arms_then_instructs_and_ends_a_moment_after_success():
    operator = FakeOperator(success_after=5.0)
    done, seen, said = run(operator)
    events = ["instruct ", "reset", "arm", "instruct instruction 1", "rest", "instruct "]
    assert operator.events == events
    assert (done[0].success, done[0].seconds, done[0].fault) == (True, 5.0, "")
    assert operator.time - operator.started <= 5.0 + AFTER_SUCCESS_S + 1.0
    assert len(seen) == (operator.time - operator.started) / 0.5
    assert said == ["episode 1 of 1: 'instruction 1'"]


def test_an_episode_without_success_ends_after_its_time():
    operator = FakeOperator(success_after=None)
    done, _, _ = run(operator, 2)
    assert [e.success for e in done] == [False, False]
    assert [e.seed for e in done] == [1, 2]
    assert all(EPISODE_S < e.seconds <= EPISODE_S + 0.5 for e in done)


def test_a_fault_ends_the_episode_and_is_reset_for_the_next():
    operator = FakeOperator(success_after=8.0, fault_after=2.0)
    done, _, _ = run(operator, 2)
    assert done[0].fault == "STALE_CAMERA: front is silent"
    assert not done[0].success
    assert done[1].success and not done[1].fault
    assert operator.events.count("reset_fault") == 1
    assert operator.events.index("reset_fault") < operator.events.index("instruct instruction 2")


def test_a_fault_of_the_dry_run_before_is_reset_first():
    operator = FakeOperator(success_after=8.0, fault_after=-1.0)
    done, _, _ = run(operator)
    assert done[0].success
    assert operator.events[:4] == ["instruct ", "reset", "reset_fault", "arm"]


def test_arming_is_tried_until_inputs_are_fresh():
    operator = FakeOperator(success_after=1.0)
    operator.refuse_arming = 3
    assert run(operator)[0][0].success


def test_a_node_that_never_arms_gives_its_own_sentence(monkeypatch):
    monkeypatch.setattr(episodes, "_PATIENCE_S", 0.1)
    operator = FakeOperator(success_after=1.0)
    operator.refuse_arming = 10_000
    with pytest.raises(QuantVLAError, match="STALE_CAMERA"):
        run(operator)


def test_a_dead_child_ends_the_episode():
    class Dead:
        def check(self):
            raise QuantVLAError("policy_node ended")

    with pytest.raises(QuantVLAError, match="policy_node ended"):
        run_episodes(FakeOperator(1.0), [Dead()], 1, [], lambda _: None)
