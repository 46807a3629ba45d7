# SPDX-License-Identifier: Apache-2.0
"""A calibration buffer of all simulated tasks, recorded without ROS.

A policy that does several tasks needs all of them in its buffer: a fixed range that calibration
never reached is cut off, and then the task that was left out suffers.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from calib_tools.common.progress import Bar
from studies.study import bare_parser, study_command

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from calib_tools.buffer.collector import Sample
    from quantvla_ros.backends.base import RunningPolicy
    from quantvla_ros.robot.action_prefix import ActionPrefix
    from quantvla_ros.robot.chunk import Chunk
    from quantvla_ros.robot.observation import Observation

KIND = "studies.task_buffer"
FIRST_SEED = 7_000_000  # of scenes that no evaluation plays
LATENCY_S = 0.12

_TEXT = """\
Let a policy play every task of the simulator and keep what it saw when it was asked for chunks, as
many samples of each task, in a calibration buffer.
"""
_EXAMPLE = "example: python -m studies.task_buffer policies/panda --out buffer"


def main(arguments: Sequence[str] | None = None) -> None:
    """Record."""
    parser = bare_parser(KIND, _TEXT, _EXAMPLE)
    parser.add_argument("bundle", type=Path, help="float bundle that plays")
    parser.add_argument("--out", type=Path, required=True, help="directory of the buffer")
    parser.add_argument("--samples", type=int, default=64, help="of all tasks together (64)")
    options = parser.parse_args(arguments)
    with study_command(KIND):
        _record(options)


def _record(options: argparse.Namespace) -> None:
    from calib_tools.buffer.collector import Counts
    from calib_tools.buffer.store import load_description, write_buffer
    from quantvla_ros.bundle.directory import check_writable
    from simulation.tasks.registry import TASKS

    check_writable(options.out)
    # Topics, joints and tolerances are those of a buffer that is there already.
    sources = load_description(Path(__file__).parent / "jetson_check" / "buffer").sources
    each = -(-options.samples // len(TASKS))
    with Bar("recording", 1.0) as bar:
        seen = []
        for number, task in enumerate(TASKS):
            bar.show(number / len(TASKS), task)
            seen.append(played(options.bundle, task, each))
    # In turn, one task further each round, so that every fourth, which the gate keeps, is of each.
    turns = [seen[(i + j) % len(seen)][i] for i in range(each) for j in range(len(seen))]
    samples = [
        _sample(one, sources.joint_states.names, place)
        for place, one in enumerate(turns[: options.samples])
    ]
    write_buffer(options.out, sources, samples, Counts(len(turns), {}, 0, 0), ["the simulator"])
    print(f"{len(samples)} samples of {len(TASKS)} tasks in {options.out}.")


def played(bundle: Path, task: str, count: int) -> list[Observation]:
    """What the policy saw in episodes of a task: `count` observations, spread over them all."""
    from calib_tools.evaluate.closed_loop import ClosedLoop
    from quantvla_ros.backends.policy import load_policy
    from simulation.robot import SimulatedRobot

    watched = _Watched(load_policy(bundle))
    robot, seed = SimulatedRobot(task), FIRST_SEED
    try:
        while len(watched.seen) < 2 * count:
            ClosedLoop(robot, watched, lambda: LATENCY_S).play(seed)
            seed += 1
    finally:
        robot.close()
    step = len(watched.seen) / count
    return [watched.seen[int(i * step)] for i in range(count)]


class _Watched:
    """A policy that keeps what it is shown (see `RunningPolicy`)."""

    def __init__(self, policy: RunningPolicy) -> None:
        self._policy = policy
        self.seen: list[Observation] = []
        self.manifest, self.kernel = policy.manifest, policy.kernel
        self.integer_layers = policy.integer_layers
        self.weight_bytes, self.layer_bytes = policy.weight_bytes, policy.layer_bytes

    def infer(
        self,
        observation: Observation,
        noise: NDArray[np.float32],
        prefix: ActionPrefix | None = None,
    ) -> Chunk:
        self.seen.append(observation)
        return self._policy.infer(observation, noise, prefix)


def _sample(seen: Observation, joints: Sequence[str], place: int) -> Sample:
    import numpy as np

    from calib_tools.buffer.collector import Sample
    from calib_tools.buffer.messages import encode_png

    stamp = place * 1_000_000_000
    position = np.asarray(seen.joints, dtype=np.float64)
    assert len(position) == len(joints)
    return Sample(
        stamp_ns=stamp,
        pictures={name: encode_png(np.asarray(image)) for name, image in seen.images.items()},
        position=position,
        velocity=np.zeros_like(position),
        instruction=seen.instruction,
        stamps_ns=dict.fromkeys([*seen.images, "joint states"], stamp),
    )


if __name__ == "__main__":
    main()
