# SPDX-License-Identifier: Apache-2.0
"""Demonstrations: the scripted expert drives, is disturbed, and is always labelled cleanly.

`python -m training.demonstrations --out DIR --seeds A:B --processes 2` writes one uncompressed
`demos_<first seed>.npz` for every 50 seeds; files that exist are kept, so the command resumes.
Only episodes that end in success are kept. One row is one tick of 0.1 s:

==========  =======================  ==========================================================
images      uint8 [2, 96, 96, 3]     front and wrist, rgb, before the action
joints      float32 [8]              measured, rad; the last is the finger, m
tip         float32 [3]              tool position, m, frame panda_link0
action      float32 [8]              clean expert's arm targets for the end of the tick, rad, and
                                     the finger goal, 0.0 (close) or 0.04 m (open)
event       bool                     what follows this row is no consequence of earlier labels
target      int8                     index of the object that the instruction names
positions   float32 [6, 3]           five objects and basket, m, frame panda_link0
uv          float32 [6, 2, 2]        their image coordinates (front, wrist), 0..1, -9 behind
phase       int8                     `quantvla_ros.sim.expert.Phase`
disturbed   bool                     the executed command was not the labelled one
episode     int64                    seed
==========  =======================  ==========================================================
"""

from __future__ import annotations

import multiprocessing
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from quantvla_ros.errors import QuantVLAError

if TYPE_CHECKING:
    from quantvla_ros.sim.expert import Action, Expert
    from quantvla_ros.sim.robot import SimulatedRobot

EPISODES_A_FILE = 50
MAX_TICKS = 120
RANDOM_START_SHARE = 0.4
SWITCH_SHARE = 0.35
EARLY_GRIP_SHARE = 0.12
MEAN_BURSTS = 1.6
COMMAND_NOISE_RAD = 0.003

_SEED_OFFSET = 10_000_000
_START_LOW, _START_HIGH = np.array([-0.2, -0.25, 0.16]), np.array([0.12, 0.2, 0.32])
_LAST_BURST_TICK = 40
_BURST_LENGTH_M = (0.012, 0.05)
_BURST_SHAPE = np.array([1.0, 1.0, 0.6])
_FLOOR_M, _STANDING_FLOOR_M = 0.012, 0.11

Rows = dict[str, list[Any]]


@dataclass
class Disturbance:
    """What goes wrong in one episode, drawn beforehand from its seed."""

    rng: np.random.Generator
    switch_tick: int = field(init=False)
    grip_tick: int = field(init=False)
    burst_ticks: list[int] = field(init=False)
    offset: npt.NDArray[np.float64] = field(init=False)
    burst_left: int = 0
    grip_left: int = 0

    def __post_init__(self) -> None:
        """Draw the plan."""
        rng = self.rng
        self.switch_tick = int(rng.integers(2, 14)) if rng.random() < SWITCH_SHARE else -1
        self.grip_tick = int(rng.integers(0, 11)) if rng.random() < EARLY_GRIP_SHARE else -1
        self.burst_ticks = sorted(rng.integers(0, _LAST_BURST_TICK, rng.poisson(MEAN_BURSTS)))
        self.offset = np.zeros(3)

    @property
    def active(self) -> bool:
        """Whether the next executed command differs from the labelled one."""
        return self.burst_left > 0 or self.grip_left > 0

    def begin_tick(self, tick: int, robot: SimulatedRobot, expert: Expert) -> bool:
        """Start what is due at this tick; returns whether something did."""
        from quantvla_ros.sim.expert import Phase

        event = False
        approaching = expert.phase is Phase.APPROACH
        if tick == self.switch_tick and approaching:
            others = [name for name in robot.task.present if name != robot.task.target]
            robot.task.target = others[int(self.rng.integers(len(others)))]
            event = True
        if self.burst_ticks and tick >= self.burst_ticks[0]:
            self.burst_ticks.pop(0)
            if expert.phase in (Phase.APPROACH, Phase.LIFT, Phase.CARRY):
                self.burst_left = int(self.rng.integers(2, 5))
                direction = self.rng.normal(size=3) * _BURST_SHAPE
                length = self.rng.uniform(*_BURST_LENGTH_M)
                self.offset = direction * length / np.linalg.norm(direction)
                event = True
        if tick == self.grip_tick and approaching:
            self.grip_left = int(self.rng.integers(2, 5))
            event = True
        return event

    def apply(self, action: Action, robot: SimulatedRobot, approaching: bool) -> Action:
        """Return the command that is executed in place of the clean one."""
        from quantvla_ros.sim.expert import Action
        from quantvla_ros.sim.tasks.pick_place import grasp_object

        finger = action.finger
        if self.grip_left > 0:
            self.grip_left -= 1
            finger = 0.0
        if self.burst_left > 0:
            self.burst_left -= 1
            goal = robot.kinematics.forward(action.arm)[0] + self.offset
            standing = approaching and grasp_object(robot.task.target).standing
            goal[2] = max(goal[2], _STANDING_FLOOR_M if standing else _FLOOR_M)
            return Action(robot.kinematics.inverse(goal, robot.positions[:7]), finger)
        return Action(action.arm + self.rng.normal(0.0, COMMAND_NOISE_RAD, 7), finger)


