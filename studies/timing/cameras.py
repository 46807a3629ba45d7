# SPDX-License-Identifier: Apache-2.0
"""Whether frames of two large cameras are lost, with the shipped profile of the middleware."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from calib_tools.common.progress import Report
from calib_tools.common.ros_domain import own_ros_domain
from calib_tools.system.processes import Processes
from quantvla_ros.resources import shared_file
from studies.timing.shares import shares

PROFILE = "config/fastdds.xml"
VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
WIDTH, HEIGHT, RATE_HZ = 640, 480, 30.0
MODULE = "studies.timing.camera_stream"
_EXTRA_S = 90.0


def study_cameras(seconds: float, logs: Path, report: Report) -> list[dict[str, Any]]:
    """Stream for `seconds` with and without the profile; returns a row of each."""
    rows = []
    for name, profile in (("shipped profile", True), ("middleware's defaults", False)):
        report(f"{name}: two cameras of {WIDTH}x{HEIGHT} at {RATE_HZ:.0f} Hz for {seconds:.0f} s")
        published, ages = _stream(seconds, profile, logs)
        for camera, values in ages.items():
            rows.append({"profile": name, "camera": camera, **figures(published, values)})
    return rows


def figures(published: int, ages_ms: list[float]) -> dict[str, Any]:
    """Published, received and lost frames, and the percentiles of their ages on arrival."""
    found = {"published": published, "received": len(ages_ms), "lost": published - len(ages_ms)}
    return {**found, "age_ms": shares(ages_ms) if ages_ms else None}


def _stream(seconds: float, profile: bool, logs: Path) -> tuple[int, dict[str, list[float]]]:
    with tempfile.TemporaryDirectory() as scratch, own_ros_domain() as environment:
        for variable in VARIABLES:
            environment.pop(variable, None)
            if profile:
                environment[variable] = str(shared_file(PROFILE))
        sent, read = Path(scratch) / "sent.json", Path(scratch) / "read.json"
        common = ["--seconds", str(seconds)]
        with Processes(logs, environment) as processes:
            reader = processes.start("reader", MODULE, "read", *common, "--out", read)
            cameras = processes.start(
                "cameras", MODULE, "publish", *common, "--out", sent,
                "--rate", str(RATE_HZ), "--width", str(WIDTH), "--height", str(HEIGHT),
            )  # fmt: skip
            cameras.wait(seconds + _EXTRA_S)
            reader.wait(_EXTRA_S)
        ages: dict[str, list[float]] = json.loads(read.read_text(encoding="utf-8"))["ages_ms"]
        return int(json.loads(sent.read_text(encoding="utf-8"))["published"]), ages
