# SPDX-License-Identifier: Apache-2.0
"""A thread that runs the callbacks of a test's own nodes."""

from __future__ import annotations

import contextlib
import threading

from rclpy.executors import Executor, ExternalShutdownException

from quantvla_ros.nodes.executor import spin_while


class ExecutorThread:
    """Runs until ``end``; bears nodes whose entities other threads destroy."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Let the callbacks under way end, then shut the executor down."""
        self._ended.set()
        self._executor.wake()
        self._thread.join()
        self._executor.shutdown()

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):
            spin_while(self._executor, lambda: not self._ended.is_set())
