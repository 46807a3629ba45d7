# SPDX-License-Identifier: Apache-2.0
"""The policy node's subscriptions: cameras, joint states, instruction, robot description."""

from __future__ import annotations

import contextlib
import struct
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import String

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.nodes.conversion import (
    compressed_image_to_rgb,
    image_to_rgb,
)
from quantvla_ros.nodes.input_graph import IMAGE_TYPES, InputGraph, Transport, camera_topic
from quantvla_ros.nodes.joint_intake import JointIntake, Taken
from quantvla_ros.nodes.joint_publishers import JointPublishers
from quantvla_ros.nodes.qos import CLOCK, JOINTS_READ, SENSOR
from quantvla_ros.nodes.ros_clock import RosClock
from quantvla_ros.serving.input_buffer import InputBuffer
from quantvla_ros.serving.input_types import Frame, JointSample
from quantvla_ros.serving.periodic import PeriodicThread
from quantvla_ros.serving.realtime import HELPER_PRIORITY

POLL_S = 0.005
"""How often new messages are looked for."""
HEADER_BYTES = 12
"""A serialized message that begins with a stamp is not shorter."""
_JOINTS = "joint_states"
_MESSAGES: dict[Transport, type[Image] | type[CompressedImage]] = {
    "raw": Image,
    "compressed": CompressedImage,
}


def serialized_stamp(data: bytes) -> float:
    """Return the header stamp in s of a serialized message that begins with a Header.

    CDR: four bytes of encapsulation (the second tells the byte order), then seconds (int32) and
    nanoseconds (uint32). So a frame that is not used need not be deserialized.
    """
    order = "<" if data[1] & 1 else ">"
    seconds, nanoseconds = struct.unpack_from(order + "iI", data, 4)
    return float(seconds) + float(nanoseconds) * 1e-9


def _newest(take: Callable[[Any], None]) -> Callable[[list[Taken]], None]:
    """Of a batch of messages."""
    return lambda batch: take(batch[-1].data)


def _patient(callback: Callable[[Any], None]) -> Callable[[Any], None]:
    """Of rclpy's own callback of /clock, which raises at a negative time and ends its thread."""

    def take(message: Any) -> None:
        with contextlib.suppress(ValueError):
            callback(message)

    return take


class PolledGroup(CallbackGroup):
    """Keeps its subscriptions out of the executor; their owner takes the messages."""

    def can_execute(self, entity: object) -> bool:
        """Never."""
        return False

    def beginning_execution(self, entity: object) -> bool:
        """Never."""
        return False

    def ending_execution(self, entity: object) -> None:
        """Nothing was begun."""


