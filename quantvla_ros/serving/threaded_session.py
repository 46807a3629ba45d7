# SPDX-License-Identifier: Apache-2.0
"""A session that runs by itself, in threads, between activate and deactivate."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from quantvla_ros.serving.parts import SessionParts
from quantvla_ros.serving.periodic import PeriodicThread
from quantvla_ros.serving.realtime import CONTROL_PRIORITY, HELPER_PRIORITY, RaisedThreads
from quantvla_ros.serving.record import write_record
from quantvla_ros.serving.session import PolicySession

POLL_S = 0.005
"""How often a finished inference is looked for; every tenth time everything else is renewed."""
REPORT_POLLS = 10


class ThreadedSession(PolicySession):
    """One thread for control, one for inference and reports."""

    def __init__(
        self,
        parts: SessionParts,
        report: Callable[[], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        """Take the parts.

        Args:
            parts: of the session.
            report: called every ``REPORT_POLLS * POLL_S`` while active; a timer would be dearer.
            on_error: called when one of the threads ends by an exception.
        """
        super().__init__(parts)
        self._report = report
        self._on_error = on_error
        self._polls = 0
        self._threads: list[PeriodicThread] = []
        self._raised = RaisedThreads()

    @property
    def realtime(self) -> bool:
        """Whether the control thread runs with real-time priority."""
        return bool(self._threads) and self._threads[0].realtime

    def activate(self) -> None:
        """Start both threads, in dry run (or with the fault that is still latched)."""
        self.begin()
        self._raised.begin()
        period, fail = self._parts.period_s, self._on_error
        self._threads = [
            PeriodicThread("control", period, self.control.step, fail, CONTROL_PRIORITY),
            PeriodicThread("inference", POLL_S, self._inference_step, fail, HELPER_PRIORITY),
        ]
        for thread in self._threads:
            thread.start()

    def deactivate(self) -> None:
        """Bring the arm to rest within its limits, stop both threads, write the record.

        Raises:
            QuantVLAError: the record cannot be written.
        """
        if not self.active:
            return
        with self.lock:
            self.motion.deactivate(self.now())
        self.control.wait_for_rest()
        for thread in self._threads:
            thread.stop()
        self._threads = []
        self.end()
        self._raised.end()
        self.record.note_pause()
        worker, parameters = self._parts.policy.worker, self._parts.parameters()
        deadline = time.monotonic() + parameters.inference_timeout_s
        while worker.busy and time.monotonic() < deadline:
            self.inference.step(self.now())
            time.sleep(POLL_S)
        if path := parameters.record_path:
            write_record(Path(path), self.as_record())

    def close(self) -> None:
        """Stop whatever runs and end the inference process."""
        try:
            self.deactivate()
        finally:
            super().close()

    def _inference_step(self, deadline: float) -> None:
        self.inference.step(self.now())
        self._polls += 1
        if self._polls % REPORT_POLLS == 0:
            self.look()
            self._report()
