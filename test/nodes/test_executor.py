# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import threading
import time

import pytest
from executor_thread import ExecutorThread
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.event_handler import EventHandler
from rclpy.exceptions import InvalidHandle
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import String
from std_srvs.srv import Trigger
from waiting import patient, wait_until

from quantvla_ros.nodes.executor import PATIENCE_S, PatientExecutor


class Server:
    """A node with two services, whose executor counts its turns."""

    def __init__(self, short_s: float = 0.0):
        self.turns = 0
        self.released = threading.Event()
        self.node = Node("server", start_parameter_services=False)
        group = ReentrantCallbackGroup()

        def short(request, response):
            begun, begin = self.turns, time.monotonic()
            time.sleep(short_s)
            turns = self.turns - begun
            # A busy machine may make it a long one.
            response.success = time.monotonic() - begin < PATIENCE_S / 2
            response.message = str(turns)
            return response

        def long(request, response):
            response.success = self.released.wait(patient(60))
            return response

        self.node.create_service(Trigger, "short", short, callback_group=group)
        self.node.create_service(Trigger, "long", long, callback_group=group)
        self.executor = PatientExecutor(threads=2)
        self.executor.add_node(self.node)
        self._ended = False
        self.thread = threading.Thread(target=self._spin)
        self.thread.start()

    def _spin(self):
        while not self._ended:
            self.turns += 1
            self.executor.spin_once(timeout_sec=0.1)

    def close(self):
        self.released.set()
        self._ended = True
        self.executor.wake()
        self.thread.join()
        self.executor.shutdown()
        self.node.destroy_node()


def test_the_executor_is_still_while_a_short_callback_runs(graph):
    """rclpy's MultiThreadedExecutor turns on at once."""
    with contextlib.closing(Server(short_s=PATIENCE_S / 5)):

        def still():
            answer = graph.call(Trigger, "/short")
            return answer.success and answer.message

        for _ in range(5):
            assert wait_until(still, 20, "a callback that is short") == "0"


def test_a_long_callback_does_not_hold_up_others(graph):
    with contextlib.closing(Server()) as server:
        waiting = graph.node.create_client(Trigger, "/long")
        assert waiting.wait_for_service(patient(20))
        answer = waiting.call_async(Trigger.Request())
        for _ in range(3):
            graph.call(Trigger, "/short")
        assert not answer.done()
        server.released.set()
        wait_until(answer.done, 20, "the answer of /long")
        assert answer.result().success


@pytest.mark.parametrize("seconds", [0.0, 2 * PATIENCE_S])
def test_what_a_callback_raises_comes_out_of_spinning(ros, seconds):
    executor = PatientExecutor(threads=2)
    node = Node("raises", start_parameter_services=False)

    def work():
        time.sleep(seconds)
        raise RuntimeError("a callback failed")

    node.create_timer(0.01, work)
    executor.add_node(node)
    try:
        with pytest.raises(RuntimeError, match="a callback failed"):
            for _ in range(100):
                executor.spin_once(timeout_sec=0.1)
    finally:
        executor.shutdown()
        node.destroy_node()


class Gone(EventHandler):
    """An event of a publisher that another thread destroys just now."""

    def __enter__(self):
        raise InvalidHandle("destruction was requested")

    def add_to_wait_set(self, wait_set):
        raise InvalidHandle("destruction was requested")


@pytest.mark.parametrize("kind", [SingleThreadedExecutor, lambda: PatientExecutor(threads=2)])
def test_an_entity_that_is_destroyed_meanwhile_does_not_end_the_loop(ros, kind):
    node = Node("bears", start_parameter_services=False)
    heard = []
    node.create_timer(0.01, lambda: heard.append(time.monotonic()))
    publisher = node.create_publisher(String, "gone", 1)
    executor = kind()
    executor.add_node(node)
    thread = ExecutorThread(executor)
    try:
        wait_until(lambda: heard, 20)
        (handler,) = publisher.event_handlers[:1]
        handler.__class__ = Gone
        time.sleep(0.2)
        node.destroy_publisher(publisher)
        heard.clear()
        wait_until(lambda: len(heard) > 3, 20)
    finally:
        thread.end()
        node.destroy_node()