class Inputs:
    """Feeds an ``InputBuffer`` from topics; frames are decoded only when they are used.

    Cameras, joint states and the simulation's clock are taken by a thread at a fixed rate, of
    cameras and clock the newest message: every wake-up of rclpy's executor costs about a
    millisecond, whatever is in the message, and the control thread has to wait for it.

    Subscriptions are made once for a topic and kept: destroying them while a multi-threaded
    executor spins is not safe on Humble.
    """

    def __init__(self, node: Node, on_error: Callable[[Exception], None]) -> None:
        """Subscribe to what does not depend on the bundle: instruction, robot description.

        Args:
            node: the policy node.
            on_error: called when the thread ends by an exception.
        """
        self._node = node
        self._now = RosClock(node).now
        self._on_error = on_error
        self._polled: list[tuple[Any, Callable[[list[Taken]], None], int]] = []
        self._thread: PeriodicThread | None = None
        self._buffer: InputBuffer | None = None
        self._transport: Transport = "raw"
        self._topics: dict[tuple[str, Transport], str] = {}
        self._subscribed: set[tuple[tuple[str, Transport], str]] = set()
        self._arrived = threading.Event()
        self._instruction = ""
        self.robot_description: str | None = None
        self.on_joints: Callable[[JointSample], None] = lambda _: None
        self.on_instruction: Callable[[], None] = lambda: None
        for subscription in self._clocks():
            subscription.callback = _patient(subscription.callback)
        self.graph = InputGraph(node)
        for name, take in (
            ("instruction", self._take_instruction),
            ("robot_description", self._take_description),
        ):
            self.graph.read_text(name, self._decoder(String, name, take))
        self.joint_topic = node.resolve_topic_name(_JOINTS)
        self.publishers = JointPublishers(node, self.joint_topic)
        self._intake = JointIntake(
            self.publishers, lambda data: self._decoded(data, JointState, _JOINTS), self._now
        )
        self.description_topic = node.resolve_topic_name("robot_description")
        self._joints_subscribed = False

    def connect(
        self, buffer: InputBuffer, transport: Transport, cameras: Mapping[str, str] | None = None
    ) -> None:
        """Feed ``buffer`` from now on.

        A camera's topic is ``<camera>/image_raw`` or what ``cameras`` says, or its ``/compressed``.
        """
        buffer.set_instruction(self._instruction)
        buffer.misfits = self.graph.misfits
        self._buffer = buffer
        self._transport = transport
        if not self._joints_subscribed:
            self._joints_subscribed = True
            self._poll_topic(JointState, _JOINTS, self._take_joint_states, JOINTS_READ)
            self.graph.expect(_JOINTS, self.joint_topic, "sensor_msgs/msg/JointState")
        self.publishers.look()
        for camera in buffer.cameras:
            key = (camera, transport)
            name = camera_topic(camera, transport, (cameras or {}).get(camera))
            topic = self._node.resolve_topic_name(name)
            self.graph.expect(camera, topic, IMAGE_TYPES[transport])
            self._topics[key] = topic
            if (key, topic) in self._subscribed:
                continue
            self._subscribed.add((key, topic))
            take = _newest(self._frame_callback(camera, transport, topic))
            self._poll_topic(_MESSAGES[transport], name, take, SENSOR)
        if self._thread is None:
            self._take_over_clock()
            self._thread = PeriodicThread(
                "inputs", POLL_S, self._poll, self._on_error, HELPER_PRIORITY
            )
            self._thread.start()

    def disconnect(self) -> None:
        """Drop what arrives from now on."""
        self._buffer = None

    def close(self) -> None:
        """End the thread; to be called before the node is destroyed."""
        if self._thread is not None:
            self._thread.stop()

    def camera_topic(self, camera: str) -> str:
        """Return the full topic name of a camera."""
        return self._topics[(camera, self._transport)]

    def wait(self, timeout_s: float) -> None:
        """Wait until any input arrives, at most so long."""
        self._arrived.wait(timeout_s)
        self._arrived.clear()

    def decode(self, camera: str, frame: Frame) -> NDArray[np.uint8]:
        """Return the picture of a camera's frame, uint8 [height, width, 3] rgb8.

        Raises:
            QuantVLAError: no valid message, an encoding that is not supported, a damaged picture.
        """
        topic, kind = self.camera_topic(camera), _MESSAGES[self._transport]
        try:
            message = deserialize_message(frame.data, kind)
        except Exception as error:  # the middleware's own types, and whatever else it meets
            raise QuantVLAError(f"A message on {topic} is no valid {kind.__name__}.") from error
        if isinstance(message, CompressedImage):
            return compressed_image_to_rgb(message, topic)
        return image_to_rgb(message, topic)

    def _poll_topic(
        self, kind: Any, name: str, take: Callable[[list[Taken]], None], qos: QoSProfile
    ) -> None:
        subscription = self._node.create_subscription(
            kind, name, lambda _: None, qos, callback_group=PolledGroup(), raw=True
        )
        self._polled.append((subscription, take, qos.depth))

    def _decoder(self, kind: Any, name: str, take: Callable[[Any], None]) -> Callable[[Any], None]:
        """Bytes come in, so that one damaged message does not end the executor."""

        def decode(data: bytes) -> None:
            message = self._decoded(data, kind, name)
            if message is not None:
                take(message)

        return decode

    def _decoded(self, data: bytes, kind: Any, name: str) -> Any:
        """The message, or None, and counted, when it is damaged."""
        try:
            return deserialize_message(data, kind)
        except Exception:
            if self._buffer is not None:
                self._buffer.refuse_message(name)
            return None

    def _take_over_clock(self) -> None:
        for subscription in self._clocks():
            # Its event handlers too: each message would wake the executor through them.
            handlers: Any = subscription.event_handlers
            for entity in (subscription, *handlers):
                entity.callback_group = PolledGroup()
            take = _newest(_patient(subscription.callback))
            self._polled.append((subscription, take, CLOCK.depth))

    def _clocks(self) -> list[Any]:
        return [each for each in self._node.subscriptions if each.topic_name == "/clock"]

    def _poll(self, deadline: float) -> None:
        for subscription, take, most in list(self._polled):
            batch: list[Taken] = []
            while len(batch) < most and (message := self._next(subscription)) is not None:
                batch.append(message)
            if batch:
                take(batch)

    def _next(self, subscription: Any) -> Taken | None:
        try:
            with subscription.handle:
                taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
        except Exception:  # a damaged time on /clock, the one that rclpy decodes
            return None
        if taken is None:
            return None
        data, info = taken
        return Taken(data, info.get("publication_sequence_number"))

    def _frame_callback(
        self, camera: str, transport: Transport, topic: str
    ) -> Callable[[bytes], None]:
        def take(data: bytes) -> None:
            buffer = self._buffer
            if buffer is None or transport != self._transport or camera not in buffer.cameras:
                return
            if topic != self._topics[(camera, transport)]:
                return  # of another robot's description, before
            if len(data) < HEADER_BYTES:
                buffer.refuse_message(camera)
                return
            buffer.add_frame(camera, serialized_stamp(data), data, self._now())
            self._arrived.set()

        return take

    def _take_joint_states(self, batch: list[Taken]) -> None:
        buffer = self._buffer
        if buffer is None:
            return
        samples = self._intake.take(batch, buffer)
        self._arrived.set()
        for sample in samples:
            self.on_joints(sample)

    def instruct(self, text: str) -> None:
        """Take an instruction; the newest one counts, wherever it comes from."""
        self._instruction = text
        buffer = self._buffer
        if buffer is not None and buffer.set_instruction(text):
            self.on_instruction()

    def _take_instruction(self, message: String) -> None:
        self.instruct(message.data)

    def _take_description(self, message: String) -> None:
        self.robot_description = message.data
        self._arrived.set()
