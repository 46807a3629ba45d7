# SPDX-License-Identifier: Apache-2.0
"""A thread that calls a function at a fixed rate of the steady clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from quantvla_ros.serving.realtime import take_priority


class PeriodicThread:
    """Calls ``step`` every ``period_s`` by absolute deadlines of the steady clock.

    It depends neither on an executor nor on the ROS clock. A deadline that was missed by more
    than a period is given up: no burst of calls follows a stall. An exception of ``step`` ends
    the calls and is handed to ``on_error``.
    """

    def __init__(
        self,
        name: str,
        period_s: float,
        step: Callable[[float], None],
        on_error: Callable[[Exception], None],
        priority: int = 0,
    ) -> None:
        """Prepare the thread; ``start`` runs it.

        Args:
            name: of the thread.
            period_s: between calls.
            step: what to call, with the deadline (steady clock, s) it is called for.
            on_error: called with the exception that ended the calls.
            priority: above 0, ask for real-time scheduling with this priority; where it is not
                granted all is as with 0.
        """
        self._period = period_s
        self._step = step
        self._on_error = on_error
        self._priority = priority
        self.realtime = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start calling."""
        self._thread.start()

    def stop(self) -> None:
        """Stop calling and wait for the call under way."""
        self._stop.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        if self._priority > 0:
            self.realtime = take_priority(self._priority)
        deadline = time.monotonic()
        while not self._stop.is_set():
            try:
                self._step(deadline)
            except Exception as error:
                self._on_error(error)
                return
            deadline += self._period
            delay = deadline - time.monotonic()
            if delay > 0:
                time.sleep(delay)
            elif delay < -self._period:
                deadline = time.monotonic()