def record_episode(robot: SimulatedRobot, seed: int) -> tuple[bool, Rows]:
    """Run one disturbed episode; returns whether it ended in success, and its rows."""
    from quantvla_ros.sim.expert import Expert, Phase, execute
    from training.expert_labels import scene_labels

    rng = np.random.default_rng(_SEED_OFFSET + seed)
    random_start = rng.random() < RANDOM_START_SHARE
    start = rng.uniform(_START_LOW, _START_HIGH)
    robot.reset(seed, tool_position=start if random_start else None)
    disturbance = Disturbance(rng)
    expert = Expert(robot, robot.task)
    rows: Rows = {}
    for tick in range(MAX_TICKS):
        event = disturbance.begin_tick(tick, robot, expert)
        action = expert.act()
        images = robot.render()
        row = {
            "images": np.stack([images["front"], images["wrist"]]),
            **scene_labels(robot, robot.task),
            "action": action.label(),
            "event": event,
            "phase": np.int8(expert.phase),
            "disturbed": disturbance.active,
            "episode": np.int64(seed),
        }
        for key, value in row.items():
            rows.setdefault(key, []).append(value)
        execute(robot, disturbance.apply(action, robot, expert.phase is Phase.APPROACH))
        if expert.done:
            break
    return expert.done and robot.success(), rows


def _record_file(seeds: range, out: Path) -> None:
    from quantvla_ros.sim.robot import SimulatedRobot

    file = out / f"demos_{seeds.start:07d}.npz"
    if file.exists():
        return
    begin = time.monotonic()
    robot = SimulatedRobot("pick_place")
    rows: Rows = {}
    good = 0
    for seed in seeds:
        succeeded, episode = record_episode(robot, seed)
        if succeeded:
            good += 1
            for key, values in episode.items():
                rows.setdefault(key, []).extend(values)
    robot.close()
    if not good:
        raise QuantVLAError(f"No episode of the seeds {seeds.start}:{seeds.stop} succeeded.")
    arrays: dict[str, Any] = {key: np.stack(values) for key, values in rows.items()}
    temporary = out / f".{file.name}.part"
    with temporary.open("wb") as stream:
        np.savez(stream, **arrays)
    os.replace(temporary, file)
    print(
        f"{file.name}: {good} of {len(seeds)} episodes, {len(rows['episode'])} frames, "
        f"{time.monotonic() - begin:.0f} s",
        flush=True,
    )


def main(
    out: Annotated[Path, typer.Option(help="Directory of the chunk files.")],
    seeds: Annotated[str, typer.Option(help="First and last seed, FIRST:LAST (exclusive).")],
    processes: Annotated[int, typer.Option(help="Worker processes.")] = 2,
) -> None:
    """Record demonstrations; files that exist are kept, so the command resumes."""
    first, last = (int(part) for part in seeds.split(":"))
    out.mkdir(parents=True, exist_ok=True)
    blocks = [
        (range(start, min(start + EPISODES_A_FILE, last)), out)
        for start in range(first, last, EPISODES_A_FILE)
    ]
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes) as pool:
        pool.starmap(_record_file, blocks, chunksize=1)


if __name__ == "__main__":
    typer.run(main)
