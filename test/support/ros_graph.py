# SPDX-License-Identifier: Apache-2.0
"""Helpers for tests on a real ROS graph: a node of the test, and nodes in processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from support.executor_thread import ExecutorThread
from support.waiting import patient, wait_until

REPOSITORY = Path(__file__).parents[2]
LEAVE_S = 5.0


class Graph:
    """A node of the test, spinning in a thread."""

    def __init__(self, name: str = "test") -> None:
        self.node = Node(name, start_parameter_services=False)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._thread = ExecutorThread(self._executor)

    def listen(self, kind, topic, qos: QoSProfile) -> list:
        """Return a list that grows by each message of the topic."""
        messages = []
        self.node.create_subscription(kind, topic, messages.append, qos)
        self._executor.wake()
        return messages

    def publisher(self, kind, topic, qos: QoSProfile, readers: int = 1, timeout: float = 20):
        """Return a publisher that so many subscriptions have found."""
        publisher = self.node.create_publisher(kind, topic, qos)
        wait_until(
            lambda: publisher.get_subscription_count() >= readers, timeout, f"a reader of {topic}"
        )
        return publisher

    def call(self, kind, service: str, request=None, timeout: float = 30):
        """Call a service once it is there and return its response."""
        client = self.node.create_client(kind, service)
        self._executor.wake()
        assert client.wait_for_service(patient(timeout)), f"{service} did not come"
        future = client.call_async(kind.Request() if request is None else request)
        wait_until(future.done, timeout, f"the answer of {service}")
        self.node.destroy_client(client)
        return future.result()

    def ask_parameter(self, node: str, name: str, value):
        """Ask another node to set a parameter; return its SetParametersResult.

        DDS may lose an answer while it is still finding who asks; to set it twice is to set it.
        """
        from rcl_interfaces.srv import SetParameters

        parameter = rclpy.parameter.Parameter(name, value=value).to_parameter_msg()
        request = SetParameters.Request(parameters=[parameter])
        service = SetParameters, f"/{node}/set_parameters", request
        try:
            return self.call(*service, timeout=5).results[0]
        except AssertionError:
            return self.call(*service).results[0]

    def set_parameter(self, node: str, name: str, value) -> None:
        """Set a parameter of another node; fails if the node refuses."""
        result = self.ask_parameter(node, name, value)
        assert result.successful, result.reason

    def run(self, function) -> None:
        """Call a function in the executor's thread: what is destroyed there is not in use."""
        done = self._executor.create_task(function)
        wait_until(done.done, 20, "the executor's turn")

    def close(self) -> None:
        self._thread.end()
        self.node.destroy_node()


class Stranger:
    """Publishes from a DDS participant of its own; within one, a topic has one type."""

    def __init__(self, name: str = "stranger") -> None:
        self._context = Context()
        self._context.init(args=[])
        self.node = Node(name, context=self._context, start_parameter_services=False)

    def publisher(self, kind, topic, latched=False, reliable=True):
        """Return a publisher with this durability and reliability; nobody need listen."""
        qos = QoSProfile(depth=10)
        if latched:
            qos.durability = DurabilityPolicy.TRANSIENT_LOCAL
        if not reliable:
            qos.reliability = ReliabilityPolicy.BEST_EFFORT
        return self.node.create_publisher(kind, topic, qos)

    def close(self) -> None:
        self.node.destroy_node()
        self._context.try_shutdown()


class NodeProcess:
    """A node in a process group of its own, its output in a file."""

    def __init__(
        self,
        module: str,
        *parameters: str,
        arguments: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start `python -m module` with ROS parameters like `seed:=3` and more environment."""
        self._output = tempfile.NamedTemporaryFile("w+", suffix=".log")  # noqa: SIM115
        self._printed: str | None = None
        options = [word for parameter in parameters for word in ("-p", parameter)]
        command = [sys.executable, "-m", module, *arguments]
        if options:
            command += ["--ros-args", *options]
        self.process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env={**os.environ, **(environment or {})},
            stdout=self._output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def output(self) -> str:
        """All that it printed, also after it was closed: a failed test asks for it then."""
        if self._printed is not None:
            return self._printed
        return Path(self._output.name).read_text(errors="replace")

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def send(self, number: int) -> None:
        """Send a signal to the whole group, as a terminal does."""
        os.killpg(self.process.pid, number)

    def stop(self, number: int = signal.SIGINT, timeout: float = 20) -> int:
        """Send a signal to the group, wait for the node's end, return its exit status."""
        if self.alive:
            self.send(number)
        try:
            return self.process.wait(patient(timeout))
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
            self.process.wait()
            raise AssertionError(f"the node did not end; it printed:\n{self.output}") from None

    def group_is_gone(self) -> bool:
        """Whether no process of the group is left."""
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return True
        return False

    def close(self) -> None:
        """End the group whatever state it is in; a node that can takes its leave of the graph.

        The others would see one that was killed for another 20 s.
        """
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patient(LEAVE_S))
        if not self.group_is_gone():
            self.send(signal.SIGKILL)
        self.process.wait()
        self._printed = self.output
        self._output.close()
