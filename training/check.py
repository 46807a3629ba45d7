# SPDX-License-Identifier: Apache-2.0
"""Closed-loop success of a bundle on unseen scenes, through the node's control code, without ROS.

The simulated inference latency is `LATENCY_S`. Every scene is played with two instructions, so that
a policy that ignores its instruction fails half of the episodes.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quantvla_ros.bundle.storage import bundle_hash

if TYPE_CHECKING:
    from calib_tools.evaluation.closed_loop import Episode

FIRST_SEED = 5_000_000  # far from the seeds of demonstrations and corrections
LATENCY_S = 0.12  # age of an observation when its chunk arrives; about what the demo measures


def wilson(successes: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's 95 % interval of a success rate."""
    rate = successes / count
    center = rate + z * z / (2 * count)
    spread = z * math.sqrt(rate * (1 - rate) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return (center - spread) / scale, (center + spread) / scale


def play(bundle: Path, scenes: range) -> list[Episode]:
    """Play the scenes, each with two of its objects as the target."""
    from calib_tools.evaluation.closed_loop import ClosedLoop
    from quantvla_ros.backends.policy import load_policy
    from quantvla_ros.sim.robot import SimulatedRobot

    policy = load_policy(bundle, "cpu", compiled=False, threads=1)
    robot = SimulatedRobot("pick_place")
    loop = ClosedLoop(robot, policy, lambda: LATENCY_S)
    episodes = []
    for seed in scenes:
        robot.reset(seed)
        for target in robot.task.present[:2]:
            episodes.append(loop.play(seed, target))
            print(f"{seed} {target}: {'solved' if episodes[-1].success else 'failed'}", flush=True)
    robot.close()
    return episodes


def check(bundle: Path, scenes: int, processes: int) -> dict[str, Any]:
    """Play `scenes` scenes over several processes; returns the record."""
    first, size = FIRST_SEED, math.ceil(scenes / processes)
    blocks = [
        range(first + start, first + min(start + size, scenes)) for start in range(0, scenes, size)
    ]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        parts = pool.starmap(play, [(bundle, block) for block in blocks])
    episodes = [episode for part in parts for episode in part]
    solved = sum(e.success for e in episodes)
    low, high = wilson(solved, len(episodes))
    wrong = sum(e.first_lifted not in (None, e.target) for e in episodes)
    return {
        "schema": 2,
        "latency_s": LATENCY_S,
        "bundle": bundle_hash(bundle),
        "episodes": len(episodes),
        "solved": solved,
        "success_interval_95": [round(low, 4), round(high, 4)],
        "lifted_another_object_first": wrong,
        "lifted_nothing": sum(e.first_lifted is None for e in episodes),
        "played": [asdict(e) for e in episodes],
    }


def main(
    bundle: Annotated[Path, typer.Argument(help="Bundle to check.")],
    out: Annotated[Path, typer.Option(help="Record to write.")],
    scenes: Annotated[int, typer.Option(help="Unseen scenes, two episodes each.")] = 30,
    processes: Annotated[int, typer.Option(help="Worker processes.")] = 2,
) -> None:
    """Measure the success of a bundle and write the record."""
    record = check(bundle, scenes, processes)
    temporary = out.with_suffix(".tmp")
    temporary.write_text(json.dumps(record, indent=1) + "\n")
    os.replace(temporary, out)
    low, high = record["success_interval_95"]
    print(
        f"{record['solved']} of {record['episodes']} episodes solved "
        f"(95 % interval {low:.1%} to {high:.1%})"
    )


if __name__ == "__main__":
    typer.run(main)
