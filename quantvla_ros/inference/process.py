# SPDX-License-Identifier: Apache-2.0
"""One life of the worker process: its start, its descriptors, its end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Pipe

from quantvla_ros.errors import BackendError, BundleError
from quantvla_ros.inference.channel import Channel
from quantvla_ros.inference.messages import Failed, Ready, Start, limit_wait, receive, send
from quantvla_ros.robot.interface import Interface

_POLL_S = 0.05
_CLOSE_S = 1.0  # the worker may be inferring when it is asked to end


class WorkerProcess:
    """A started worker.

    A plain subprocess rather than `multiprocessing`: the latter imports the parent's main module
    in the child, and with it ROS. The new interpreter gets this one's import path, and works with
    and without the environment that the start-up file of the ROS wheels sets.
    """

    def __init__(self, interface: Interface, start: Start) -> None:
        """Start the process and tell it what to load; `wait_ready` waits for it.

        Raises:
            BackendError: the system gives no process, memory or descriptor.
        """
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            try:
                self.channel = Channel(interface)
                ours.callback(self.channel.close)
                self.connection, connection = Pipe()
                ours.callback(self.connection.close)
                theirs.callback(connection.close)
                limit_wait(self.connection)
                life, self._life = os.pipe()
                ours.callback(os.close, self._life)
                theirs.callback(os.close, life)
                self._process = _started(
                    start, connection=connection.fileno(), memory=self.channel.fd, life=life
                )
            except OSError as error:
                raise BackendError(
                    f"the inference worker cannot be started ({error}); check memory, open files "
                    "and Python"
                ) from error
            ours.pop_all()  # kept until `close`
        with contextlib.suppress(OSError):  # wait_ready says why a worker is gone at once
            send(self.connection, start)

    @property
    def pid(self) -> int:
        """Process id of the worker."""
        return self._process.pid

    def wait_ready(self, timeout_s: float, cancelled: Callable[[], bool]) -> Ready:
        """Wait until the policy is loaded and warmed up; the worker is ended when it is not.

        Args:
            timeout_s: for loading and warming up together.
            cancelled: called repeatedly; returning true ends the wait.

        Raises:
            BundleError: the worker refused the bundle.
            BackendError: anything else, in one sentence.
        """
        try:
            return self._ready(time.monotonic() + timeout_s, timeout_s, cancelled)
        except BaseException:
            self.close(grace_s=0.0)
            raise

    def _ready(self, deadline: float, timeout_s: float, cancelled: Callable[[], bool]) -> Ready:
        while not self.connection.poll(_POLL_S):
            if cancelled():
                raise BackendError("the start of the inference worker was cancelled")
            if time.monotonic() > deadline:
                raise BackendError(
                    f"the inference worker was not ready within {timeout_s:g} s; the first "
                    "start compiles the policy: allow it more time (warmup_timeout_s)"
                )
        try:
            message = receive(self.connection)
        except (EOFError, OSError):
            raise BackendError(
                f"{self.describe_end(1.0)} while it was starting; see its output above"
            ) from None
        except ValueError:
            raise BackendError("the inference worker sent something that is no message") from None
        if isinstance(message, Ready):
            return message
        if not isinstance(message, Failed):
            raise BackendError("the inference worker answered before it was asked")
        raise (BundleError if message.bundle else BackendError)(message.text)

    def describe_end(self, wait_s: float) -> str:
        """How the worker ended, as the beginning of a sentence; waits a little for its status."""
        try:
            status = self._process.wait(wait_s)
        except subprocess.TimeoutExpired:
            return f"the inference worker (process {self.pid}) closed its connection"
        if status < 0:
            name = _signal_name(-status)
            # The kernel sends it to whom memory runs out for, and leaves no other trace here.
            hint = " (out of memory?)" if name == "SIGKILL" else ""
            return f"the inference worker (process {self.pid}) was ended by {name}{hint}"
        return f"the inference worker (process {self.pid}) ended with status {status}"

    def kill(self) -> None:
        """End the worker and its children at once, without waiting for them."""
        if self._process.poll() is None:  # not reaped: the group's number is still its own
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self, grace_s: float = _CLOSE_S) -> None:
        """End the worker and give everything back; it is reaped on return.

        Args:
            grace_s: how long an inference may go on before the worker is killed.
        """
        self.connection.close()  # a worker that waits for a request ends by this
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        self._release()

    def _release(self) -> None:
        self.connection.close()
        self.channel.close()
        if self._life >= 0:
            os.close(self._life)
        self._life = -1


def _started(start: Start, **inherited: int) -> subprocess.Popen[bytes]:
    """A worker that gets these descriptors."""
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "quantvla_ros.inference.worker",
            *(f"--{name}={fd}" for name, fd in inherited.items()),
        ],
        env=_environment(start.threads),
        pass_fds=tuple(inherited.values()),
        stdin=subprocess.DEVNULL,
        # A terminal's Ctrl-C goes to the node only, and `kill` reaches compilers too.
        start_new_session=True,
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most real-time signals have no name
        return f"signal {number}"


def _environment(threads: int) -> dict[str, str]:
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    # Read when the numerical libraries are loaded, before the worker can set anything.
    environment["OMP_NUM_THREADS"] = str(threads)
    return environment
