# SPDX-License-Identifier: Apache-2.0
"""How many scenes the scripted experts solve: `python -m studies.experts`.

The experts are what a policy learns from: what one of them cannot do, no policy learns. They act
on the simulation's state and no picture is rendered, so hundreds of scenes take a minute a family.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from calib_tools.common.cores import usable_cores
from calib_tools.common.progress import Report
from calib_tools.common.tables import markdown_grid
from calib_tools.evaluate.statistics import Rate
from quantvla_ros.parent_process import watch_parent
from studies.study import run_study, study_parser

KIND, RECORD = "studies.experts", "experts.json"
LONGEST_TICKS = 75
"""An episode that is not done by then, of 0.1 s each, has failed."""
_EXAMPLE = """example:
  python -m studies.experts --out docs/records/experts.json
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Play the experts and write the record."""
    parser = study_parser(KIND, "How many scenes the scripted experts solve.", _EXAMPLE)
    parser.add_argument("--seeds", type=int, default=200, help="scenes of each task family")
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        parser.error("--seeds must be 1 or more")

    def measure(report: Report) -> dict[str, Any]:
        from simulation.tasks.registry import TASKS

        rows = []
        jobs = [(family, options.seeds) for family in TASKS]
        # A process that dies is an error here; a `Pool` would wait for its scenes for ever.
        with ProcessPoolExecutor(
            min(len(jobs), usable_cores()), get_context("spawn"), watch_parent, (os.getpid(),)
        ) as pool:
            for row in pool.map(play, jobs):
                report(f"{row['task']}: {row['solved']} of {options.seeds}")
                rows.append(row)
        return {"seeds": options.seeds, "rows": rows}

    run_study(KIND, options, arguments, measure)


def play(job: tuple[str, int]) -> dict[str, Any]:
    """Let one family's expert work on seeds from 0 on; returns its row of the record."""
    from simulation.expert import execute
    from simulation.robot import SimulatedRobot

    family, seeds = job
    robot = SimulatedRobot(family)
    failed, longest = [], 0
    for seed in range(seeds):
        robot.reset(seed)
        expert, ticks = robot.task.expert(robot), 0
        while not expert.done and ticks < LONGEST_TICKS:
            execute(robot, expert.act())
            ticks += 1
        if robot.success() and robot.first_moved == robot.task.goal.object:
            longest = max(longest, ticks)
        else:
            failed.append(seed)
    robot.close()
    return {
        "task": family,
        "solved": seeds - len(failed),
        "longest_ticks": longest,
        "failed_seeds": failed,
    }


def markdown(record: Mapping[str, Any]) -> str:
    """The table of a record."""
    rows = []
    for row in record["rows"]:
        rate = Rate(row["solved"], record["seeds"])
        low, high = (f"{100 * end:.1f} %" for end in rate.interval)
        solved, success = f"{rate.successes} of {rate.count}", f"{100 * rate.value:.1f} %"
        longest = f"{row['longest_ticks'] / 10:.1f}"
        rows.append([row["task"], solved, success, f"{low} to {high}", longest])
    return markdown_grid(["task", "solved", "success", "95 % interval", "longest, s"], rows)


if __name__ == "__main__":
    main()
