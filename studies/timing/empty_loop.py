# SPDX-License-Identifier: Apache-2.0
"""The control thread's loop with nothing in it: how punctual this machine lets any process be."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from quantvla_ros.serving.periodic import PeriodicThread
from quantvla_ros.serving.realtime import CONTROL_PRIORITY
from quantvla_ros.serving.record import NodeRecord


def loop(rate_hz: float, seconds: float) -> dict[str, object]:
    """Wake up at this rate for so long; returns the figures that a node's record has."""
    period = 1.0 / rate_hz
    record = NodeRecord(period)
    errors: list[Exception] = []
    thread = PeriodicThread(
        "empty",
        period,
        lambda deadline: record.note_publish(time.monotonic()),
        errors.append,
        CONTROL_PRIORITY,
    )
    thread.start()
    time.sleep(seconds)
    thread.stop()
    if errors:
        raise errors[0]
    return {**record.as_dict(), "realtime": thread.realtime}


def main(arguments: list[str] | None = None) -> int:
    """Run the loop and write its figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    options.out.write_text(json.dumps(loop(options.rate, options.seconds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
