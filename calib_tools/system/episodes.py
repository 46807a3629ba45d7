# SPDX-License-Identifier: Apache-2.0
"""Episodes of a policy node on the simulated robot, driven and watched over ROS."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from calib_tools.common.progress import Report
from calib_tools.system.processes import Child
from quantvla_ros.errors import QuantVLAError

if TYPE_CHECKING:
    from quantvla_ros.nodes.operator import Operator
    from quantvla_ros.nodes.recorder import Arrival

EPISODE_S = 15.0
"""Longest episode, s of simulation time; the scripted expert needs about 5."""

AFTER_SUCCESS_S = 0.6  # the hand rises a little: a picture of the end
_PATIENCE_S = 15.0
_WALL_FACTOR = 4.0  # a slow machine simulates slower than life; it may not do so forever
_POLL_S = 0.02


@dataclass(frozen=True)
class Episode:
    """What came of one episode; `seconds` is simulation time, `fault` is empty for none."""

    seed: int
    instruction: str
    success: bool
    first_lifted: str | None
    seconds: float
    fault: str


def run_episodes(
    operator: Operator, children: list[Child], count: int, arrivals: list[Arrival], report: Report
) -> list[Episode]:
    """Run episodes one after the other; the policy node is active and in dry run.

    Raises:
        QuantVLAError: a child ended, or the node refused to arm.
    """
    episodes = []
    for number in range(count):
        operator.instruct("")
        state = operator.reset_scene()
        report(f"episode {number + 1} of {count}: '{state['instruction']}'")
        episodes.append(run_episode(operator, children, state["instruction"], arrivals))
    operator.instruct("")
    return episodes


def run_episode(
    operator: Operator,
    children: list[Child],
    instruction: str,
    arrivals: list[Arrival],
    longest_s: float = EPISODE_S,
) -> Episode:
    """Run one episode in the scene that was just reset; a fault of the node is reset after it.

    A fault that is latched when it begins, from the dry run between episodes, is reset first.

    Args:
        operator: in the ROS graph.
        children: processes that must live through it.
        instruction: what to ask for.
        arrivals: watched messages are appended here.
        longest_s: simulation time after which the episode has failed.

    Raises:
        QuantVLAError: a child ended, or the node refused to arm.
    """
    started = float(operator.state["time"])
    deadline = time.monotonic() + _WALL_FACTOR * longest_s
    _insist(lambda: _arm(operator), children)
    operator.instruct(instruction)
    solved_at: float | None = None
    fault = ""
    while True:
        _drain(operator, arrivals)
        for child in children:
            child.check()
        now = operator.state
        elapsed = float(now["time"]) - started
        if now["success"] and solved_at is None:
            solved_at = elapsed
        message, values = operator.policy.diagnostics("control")
        if values.get("mode") == "FAULT" or ": " in message:
            fault = message
            break
        if solved_at is not None and elapsed > solved_at + AFTER_SUCCESS_S:
            break
        if elapsed > longest_s or time.monotonic() > deadline:
            break
    final = operator.state
    if fault:
        _insist(operator.policy.reset_fault, children)
    else:
        # A stop that is still under way would throw the arm of the next scene.
        operator.policy.rest()
    return Episode(
        seed=int(final["seed"]),
        instruction=instruction,
        success=bool(final["success"]) or solved_at is not None,
        first_lifted=final["first_moved"],
        seconds=elapsed if solved_at is None else solved_at,
        fault=fault,
    )


def _arm(operator: Operator) -> None:
    if operator.policy.diagnostics("control")[1].get("mode") == "FAULT":
        operator.policy.reset_fault()
    operator.policy.arm()


def _insist(action: Callable[[], None], children: list[Child]) -> None:
    """Ask until the node agrees: it refuses while inputs are not fresh or the arm still moves."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            action()
            return
        except QuantVLAError:
            for child in children:
                child.check()
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_S)


def _drain(operator: Operator, arrivals: list[Arrival]) -> None:
    arrival = operator.tap.next(_POLL_S)
    while arrival is not None:
        arrivals.append(arrival)
        arrival = operator.tap.next(0.0)
