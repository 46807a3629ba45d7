# SPDX-License-Identifier: Apache-2.0
"""An executor that is still while a callback runs, so that it does not hold up other threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait

from rclpy.executors import (
    Executor,
    ExternalShutdownException,
    ShutdownException,
    TimeoutException,
)
from rclpy.task import Task

PATIENCE_S = 0.05
"""Callbacks that take longer than this run beside others; shorter ones one after the other."""


class PatientExecutor(Executor):
    """Runs callbacks in threads, and lets each end before it looks for the next, if it is short.

    rclpy's MultiThreadedExecutor hands a callback to a thread and turns on at once: until that
    thread has Python's lock and has taken the message, it finds the same callback again and again.
    A service call cost 10 to 20 ms of computing so, in slices between which the control thread
    had to wait.
    """

    def __init__(self, threads: int) -> None:
        """Prepare so many threads; as many long callbacks run at once."""
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
