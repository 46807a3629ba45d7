# SPDX-License-Identifier: Apache-2.0
"""`quantvla select`: old bags and data sets to a calibration buffer, as if they were recorded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from calib_tools.buffer.bags import Bag
from calib_tools.buffer.collector import Collector
from calib_tools.buffer.instructions import refusal_for
from calib_tools.buffer.lerobot.episodes import Episode, open_episodes
from calib_tools.buffer.lerobot.layout import is_lerobot
from calib_tools.buffer.sources import CalibrationConfig
from calib_tools.buffer.store import BufferDescription, write_buffer
from calib_tools.record.progress import CollectorProgress
from quantvla_ros.bundle.directory import prepare_output
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.robot.robot_file import RobotFile


def select(
    bags: Sequence[Path],
    config: CalibrationConfig,
    out: Path,
    samples: int,
    force: bool,
    bundle: Path | None = None,
    robot: RobotFile | None = None,
) -> BufferDescription:
    """Read the bags one after the other and choose samples over all of them.

    A LeRobot data set is read as one bag an episode; it needs the `robot`, whose file says what
    its numbers mean.

    Instructions that the policy of `bundle` cannot know are left out, where one is given.

    Raises:
        QuantVLAError: `out` exists, a bag is unreadable or lacks a topic, or the bags hold too
            few samples; nothing is written then.
    """
    prepare_output(out, force)
    collector = Collector(config, samples, refusal_for(bundle))
    opened = [one for path in bags for one in _open(path, config, robot)]
    total = sum(len(bag) for bag in opened)
    done = 0
    with CollectorProgress(collector, total, "messages") as bar:
        for bag in opened:
            for message in bag.messages():
                collector.add(message)
                done += 1
                bar.update(done)
            collector.new_stream()
    chosen, counts = collector.finish()
    names = list(dict.fromkeys(bag.path.name for bag in opened))
    return write_buffer(out, config, chosen, counts, names, force)


def _open(
    path: Path, config: CalibrationConfig, robot: RobotFile | None
) -> Sequence[Bag | Episode]:
    if not is_lerobot(path):
        return [Bag(path, config.topics())]
    if robot is None:
        raise QuantVLAError(
            f"'{path}' is a LeRobot data set, whose numbers have no unit; give the robot by --robot"
        )
    return open_episodes(path, config, robot)
