# SPDX-License-Identifier: Apache-2.0
"""`quantvla record`: live topics to a calibration buffer."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from calib_tools.buffer.collector import Collector
from calib_tools.buffer.instructions import refusal_for
from calib_tools.buffer.messages import RawMessage
from calib_tools.buffer.sources import CalibrationConfig
from calib_tools.buffer.store import BufferDescription, write_buffer
from calib_tools.progress import CollectorProgress
from quantvla_ros.bundle.directory import prepare_output

STARTED = "Recording; Ctrl-C ends it and keeps what was recorded."
_WAIT_S = 0.1


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Let the first Ctrl-C only set a flag, which the given function reads; a second one stops."""
    hits = 0

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal hits
        hits += 1
        if hits > 1:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield lambda: hits > 0
    finally:
        signal.signal(signal.SIGINT, before)


def record(
    config: CalibrationConfig,
    out: Path,
    samples: int,
    timeout_s: float,
    force: bool,
    bundle: Path | None = None,
) -> BufferDescription:
    """Record until there is enough to choose from, the time is over, or Ctrl-C.

    Instructions that the policy of `bundle` cannot know are left out, where one is given.

    Raises:
        QuantVLAError: `out` exists, a topic is silent, or too few samples came; nothing is
            written then.
    """
    from quantvla_ros.nodes.recorder import TopicTap, silent_topic

    prepare_output(out, force)
    collector = Collector(config, samples, refusal_for(bundle))
    received = collector.synchroniser.received
    with TopicTap(config.topics()) as tap, CollectorProgress(collector, collector.target) as bar:
        tap.subscribe(config.first_message_timeout_s)
        bar.note(STARTED)
        started = time.monotonic()
        with interruptible() as interrupted:
            while collector.candidates < collector.target and not interrupted():
                arrival = tap.next(_WAIT_S)
                if arrival is not None:
                    collector.add(RawMessage(arrival.topic, arrival.msgtype, arrival.data))
                bar.update()
                waited = time.monotonic() - started
                silent = [topic for topic in config.topics() if not received[topic]]
                if silent and waited > config.first_message_timeout_s:
                    raise silent_topic(silent[0], waited)
                if waited > timeout_s:
                    break
        if interrupted():
            bar.note("Interrupted; keeping what was recorded.")
    chosen, counts = collector.finish()
    return write_buffer(out, config, chosen, counts, ["live topics"], force)
