# SPDX-License-Identifier: Apache-2.0
"""The same episodes through the real policy node, its topics and the simulated robot's node.

Time runs as on a robot: the latency is the node's own, and the flow noise is that of the node's
seed, so an episode does not repeat exactly. Episodes run one after the other.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from calib_tools.common.ros_domain import own_ros_domain
from calib_tools.evaluate.jobs import Job
from calib_tools.evaluate.outcome import Outcome, grounding
from calib_tools.evaluate.plan import PlannedEpisode
from calib_tools.evaluate.smoothness import path_length
from calib_tools.evaluate.variants import Variant
from calib_tools.system.episodes import run_episode
from calib_tools.system.policy_run import System, robot_and_policy
from calib_tools.system.processes import Child, Processes
from calib_tools.system.trace import JOINT_STATE_TYPE, read_trace, thinned

if TYPE_CHECKING:
    from quantvla_ros.nodes.operator import Operator
    from quantvla_ros.nodes.recorder import Arrival

_WATCHED = {"/joint_states": (JOINT_STATE_TYPE,)}
_ARM = [f"panda_joint{i}" for i in range(1, 8)]
_STEP_S = 0.02


def play_over_ros(
    jobs: Sequence[Job], logs: Path, real_time_factor: float = 1.0
) -> Iterator[tuple[Job, Outcome]]:
    """Play the jobs, those of one variant and task together; both nodes are started for each.

    Args:
        jobs: without shifts, and of bundles as they are.
        logs: directory for the processes' logs and the records that the policy nodes write.
        real_time_factor: simulated seconds per second; below 1 on a machine that is too busy.

    Yields:
        Each job once, with its outcome.

    Raises:
        QuantVLAError: a process ended, a node refused, or something did not come in time.
    """
    order = sorted(jobs, key=lambda job: (job.variant.label, job.episode.task))
    groups = itertools.groupby(order, key=lambda job: (job.variant, job.episode.task))
    parameters = {"real_time_factor": f"{real_time_factor:.3f}"}
    with own_ros_domain() as environment:
        for (variant, task), group in groups:
            name = _run_name(variant.label, task)
            with (
                Processes(logs, environment) as processes,
                robot_and_policy(
                    processes,
                    System(
                        name, variant.bundle, logs / f"{name}_node.json", _WATCHED,
                        parameters | {"task": task}, _of_node(variant),
                    ),
                    lambda text: None,
                ) as (operator, children),
            ):  # fmt: skip
                for job in group:
                    yield job, _play(operator, children, job)


def _of_node(variant: Variant) -> dict[str, object]:
    """Parameters of the policy node."""
    backend = {"backend": variant.backend} if variant.backend is not None else {}
    return {"realtime_chunking": variant.continues, **backend}


def _run_name(label: str, task: str) -> str:
    """Names the files of a variant's episodes of one task."""
    return f"{label.replace('/', '_')}_{task}"


def _play(operator: Operator, children: list[Child], job: Job) -> Outcome:
    told, sentence = _instruction(job.episode)
    operator.instruct("")
    operator.choose_scene(job.episode.seed)
    started = float(operator.reset_scene()["time"])
    arrivals: list[Arrival] = []
    played = run_episode(operator, children, sentence, arrivals, job.max_seconds)
    measured = thinned(read_trace(arrivals, _ARM).measured, _STEP_S)
    # The queue still held what came before the reset, and some comes after the success.
    way = [
        row
        for time, row in zip(measured["time_s"], measured["values"], strict=True)
        if started <= time <= started + played.seconds
    ]
    return Outcome(
        instruction=sentence,
        success=played.success,
        seconds=round(played.seconds, 2),
        grounding=grounding(told, played.first_lifted),
        first_moved=played.first_lifted,
        chunks=None,
        fault=played.fault.split(":")[0] or None,
        path_rad=round(path_length(np.asarray(way)), 4) if way else 0.0,
        jerk_rad_s3=None,
        boundary_jump=None,
        chunk_gap=None,
        clamped=None,
        limited=None,
    )


def _instruction(episode: PlannedEpisode) -> tuple[str, str]:
    """The object that the episode asks for, and its sentence."""
    from simulation.tasks.registry import make_task

    task = make_task(episode.task)
    task.reset(episode.seed, episode.goal)
    if episode.wording < 0:
        template = task.held_out_wordings[-1 - episode.wording]
    else:
        template = task.wordings[episode.wording]
    return task.goal.object, task.words(template)


def measured_latencies_ms(labels: Sequence[str], logs: Path) -> dict[str, float]:
    """Label -> median time from request to chunk, of the records that the nodes have written."""
    from simulation.tasks.registry import TASKS

    found = {}
    for label in labels:
        files = [logs / f"{_run_name(label, task)}_node.json" for task in TASKS]
        there = [json.loads(file.read_text(encoding="utf-8")) for file in files if file.is_file()]
        values = [ms for record in there for ms in record["latency_ms"]]
        if values:
            found[label] = round(float(np.median(values)), 2)
    return found
