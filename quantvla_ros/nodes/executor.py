# SPDX-License-Identifier: Apache-2.0
"""A loop that bears entities that go, and an executor that is still while a callback runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

from rclpy.exceptions import InvalidHandle
from rclpy.executors import (
    Executor,
    ExternalShutdownException,
    ShutdownException,
    TimeoutException,
)
from rclpy.task import Task

PATIENCE_S = 0.05
"""Callbacks that take longer than this run beside others; shorter ones one after the other."""


_TURN_S = 0.1  # longest wait for work, and so for the end


def spin_while(executor: Executor, going: Callable[[], bool]) -> None:
    """Run callbacks as long as ``going()``, which is asked ten times a second.

    Executor.spin would be ended by Executor.shutdown, which takes away what a callback that is
    under way still needs; spin_until_future_complete leaves a closure in the future at every turn
    (rclpy 7), which were 5 MB an hour. And both end by an exception when another thread destroys a
    publisher or a subscription while the executor gathers what to wait for: the next turn
    collects again without it (ros2/rclpy issue 1142).

    Raises:
        ExternalShutdownException: the context was shut down.
        Exception: what a callback raised.
    """
    while going():
        try:
            executor.spin_once(timeout_sec=_TURN_S)
        except InvalidHandle:
            time.sleep(0.0)  # whoever destroys it has not finished: let that thread work


class PatientExecutor(Executor):
    """Runs callbacks in threads, and lets each end before it looks for the next, if it is short.

    rclpy's MultiThreadedExecutor hands a callback to a thread and turns on at once: until that
    thread has Python's lock and has taken the message, it finds the same callback again and again.
    A service call cost 10 to 20 ms of computing so, in slices between which the control thread
    had to wait.
    """

    def __init__(self, threads: int) -> None:
        """Prepare the threads; each runs one long callback at a time."""
        super().__init__()
        self._pool = ThreadPoolExecutor(threads)
        self._under_way: list[Task] = []

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Wait for a callback, start it, and give it `PATIENCE_S` to end.

        Args:
            timeout_sec: longest wait for a callback, s; None for no limit.

        Raises:
            Exception: what a callback raised that has ended by now.
        """
        try:
            task, _, _ = self.wait_for_ready_callbacks(timeout_sec=timeout_sec)
        except (ExternalShutdownException, ShutdownException, TimeoutException):
            return
        self._under_way.append(task)
        wait([self._pool.submit(task)], PATIENCE_S)
        for each in list(self._under_way):
            if each.done():
                self._under_way.remove(each)
                each.result()

    def shutdown(self, timeout_sec: float | None = None) -> bool:
        """End as every executor does, and the idle threads."""
        self._pool.shutdown(wait=False)
        return super().shutdown(timeout_sec)
