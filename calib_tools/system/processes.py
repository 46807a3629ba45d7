# SPDX-License-Identifier: Apache-2.0
"""Child processes that never outlive the demo, each with a log of its own."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from calib_tools.common.stopping import SIGNALS
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.parent_process import end_with_parent

_STOP_S = 20.0  # a policy node brings its arm to rest before it ends
_TERMINATE_S = 5.0
_POLL_S = 0.05


def _prepare_child(parent: int) -> None:
    """In the child, before it runs: take signals again, and SIGTERM when the demo is killed."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a demo in the background is deaf to it
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    end_with_parent(parent, signal.SIGTERM)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let signals wait: Python drops an exception that a handler raises while it forks."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


class Child:
    """One process in a process group of its own, its output in a log file."""

    def __init__(self, name: str, module: str, arguments: Sequence[str | Path], log: Path) -> None:
        """Describe a process that runs `python -m module arguments`."""
        self.name = name
        self.log = log
        self._command = [sys.executable, "-m", module, *map(str, arguments)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, environment: Mapping[str, str]) -> None:
        """Start it; call from the main thread, whose end would end the child."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output, _undisturbed():
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,
                preexec_fn=functools.partial(_prepare_child, os.getpid()),
            )

    @property
    def status(self) -> int | None:
        """Exit status; None while it runs."""
        return None if self._process is None else self._process.poll()

    @property
    def pid(self) -> int:
        """Its process; it was started."""
        assert self._process is not None
        return self._process.pid

    @property
    def last_line(self) -> str:
        """Last line of its log that says something."""
        if not self.log.exists():
            return ""
        text = self.log.read_text(errors="replace").replace("\r", "\n")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else ""

    def check(self) -> None:
        """Refuse to go on when it has ended.

        Raises:
            QuantVLAError: names the process and the last line of its log.
        """
        if self.status is not None:
            raise self.failure()

    def failure(self) -> QuantVLAError:
        """The error that its end is."""
        said = self.last_line.removeprefix("quantvla: ") or "it said nothing"
        return QuantVLAError(f"{self.name} ended with status {self.status}: {said} ({self.log})")

    def interrupt(self) -> None:
        """Send it SIGINT, as Ctrl-C does."""
        self._signal(signal.SIGINT)

    def stop(self) -> None:
        """End it and everything it started: Ctrl-C first, then harder."""
        if self._process is None:
            return
        for number, patience in ((signal.SIGINT, _STOP_S), (signal.SIGTERM, _TERMINATE_S)):
            if self._process.poll() is None:
                self._signal(number)
                self._wait(patience)
        self._signal(signal.SIGKILL)  # what is left of its group
        self._process.wait()

    def wait(self, timeout_s: float) -> None:
        """Wait for a good end.

        Raises:
            QuantVLAError: it takes too long (and is ended), or ends with another status than 0.
        """
        self._wait(timeout_s)
        if self.status is None:
            self.stop()
            raise QuantVLAError(f"{self.name} did not end within {timeout_s:.0f} s ({self.log}).")
        if self.status != 0:
            raise self.failure()

    def _wait(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while self.status is None and time.monotonic() < deadline:
            time.sleep(_POLL_S)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return


class Processes:
    """The demo's children; leaving the block ends all of them, the youngest first."""

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        """Keep logs in a directory, and give every child this environment."""
        self._logs = logs
        self._environment = dict(environment)
        self._children: list[Child] = []

    def __enter__(self) -> Processes:
        """Nothing runs yet."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End all children."""
        for child in reversed(self._children):
            child.stop()

    def start(self, name: str, module: str, *arguments: str | Path) -> Child:
        """Start `python -m module arguments`, with its log in `<name>.log`."""
        child = Child(name, module, arguments, self._logs / f"{name}.log")
        self._children.append(child)
        child.start(self._environment)
        return child

    def end(self, child: Child) -> None:
        """End one child."""
        child.stop()
        self._children.remove(child)
