# SPDX-License-Identifier: Apache-2.0
"""`quantvla record`: live topics to a calibration buffer."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

from calib_tools.buffer.collector import Collector, check_wanted
from calib_tools.buffer.instructions import refusal_for
from calib_tools.buffer.messages import RawMessage
from calib_tools.buffer.sources import CalibrationConfig
from calib_tools.buffer.store import BufferDescription, write_buffer
from calib_tools.common.stopping import asked_to_stop
from calib_tools.record.progress import CollectorProgress
from quantvla_ros.bundle.directory import prepare_output
from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.errors import QuantVLAError

STARTED = "Recording; Ctrl-C ends it and keeps what was recorded."
_WAIT_S = 0.1


def record(
    config: CalibrationConfig,
    out: Path,
    samples: int,
    timeout_s: float,
    force: bool,
    bundle: Path | None = None,
) -> BufferDescription:
    """Record until there is enough to choose from, the time is over, or a signal asks to stop.

    Where the policy's `bundle` is given, instructions that it cannot know are left out, and so are
    cameras that it does not need and that nobody publishes.

    Raises:
        QuantVLAError: `out` exists, a topic is silent, nothing that came can be used, or too few
            samples came; nothing is written then.
    """
    from quantvla_ros.nodes.recorder import TopicTap

    prepare_output(out, force)
    check_wanted(config, samples)  # before anybody waits
    refusal, optional = refusal_for(bundle), _optional(config, bundle)
    with ExitStack() as closing:
        tap = closing.enter_context(TopicTap(config.topics()))
        absent = tap.subscribe(config.first_message_timeout_s, optional)
        if absent:
            config = config.without(absent)
        collector = Collector(config, samples, refusal)
        received = collector.synchroniser.received
        bar = closing.enter_context(CollectorProgress(collector, collector.target))
        for topic in absent:
            bar.note(f"Nothing publishes '{topic}'; its camera is optional and left out.")
        bar.note(STARTED)
        started = time.monotonic()
        with asked_to_stop() as interrupted:
            while collector.candidates < collector.target and not interrupted():
                arrival = tap.next(_WAIT_S)
                if arrival is not None:
                    message = (arrival.topic, arrival.msgtype, arrival.data, arrival.number)
                    collector.add(RawMessage(*message))
                bar.update()
                waited = time.monotonic() - started
                silent = [topic for topic in config.topics() if not received[topic]]
                if silent and waited > config.first_message_timeout_s:
                    raise tap.silent(silent[0], config.first_message_timeout_s)
                if waited > config.first_message_timeout_s and (useless := collector.useless):
                    raise QuantVLAError(useless)
                if waited > timeout_s:
                    break
            if interrupted():
                bar.note("Interrupted; keeping what was recorded.")
            chosen, counts = collector.finish()
            return write_buffer(out, config, chosen, counts, ["live topics"], force)


def _optional(config: CalibrationConfig, bundle: Path | None) -> set[str]:
    """Topics of the cameras that the policy of `bundle` also runs without."""
    slots = () if bundle is None else load_manifest(bundle).interface.cameras
    names = {slot.name for slot in slots if slot.optional}
    return {source.topic for name, source in config.cameras.items() if name in names}
