# SPDX-License-Identifier: Apache-2.0
"""The node's own record: when it published, how long inference took, what the motion was like."""

from __future__ import annotations

import json
import math
import os
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.bundle.directory import check_writable
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.serving.histogram import BOUNDS_MS, Histogram
from quantvla_ros.serving.ring import Ring
from quantvla_ros.whole_file import write_file

SCHEMA = 1
KEEP = 30_000
"""Raw values kept of each kind: the last five minutes at 100 Hz."""
RECENT = 500
"""Intervals that diagnostics look at: all of them would take ever longer."""
LATE_S = 0.005
"""A window that comes so much later than its period is counted, however long the node runs."""
_SHARES = {"p50": 0.50, "p99": 0.99, "max": 1.0}


class NodeRecord:
    """Collects raw figures and writes them as JSON. Times are of the steady clock.

    Attributes:
        published: windows.
        late: windows that came more than `LATE_S` later than a period after the one before.
        latest_s: by how much the latest one did.
        withdrawn: windows that were not published, for they would have come too late.
    """

    def __init__(self, period_s: float) -> None:
        """Take the control period that jitter refers to."""
        self._period = period_s
        self._last_publish: float | None = None
        self.published = 0
        self.late = 0
        self.latest_s = 0.0
        self.withdrawn = 0
        self._intervals_s = Ring(KEEP)
        self._recent_s: deque[float] = deque(maxlen=RECENT)
        self._latency_s = Ring(KEEP)
        self._stages_ms: dict[str, Ring] = {}
        self.histograms: dict[str, Histogram] = {}

    def note_publish(self, steady_s: float) -> None:
        """Note the steady time of one published window."""
        self.published += 1
        if self._last_publish is not None:
            interval = steady_s - self._last_publish
            self._intervals_s.append(interval)
            self._recent_s.append(interval)
            self.late += interval - self._period > LATE_S
            self.latest_s = max(self.latest_s, interval - self._period)
        self._last_publish = steady_s

    def note_pause(self) -> None:
        """Note that nothing is published now: the pause is no jitter."""
        self._last_publish = None

    def note_inference(self, latency_s: float, stages_ms: Mapping[str, float]) -> None:
        """Note one inference: from request to chunk, and its stages."""
        self._latency_s.append(latency_s)
        for name, value in stages_ms.items():
            self.note_stage(name, value)

    def note_stage(self, name: str, milliseconds: float) -> None:
        """Note how long one stage took."""
        if name not in self._stages_ms:
            self._stages_ms[name], self.histograms[name] = Ring(KEEP), Histogram()
        self._stages_ms[name].append(milliseconds)
        self.histograms[name].add(milliseconds)

    def jitter_ms(self) -> dict[str, float]:
        """Return p50, p99 and max of how far publish intervals are from the period."""
        return self._jitter_ms(self._intervals_s.values())

    def recent_jitter_ms(self) -> dict[str, float]:
        """Return the same of the latest intervals; any thread may ask while others are noted."""
        return self._jitter_ms(np.array(list(self._recent_s)))

    def _jitter_ms(self, intervals_s: NDArray[np.float64]) -> dict[str, float]:
        off = np.sort(np.abs(intervals_s - self._period)) * 1e3
        if not off.size:
            return {"p50": 0.0, "p99": 0.0, "max": 0.0}
        # The nearest value above. numpy's percentile would import numpy.ma at its first call,
        # which holds up the control thread by 25 ms.
        at = {name: off[math.ceil(share * (off.size - 1))] for name, share in _SHARES.items()}
        return {name: float(value) for name, value in at.items()}

    def as_dict(self) -> dict[str, Any]:
        """Return everything for the JSON file; times in the units that the keys name."""
        return {
            "schema": SCHEMA,
            "control_rate_hz": 1.0 / self._period,
            "published": self.published,
            "late": self.late,
            "withdrawn": self.withdrawn,
            "latest_ms": round(self.latest_s * 1e3, 4),
            "jitter_ms": self.jitter_ms(),
            "publish_intervals_ms": _rounded(self._intervals_s.values() * 1e3),
            "latency_ms": _rounded(self._latency_s.values() * 1e3),
            "stages_ms": {name: _rounded(ring.values()) for name, ring in self._stages_ms.items()},
            "histogram_bounds_ms": BOUNDS_MS,
            "histograms": {name: h.counts for name, h in self.histograms.items()},
        }


def _rounded(values: NDArray[np.float64]) -> list[float]:
    return [round(value, 4) for value in values.tolist()]


def check_record_path(path: str) -> None:
    """Refuse a record that could not be written when the node is deactivated; "" is none.

    Raises:
        QuantVLAError: see `check_writable`.
    """
    if path:
        try:
            check_writable(Path(os.path.expanduser(path)))
        except QuantVLAError as error:
            raise QuantVLAError(f"The record of parameter 'record_path': {error}.") from error


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write ``record`` to ``path`` whole or not at all; "~" is the home directory.

    Raises:
        QuantVLAError: the file cannot be written.
    """
    path = Path(os.path.expanduser(path))
    try:
        write_file(path, json.dumps(record, indent=1))
    except OSError as error:
        raise QuantVLAError(
            f"The record '{path}' cannot be written ({error.strerror}); change record_path."
        ) from error
