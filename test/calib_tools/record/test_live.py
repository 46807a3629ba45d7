# SPDX-License-Identifier: Apache-2.0
"""Recording over a real ROS graph."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import yaml
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage
from support.ros_graph import Stranger
from support.waiting import patient

from calib_tools.buffer.messages import header_stamp_ns
from calib_tools.buffer.store import load_buffer
from calib_tools.record.live import record
from quantvla_ros.errors import CalibrationBufferError, OutputExistsError, QuantVLAError
from quantvla_ros.nodes.offered_topic import message_class

STATES = "/joint_states"
SENSOR = (DurabilityPolicy.VOLATILE, ReliabilityPolicy.BEST_EFFORT)
QOS = {"/instruction": (DurabilityPolicy.TRANSIENT_LOCAL, ReliabilityPolicy.RELIABLE)}
ENOUGH = 40
"""Samples of a recording before it is ended; a buffer needs 32."""


class Robot:
    """Publishes a stream from a thread, faster than life, until it is stopped."""

    def __init__(self, stream, topics=None, qos=None):
        self._stream = stream
        self._context = Context()
        self._context.init()
        self._node = Node("robot", context=self._context)
        self._publishers = {}
        for topic, msgtype in {m.topic: m.msgtype for m in stream}.items():
            if topics is None or topic in topics:
                durability, reliability = {**QOS, **(qos or {})}.get(topic, SENSOR)
                self._publishers[topic] = self._node.create_publisher(
                    message_class(msgtype),
                    topic,
                    QoSProfile(depth=10, durability=durability, reliability=reliability),
                )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        # The stream does not last for ever, so it begins when somebody listens.
        while not any(p.get_subscription_count() for p in self._publishers.values()):
            if self._stop.wait(0.002):
                return
        for message in self._stream:
            if message.topic in self._publishers:
                self._publishers[message.topic].publish(message.data)
            if self._stop.wait(0.002):
                return

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        self._node.destroy_node()
        self._context.try_shutdown()


def test_live_topics_become_a_buffer(tmp_path, config, streams):
    with Robot(streams.robot(2000)):
        description = record(config, tmp_path / "buffer", 32, 60.0, force=False)
    buffer = load_buffer(tmp_path / "buffer")
    assert len(buffer.samples) == description.selection.kept == 32
    assert description.origin == ["live topics"]
    for sample in buffer.samples:
        tick = round((sample.stamp - streams.start_ns * 1e-9) / 0.02)
        assert tick % 5 == 0
        np.testing.assert_array_equal(sample.images["front"], streams.picture(tick))
        np.testing.assert_array_equal(sample.images["wrist"], streams.picture(tick + 1))
        assert sample.joints[0] == pytest.approx(0.02 * tick, abs=0.03)
        assert sample.instruction == "put the milk in the basket"


def test_a_topic_without_a_publisher_is_named_with_the_seconds(tmp_path, config, streams):
    quick = config.model_copy(update={"first_message_timeout_s": 2.0})
    topics = {"/front/image_raw", "/joint_states", "/instruction"}
    with (
        Robot(streams.robot(2000), topics),
        pytest.raises(QuantVLAError, match="on /wrist/image_raw in 2 s: it has no publisher"),
    ):
        record(quick, tmp_path / "buffer", 32, 60.0, force=False)
    assert not list(tmp_path.iterdir())


def test_a_topic_with_a_silent_publisher_is_named_with_the_seconds(tmp_path, config, streams):
    quick = config.model_copy(update={"first_message_timeout_s": 2.0})
    stream = streams.robot(2000)
    wrist = [m for m in stream if m.topic == "/wrist/image_raw"]
    silent = [m for m in stream if m.topic != "/wrist/image_raw"]
    # The wrist camera has a publisher, and its first frame comes after all others.
    with (
        Robot([*silent, wrist[0]]),
        pytest.raises(QuantVLAError, match="on /wrist/image_raw in 2 s: /robot publishes it and"),
    ):
        record(quick, tmp_path / "buffer", 1000, 60.0, force=False)
    assert not list(tmp_path.iterdir())


def test_a_topic_of_another_type_is_named(tmp_path, config, streams):
    quick = config.model_copy(update={"first_message_timeout_s": 2.0})
    stream = [m for m in streams.robot(50) if m.topic != "/wrist/image_raw"]
    stream.insert(0, type(stream[0])("/wrist/image_raw", stream[0].msgtype, stream[0].data))
    with (
        Robot(stream),
        pytest.raises(QuantVLAError, match="/robot publishes std_msgs/msg/String there, and"),
    ):
        record(quick, tmp_path / "buffer", 32, 60.0, force=False)


def test_pictures_that_cannot_be_read_end_it_soon_and_by_name(tmp_path, config, streams):
    quick = config.model_copy(update={"first_message_timeout_s": 1.0})
    stream = [
        streams.image(m.topic, header_stamp_ns(m.data), streams.picture(0)[:, :, :2], "16UC1")
        if m.topic == "/wrist/image_raw"
        else m
        for m in streams.robot(4000)
    ]
    with (
        Robot(stream),
        pytest.raises(
            QuantVLAError, match=r"on /wrist/image_raw has the encoding '16UC1': a depth"
        ),
    ):
        record(quick, tmp_path / "buffer", 1000, 1000.0, force=False)  # the test's time is less
    assert not list(tmp_path.iterdir())


def joints_sent_as(streams, change):
    """What a robot sends, with every joint state changed."""
    for message in streams.robot(4000):
        if message.topic == "/joint_states":
            message = change(header_stamp_ns(message.data))
        yield message


@pytest.mark.parametrize(
    ("names", "positions", "sentence"),
    [
        (
            ["left_shoulder", "left_elbow", "left_finger"],
            [0.1, 0.2, 0.3],
            "The configuration's joints are shoulder, elbow, finger; /joint_states has left_elbow, "
            "left_finger, left_shoulder; missing: shoulder, elbow, finger.",
        ),
        (
            ["shoulder", "elbow"],
            [0.1, 0.2],
            "The configuration's joints are shoulder, elbow, finger; /joint_states has elbow, "
            "shoulder; missing: finger.",
        ),
        (["shoulder", "elbow", "finger"], [], "Nothing that came is usable (joint states with"),
    ],
    ids=["prefixed", "missing", "without positions"],
)
def test_joints_that_do_not_fit_end_it_soon_and_by_name(
    tmp_path, config, streams, names, positions, sentence
):
    quick = config.model_copy(update={"first_message_timeout_s": 2.0})
    stream = joints_sent_as(streams, lambda stamp: streams.joints(stamp, positions, names))
    with Robot(list(stream)), pytest.raises(QuantVLAError) as error:
        record(quick, tmp_path / "buffer", 1000, 1000.0, force=False)  # the test's time is less
    assert str(error.value).startswith(sentence)
    assert not list(tmp_path.iterdir())


def test_cameras_and_instructions_of_any_qos_are_recorded(tmp_path, config, streams):
    """As cameras that keep their last frame and tools that keep nothing offer them."""
    stream = streams.robot(2000)
    instruction = stream[0]
    for place in range(len(stream) - 1, 0, -100):
        stream.insert(place, instruction)
    qos = {
        "/front/image_raw": (DurabilityPolicy.TRANSIENT_LOCAL, ReliabilityPolicy.BEST_EFFORT),
        "/wrist/image_raw": (DurabilityPolicy.VOLATILE, ReliabilityPolicy.RELIABLE),
        "/instruction": (DurabilityPolicy.VOLATILE, ReliabilityPolicy.RELIABLE),
    }
    other = Stranger()
    try:
        other.publisher(CompressedImage, "/front/image_raw")  # silent, and of another type
        with Robot(stream, qos=qos):
            record(config, tmp_path / "buffer", 32, 60.0, force=False)
    finally:
        other.close()
    assert len(load_buffer(tmp_path / "buffer").samples) == 32


def test_the_time_is_over_with_too_few_samples(tmp_path, config, streams):
    with (
        Robot(streams.robot(2000, moving=False)),
        pytest.raises(CalibrationBufferError, match=r"Only 1 usable.*near-duplicates"),
    ):
        record(config, tmp_path / "buffer", 32, 3.0, force=False)
    assert not list(tmp_path.iterdir())


def test_two_publishers_of_the_same_joints_make_no_buffer_although_they_agree(
    tmp_path, config, streams
):
    """Which of them is the robot nobody can know, and the next moment they may differ."""
    stream = streams.robot(2000)
    with (
        Robot(stream),
        Robot(stream, {STATES}),
        pytest.raises(CalibrationBufferError, match=r"joint states of two publishers: \d+"),
    ):
        record(config, tmp_path / "buffer", 1000, 3.0, force=False)
    assert not list(tmp_path.iterdir())


def test_recording_ends_soon_when_zeros_are_published_beside_the_joint_states(
    tmp_path, config, streams
):
    quick = config.model_copy(update={"first_message_timeout_s": 2.0})
    stream = streams.robot(2000)
    zeros = [
        streams.joints(header_stamp_ns(m.data), [2.0, -2.0, 0.0]) if m.topic == STATES else m
        for m in stream
    ]
    with (
        Robot(stream),
        Robot(zeros, {STATES}),
        pytest.raises(QuantVLAError, match=r"(?i)joint '.*second node publish on /joint_states"),
    ):
        record(quick, tmp_path / "buffer", 1000, 600.0, force=False)
    assert not list(tmp_path.iterdir())


def test_an_existing_output_is_refused_before_waiting(tmp_path, config):
    (tmp_path / "buffer").mkdir()
    with pytest.raises(OutputExistsError):
        record(config, tmp_path / "buffer", 32, 60.0, force=False)


class Recording:
    """`quantvla record` in a process, which would go on for long."""

    def __init__(self, folder, config, before=None, **streams):
        path = folder / "config.yaml"
        path.write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
        arguments = ["record", "--config", path, "--out", folder / "buffer", "--samples", "1000"]
        program = ["-m", "calib_tools.cli"] if before is None else ["-c", before]
        self.process = subprocess.Popen(
            [sys.executable, *program, *map(str, arguments)],
            start_new_session=True,
            # A shell starts what runs in the background, these tests perhaps, deaf to it.
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
            env=os.environ | {"COLUMNS": "200"},
            **streams,
        )

    def wait_for_samples(self, read):
        different, deadline = 0, time.monotonic() + patient(60)
        while different < ENOUGH and time.monotonic() < deadline:
            for shown in re.findall(r"(\d+) different, ", read()):
                different = int(shown)
        assert different >= ENOUGH


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_what_was_recorded(tmp_path, config, streams, number):
    with Robot(streams.robot(4000)):
        recording = Recording(
            tmp_path, config, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        recording.wait_for_samples(recording.process.stderr.readline)
        os.killpg(recording.process.pid, number)
        _, errors = recording.process.communicate(timeout=patient(30))
    assert recording.process.returncode == 0, errors
    assert "keeping what was recorded" in errors
    assert len(load_buffer(tmp_path / "buffer").samples) >= ENOUGH


def test_a_terminal_that_is_closed_keeps_what_was_recorded(tmp_path, config, streams):
    ours, theirs = os.openpty()
    with Robot(streams.robot(4000)), open(ours, "rb", buffering=0) as terminal:
        # The first terminal that a process without one opens becomes its own.
        take = f"import os, runpy; os.open({os.ttyname(theirs)!r}, os.O_RDWR); "
        run = "runpy.run_module('calib_tools.cli', run_name='__main__')"
        recording = Recording(
            tmp_path, config, stdin=theirs, stdout=theirs, stderr=theirs, before=take + run
        )
        os.close(theirs)
        # Redrawn in place: there is no line to wait for.
        recording.wait_for_samples(lambda: terminal.read(4096).decode(errors="replace"))
        terminal.close()
        recording.process.wait(patient(30))
    assert recording.process.returncode == 0
    assert len(load_buffer(tmp_path / "buffer").samples) >= ENOUGH


def test_nobody_who_reads_the_progress_keeps_what_was_recorded(tmp_path, config, streams):
    """Ctrl-C also ends a `tee` that shows and keeps what is printed."""
    with Robot(streams.robot(4000)):
        recording = Recording(
            tmp_path, config, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        recording.wait_for_samples(recording.process.stderr.readline)
        recording.process.stderr.close()
        os.killpg(recording.process.pid, signal.SIGINT)
        recording.process.wait(patient(30))
    assert len(load_buffer(tmp_path / "buffer").samples) >= ENOUGH
