# SPDX-License-Identifier: Apache-2.0
"""Whether frames of two large cameras are lost, with the shipped profile of the middleware.

Cameras that publish numbered pictures, and a reader that counts them as the policy node would, are
processes: `python -m studies.timing.cameras publish|read --seconds 60 ...`
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import Image

from calib_tools.common.progress import Report
from calib_tools.common.ros_domain import own_ros_domain
from calib_tools.system.processes import Processes
from quantvla_ros.nodes.conversion import rgb_to_image
from quantvla_ros.nodes.inputs import Inputs
from quantvla_ros.nodes.qos import SENSOR
from quantvla_ros.nodes.runtime import Runtime
from quantvla_ros.resources import shared_file
from quantvla_ros.serving.input_buffer import InputBuffer
from quantvla_ros.serving.input_types import Gates
from quantvla_ros.serving.periodic import PeriodicThread
from studies.timing.table import figures

CAMERAS = ("left", "right")
_READERS_S = 30.0  # longest wait for the other side
_DRAIN_S = 1.0
_POLL_S = 0.01
_GATES = Gates(camera_age=1e9, joint_age=1e9, skew=1e9, future=1e9, frozen=0.0)


class Publisher:
    """Publishes pictures of noise from every camera; the stamps are those of the wall clock."""

    def __init__(self, node: Node, width: int, height: int) -> None:
        """Make the publishers."""
        self._publishers = {
            name: node.create_publisher(Image, f"{name}/image_raw", SENSOR) for name in CAMERAS
        }
        pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        self._messages = {name: rgb_to_image(pixels, 0.0, name) for name in CAMERAS}
        self.count = 0

    @property
    def heard(self) -> bool:
        """Whether somebody reads every camera."""
        return all(p.get_subscription_count() for p in self._publishers.values())

    def publish(self, deadline: float) -> None:
        """Publish the next picture of every camera."""
        for name, message in self._messages.items():
            now = time.time_ns()
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(now, 1_000_000_000)
            self._publishers[name].publish(message)
        self.count += 1


class CountingBuffer(InputBuffer):
    """Counts frames and takes the time from their stamp to their arrival, ms."""

    def __init__(self) -> None:
        """Begin with no frame."""
        super().__init__(CAMERAS, ("joint",), lambda: _GATES)
        self.ages_ms: dict[str, list[float]] = {name: [] for name in CAMERAS}

    def add_frame(self, camera: str, stamp: float, data: bytes, now: float) -> None:
        """Note an arrival."""
        self.ages_ms[camera].append((time.time() - stamp) * 1e3)
        super().add_frame(camera, stamp, data, now)


def publish(rate_hz: float, width: int, height: int, seconds: float) -> dict[str, object]:
    """Publish for so long, once somebody reads; returns the number of pictures of each camera."""
    errors: list[Exception] = []
    with Runtime([]) as runtime:
        node = Node("cameras")
        publisher = Publisher(node, width, height)
        runtime.spin(node)
        deadline = time.monotonic() + _READERS_S
        while not publisher.heard and time.monotonic() < deadline:
            runtime.wait(_POLL_S)
        thread = PeriodicThread("cameras", 1.0 / rate_hz, publisher.publish, errors.append)
        thread.start()
        runtime.wait(seconds)
        thread.stop()
        runtime.wait(_DRAIN_S)
    return {"published": publisher.count, "errors": [str(error) for error in errors]}


def read(seconds: float) -> dict[str, object]:
    """Read until nothing has come for a while after so long; returns the ages by camera, ms."""
    errors: list[Exception] = []
    buffer = CountingBuffer()
    with Runtime([]) as runtime:
        node = Node("reader")
        inputs = Inputs(node, errors.append)
        inputs.connect(buffer, "raw")
        runtime.spin(node)
        deadline = time.monotonic() + _READERS_S
        while not all(buffer.ages_ms.values()) and time.monotonic() < deadline:
            runtime.wait(_POLL_S)
        runtime.wait(seconds + _DRAIN_S)
        inputs.close()
    return {"ages_ms": buffer.ages_ms, "errors": [str(error) for error in errors]}


def main(arguments: Sequence[str] | None = None) -> int:
    """Publish or read, and write what came of it as JSON."""
    parser = argparse.ArgumentParser(prog="studies.timing.cameras", description=__doc__)
    parser.add_argument("side", choices=("publish", "read"))
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=30.0, help="pictures a second")
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    if options.side == "read":
        result = read(options.seconds)
    else:
        result = publish(options.rate, options.width, options.height, options.seconds)
    options.out.write_text(json.dumps(result))
    return 0


PROFILE = "config/fastdds.xml"
VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
WIDTH, HEIGHT, RATE_HZ = 640, 480, 30.0
MODULE = "studies.timing.cameras"
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


if __name__ == "__main__":
    sys.exit(main())
