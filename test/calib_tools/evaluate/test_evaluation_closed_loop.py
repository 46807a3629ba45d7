# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from support.holding_policy import Holding

from calib_tools.evaluate.closed_loop import PERIOD_S, ClosedLoop
from calib_tools.evaluate.jobs import Job
from calib_tools.evaluate.plan import PlannedEpisode
from calib_tools.evaluate.player import Player
from calib_tools.evaluate.variants import parse_variants
from quantvla_ros.resources import shared_file

PANDA = shared_file("policies/panda")


def play(robot, policy, latency=0.1, seed=5_000_000, goal=0, seconds=2.0):
    return ClosedLoop(robot, policy, lambda: latency).play(seed, goal, -1, seconds)


def test_an_arm_that_holds_still_fails_in_time_and_moves_nothing(robot):
    outcome = play(robot, Holding())
    assert not outcome.success
    assert outcome.seconds == pytest.approx(2.0, abs=PERIOD_S)
    assert outcome.grounding == "none"
    assert outcome.fault is None
    assert outcome.path_rad < 0.1
    assert outcome.clamped == 0
    moving = play(robot, Holding(0.3))
    assert moving.path_rad > 0.3
    assert moving.jerk_rad_s3 > 2 * outcome.jerk_rad_s3


def test_latency_is_paid(robot):
    """With a longer latency the arm begins to move later; a chunk acts no earlier than it came."""
    ways = [play(robot, Holding(0.3), latency, seconds=0.8).path_rad for latency in (0.0, 0.5)]
    assert ways[1] < 0.6 * ways[0]


def test_two_policies_see_the_same_scene_instruction_and_noise(robot):
    first, second = Holding(), Holding(0.2)
    outcomes = [play(robot, policy) for policy in (first, second)]
    assert outcomes[0].instruction == outcomes[1].instruction == first.asked[0][1]
    for (_, _, one), (_, _, other) in zip(first.asked, second.asked, strict=False):
        assert np.array_equal(one, other)
    assert not np.array_equal(first.asked[0][2], first.asked[1][2])
    third = Holding()
    play(robot, third, goal=1)
    assert third.asked[0][1] != first.asked[0][1]


class Continuing(Holding):
    """Turns on at each chunk, but keeps to what it was told that the arm does anyway."""

    def infer(self, observation, noise, prefix=None):
        chunk = super().infer(observation, noise, prefix)
        chunk.actions[:, 0] += 0.1 * len(self.asked)
        if prefix is not None:
            chunk.actions[: len(prefix.actions)] = prefix.actions
        return chunk


def test_with_real_time_chunking_the_policy_continues_what_the_arm_does(robot):
    outcomes, policies = [], []
    for continues in (False, True):
        policies.append(Continuing())
        loop = ClosedLoop(robot, policies[-1], lambda: 0.1, continues=continues)
        outcomes.append(loop.play(5_000_000, 0, -1, 3.5))
    assert policies[0].prefixes == [None] * len(policies[0].prefixes)
    given = policies[1].prefixes
    assert given[0] is None and all(prefix is not None for prefix in given[1:]) and given[1:]
    assert all(0 < p.committed < len(p.actions) for p in given[1:])
    # Not nothing: the step after the known rows lets the spline swing before it.
    assert outcomes[1].chunk_gap < 0.3 * outcomes[0].chunk_gap


def test_the_limits_of_the_joints_are_kept_and_noted(robot):
    outcome = play(robot, Holding(9.0), seconds=1.5)
    assert outcome.clamped > 0


def test_an_episode_repeats_exactly_with_or_without_its_gif(tmp_path):
    (variant,) = parse_variants([str(PANDA)])
    job = Job(variant, PlannedEpisode(0, "pick_place", "none", 5_000_001, 0, -1), 0.1, 2, 1.5)
    player = Player()
    try:
        plain = player.play(job)
        again = player.play(dataclasses.replace(job, picture=tmp_path / "episode.gif"))
    finally:
        player.close()
    assert plain == again
    from PIL import Image

    with Image.open(tmp_path / "episode.gif") as picture:
        assert picture.n_frames >= 7
