# SPDX-License-Identifier: Apache-2.0
"""A test that failed by the machine's fault is run once more, and that is said.

Either somebody set the system clock meanwhile: a node on system time is right to refuse such a
clock (CLOCK_JUMP), and an interval between two stamps is then none. Or something came too late and
the kernel says that the processes waited for a processor (`MachineLateError`, or a witness
says so). A fault of the program fails again; a rare one might pass, so all that was run again is
told at the end.
"""

from __future__ import annotations

import threading
import time
from collections import deque

import pytest
from _pytest.runner import runtestprotocol
from support.waiting import MachineLateError, excuse, witnesses

STEP_S = 0.02  # the smallest step that a node calls a jump
LOOK_S = 0.1
BEFORE_S = 10.0  # what a step breaks shows in the test after it, too

# Tests put others into these modules; the watch goes on with the real ones.
_system, _steady, _sleep = time.time, time.monotonic, time.sleep


def offset() -> float:
    """System time minus steady time, in seconds; both are slewed alike, so only a step moves it."""
    while True:
        before, system, after = _steady(), _system(), _steady()
        if after - before < STEP_S / 4:  # nothing came between
            return system - (before + after) / 2


class ClockSteps:
    """Watches the system clock in a thread and notes its steps."""

    def __init__(self) -> None:
        self._steps: deque[tuple[float, float]] = deque(maxlen=1000)
        self._last = offset()
        self._lock = threading.Lock()
        threading.Thread(target=self._watch, name="clock steps", daemon=True).start()

    def look(self) -> None:
        """Compare the two clocks once."""
        with self._lock:
            now = offset()
            if abs(now - self._last) > STEP_S:
                self._steps.append((_steady(), now - self._last))
                self._last = now

    def since(self, steady: float) -> list[float]:
        """The steps after a steady time, in seconds."""
        self.look()
        return [step for at, step in self._steps if at >= steady]

    def _watch(self) -> None:
        while True:
            self.look()
            _sleep(LOOK_S)


class RunAgain:
    """The plugin for pytest."""

    def __init__(self) -> None:
        self._clock = ClockSteps()
        self._told: list[str] = []
        self._excuses: list[str] = []  # of the attempt under way

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item, nextitem):
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        begin, self._excuses = _steady(), []
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        words = last_words(reports)
        why = [
            f"the clock was set by {step:+.3f} s" for step in self._clock.since(begin - BEFORE_S)
        ]
        late = any(MachineLateError.__name__ in line for line in words)
        why += self._excuses[:1] or ["the machine was late"] * late
        if why and any(report.failed for report in reports):
            self._told += [f"{item.nodeid}: {', '.join(why)}", *(f"    {line}" for line in words)]
            item.session._setupstate.teardown_exact(None)  # nodes and robots start anew as well
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item, call):
        """Ask the witnesses of any other failure, if they are still there."""
        if call.excinfo is None or call.excinfo.errisinstance(pytest.skip.Exception):
            return
        if late := excuse():
            self._excuses.append(f"the machine was late: {late}")
        for witness in witnesses:
            try:
                said = witness.said()
            except Exception as error:  # an error here would end the whole run
                said = f"can say nothing: {error!r}"
            item.add_report_section(call.when, "witness", said)

    def pytest_sessionfinish(self, session):
        if hasattr(session.config, "workeroutput"):  # of a process that prints nothing
            session.config.workeroutput["run_again"] = self._told

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node):
        self._told += getattr(node, "workeroutput", {}).get("run_again", [])

    def pytest_terminal_summary(self, terminalreporter):
        if self._told:
            count = sum(not line.startswith(" ") for line in self._told)
            terminalreporter.section(f"{count} run again, for they failed by the machine's fault")
            for line in self._told:
                terminalreporter.write_line(line)


def last_words(reports) -> list[str]:
    """How the first attempt failed, one line each."""
    crashes = [getattr(r.longrepr, "reprcrash", None) for r in reports if r.failed]
    return [crash.message.splitlines()[0] for crash in crashes if crash and crash.message]
