# SPDX-License-Identifier: Apache-2.0
"""Synthetic streams of a robot with two cameras and three joints, and a tiny bundle for it."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from calib_tools.buffer import messages
from calib_tools.buffer.messages import RawMessage
from calib_tools.buffer.sources import (
    CalibrationConfig,
    CameraSource,
    JointSource,
)

JOINTS = ["shoulder", "elbow", "finger"]
START_NS = 5_000_000_000


def raw_image(topic: str, stamp_ns: int, pixels: np.ndarray, encoding: str = "rgb8") -> RawMessage:
    store = messages.type_store()
    make = store.types[messages.IMAGE_TYPE]
    height, width = pixels.shape[:2]
    row = pixels.reshape(height, -1)
    message = make(
        header=messages._header(stamp_ns, "camera"),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=row.shape[1],
        data=np.ascontiguousarray(row).reshape(-1),
    )
    return RawMessage(topic, messages.IMAGE_TYPE, messages.serialize(message, messages.IMAGE_TYPE))


def raw_joints(
    stamp_ns: int,
    position: Iterable[float],
    names: list[str] | None = None,
    velocity: Iterable[float] | None = None,
    number: int | None = None,
) -> RawMessage:
    values = np.array(list(position), dtype=float)
    speeds = values * 0.5 if velocity is None else np.array(list(velocity), dtype=float)
    data = messages.joint_state(stamp_ns, names or JOINTS, values, speeds)
    return RawMessage("/joint_states", "sensor_msgs/msg/JointState", data, number)


def raw_instruction(text: str) -> RawMessage:
    return RawMessage("/instruction", "std_msgs/msg/String", messages.string(text))


def picture(seed: int, size: int = 48) -> np.ndarray:
    """A picture unlike those of other seeds, also when looked at coarsely."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (6, 6, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((size // 6, size // 6, 1), np.uint8))


def robot_stream(frames: int, moving: bool = True) -> list[RawMessage]:
    """Both cameras at 10 Hz, joints at 50 Hz: what arrives from a healthy robot."""
    return list(_robot_stream(frames, moving))


@functools.cache  # a long one takes seconds, and messages are not changed
def _robot_stream(frames: int, moving: bool) -> list[RawMessage]:
    stream = [raw_instruction("put the milk in the basket")]
    for tick in range(frames * 5):
        stamp = START_NS + tick * 20_000_000
        angle = 0.02 * tick if moving else 0.3
        stream.append(raw_joints(stamp, [angle, -angle, 0.04]))
        if tick % 5 == 0:
            seed = tick if moving else 0
            stream.append(raw_image("/front/image_raw", stamp, picture(seed)))
            stream.append(raw_image("/wrist/image_raw", stamp + 3_000_000, picture(seed + 1)))
    return stream


def write_bag(
    path: Path, stream: Iterable[RawMessage], mcap: bool = True, compressed: str = "NONE"
) -> Path:
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

    plugin = StoragePlugin.MCAP if mcap else StoragePlugin.SQLITE3
    writer = Writer(path, version=9, storage_plugin=plugin)
    writer.set_compression(CompressionMode[compressed], CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for i, message in enumerate(stream):
            if message.topic not in connections:
                connections[message.topic] = writer.add_connection(
                    message.topic, message.msgtype, typestore=messages.type_store()
                )
            writer.write(connections[message.topic], 1000 + i, message.data)
    return path


class Streams:
    """The helpers above, as one fixture."""

    image = staticmethod(raw_image)
    joints = staticmethod(raw_joints)
    instruction = staticmethod(raw_instruction)
    picture = staticmethod(picture)
    robot = staticmethod(robot_stream)
    bag = staticmethod(write_bag)
    start_ns = START_NS


@pytest.fixture(scope="session")
def streams() -> type[Streams]:
    return Streams


def robot_config() -> CalibrationConfig:
    return CalibrationConfig(
        cameras={
            "front": CameraSource(topic="/front/image_raw"),
            "wrist": CameraSource(topic="/wrist/image_raw"),
        },
        joint_states=JointSource(names=JOINTS),
        candidates_per_sample=1.0,
    )


@pytest.fixture
def config() -> CalibrationConfig:
    return robot_config()


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory) -> Path:
    """A float bundle with random weights for the robot of the streams above; do not change it."""
    from support.spaces import DELTA_ARM, GRIPPER
    from support.untrained import save_untrained

    return save_untrained(
        tmp_path_factory.mktemp("bundles") / "tiny",
        groups := ((DELTA_ARM, "rad", JOINTS[:2]), (GRIPPER, "m", JOINTS[2:])),
        groups,
        action_mean=[0.0, 0.0, 0.02],
        action_std=[0.05, 0.05, 0.02],
    )


def record_buffer(path: Path, groups: int) -> Path:
    """A buffer at `path` of what the robot sends in so many groups; it fits `tiny_bundle`.

    Pictures are taken out of their messages by ROS: a test of a buffer is skipped without it.
    """
    pytest.importorskip("rclpy")
    from calib_tools.buffer.collector import Collector
    from calib_tools.buffer.store import write_buffer

    sources = robot_config()
    collector = Collector(sources, groups)
    for message in robot_stream(groups):
        collector.add(message)
    samples, counts = collector.finish()
    write_buffer(path, sources, samples, counts, ["live topics"])
    return path


@pytest.fixture(scope="session")
def tiny_buffer(tmp_path_factory) -> Path:
    """A buffer of 32 samples that fits `tiny_bundle`; do not change it."""
    return record_buffer(tmp_path_factory.mktemp("buffers") / "tiny", 32)


@pytest.fixture(scope="session")
def fresh_buffers(tmp_path_factory) -> list[Path]:
    """Two further buffers, of 34 and 36 samples."""
    folder = tmp_path_factory.mktemp("fresh_buffers")
    return [record_buffer(folder / str(groups), groups) for groups in (34, 36)]
