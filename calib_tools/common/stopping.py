# SPDX-License-Identifier: Apache-2.0
"""How a command ends when it is asked to: Ctrl-C, `docker stop` and a closed terminal are alike."""

from __future__ import annotations

import math
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN_S = 1.0
"""Signals so soon after another are the same wish: a terminal that closes, and a launcher beside
the terminal, send two."""
ONCE_MORE_S = 0.05
"""After which a signal is sent again whose exception was dropped: by then the callback is left."""


class Stopped(SystemExit):
    """A signal asked the command to end; it unwinds the stack, so that no child and no draft stays.

    Attributes:
        number: of the signal.
        text: the beginning of a sentence for the user.
    """

    def __init__(self, number: int) -> None:
        """Exit status is 128 + the signal's number, as a shell counts it."""
        super().__init__(128 + number)
        self.number = number
        self.text = f"Stopped by {signal.Signals(number).name}"


@contextmanager
def stops_on_signals() -> Iterator[None]:
    """Raise `Stopped` at SIGINT, SIGTERM and SIGHUP; what the caller's shell ignores stays so."""

    def stop(number: int) -> None:
        raise Stopped(number)

    with _handled(stop, ignorable=SIGNALS):
        yield


@contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Let the first signal only set a flag, which the given function reads; a second one stops."""
    asked = False

    def ask(number: int) -> None:
        nonlocal asked
        if asked:
            raise Stopped(number)
        asked = True

    # A script that records in the background starts us deaf to SIGINT, and then sends it.
    with _handled(ask, ignorable=(signal.SIGHUP,)):
        yield lambda: asked


@contextmanager
def goes_on() -> Iterator[None]:
    """Let the sentence of a `Stopped` say that the same command goes on; a decorator, too."""
    try:
        yield
    except Stopped as stop:
        stop.text += "; the same command goes on from there"
        raise


def say(text: str) -> None:
    """Print a line to standard error; a closed reader is ignored."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:  # Python would find it again at its end, and change the exit status
        _to_nowhere(2)


def _to_nowhere(descriptor: int) -> None:
    """Let what is written to a file descriptor go nowhere from now on."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)


@contextmanager
def _handled(handle: Callable[[int], None], ignorable: tuple[int, ...]) -> Iterator[None]:
    """Call `handle` with a signal's number; signals in `ignorable` stay ignored if they are."""
    newest = -math.inf

    def on_signal(number: int, frame: FrameType | None) -> None:
        nonlocal newest
        before, newest = newest, time.monotonic()
        if number == signal.SIGHUP:
            _leave_terminal()
        if newest - before > AGAIN_S:
            handle(number)

    def on_dropped(dropped: sys.UnraisableHookArgs) -> None:
        # Python drops what is raised while it forks or frees an object, and so our wish to end.
        nonlocal newest
        if not isinstance(dropped.exc_value, Stopped):
            report(dropped)
            return
        newest = -math.inf
        again = (os.getpid(), dropped.exc_value.number)
        timer = threading.Timer(ONCE_MORE_S, os.kill, again)
        timer.daemon = True
        timer.start()

    report = sys.unraisablehook
    before = {number: signal.getsignal(number) for number in SIGNALS}
    ours = [n for n in SIGNALS if not (n in ignorable and before[n] is signal.SIG_IGN)]
    try:
        sys.unraisablehook = on_dropped
        for number in ours:
            signal.signal(number, on_signal)
        yield
    finally:
        sys.unraisablehook = report
        for number in ours:
            signal.signal(number, before[number])


def _leave_terminal() -> None:
    """Writing to a terminal that was closed fails: nobody reads it any more."""
    for descriptor in (1, 2):
        with suppress(OSError):  # closed
            character = stat.S_ISCHR(os.fstat(descriptor).st_mode)
            if character and not os.isatty(descriptor):
                _to_nowhere(descriptor)
