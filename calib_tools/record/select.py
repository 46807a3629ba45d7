# SPDX-License-Identifier: Apache-2.0
"""`quantvla select`: old bags to a calibration buffer, through the code that records live."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from calib_tools.buffer.bags import Bag
from calib_tools.buffer.collector import Collector
from calib_tools.buffer.instructions import refusal_for
from calib_tools.buffer.sources import CalibrationConfig
from calib_tools.buffer.store import BufferDescription, write_buffer
from calib_tools.record.progress import CollectorProgress
from quantvla_ros.bundle.directory import prepare_output


def select(
    bags: Sequence[Path],
    config: CalibrationConfig,
    out: Path,
    samples: int,
    force: bool,
    bundle: Path | None = None,
) -> BufferDescription:
    """Read the bags one after the other and choose samples over all of them.

    Instructions that the policy of `bundle` cannot know are left out, where one is given.

    Raises:
        QuantVLAError: `out` exists, a bag is unreadable or lacks a topic, or the bags hold too
            few samples; nothing is written then.
    """
    prepare_output(out, force)
    collector = Collector(config, samples, refusal_for(bundle))
    opened = [Bag(path, config.topics()) for path in bags]
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
    return write_buffer(out, config, chosen, counts, [bag.path.name for bag in opened], force)
