# SPDX-License-Identifier: Apache-2.0
"""A thread that calls a function at a fixed rate of the steady clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


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
        step: Callable[[], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        """Prepare the thread; ``start`` runs it."""
        self._period = period_s
        self._step = step
        self._on_error = on_error
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
        import os
        if self._thread.name == "control": os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
        deadline = time.monotonic()
        while not self._stop.is_set():
            try:
                self._step()
            except Exception as error:
                self._on_error(error)
                return
            deadline += self._period
            delay = deadline - time.monotonic()
            if delay > 0:
                time.sleep(delay)
            elif delay < -self._period:
                deadline = time.monotonic()
