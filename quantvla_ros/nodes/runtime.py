# SPDX-License-Identifier: Apache-2.0
"""Start and end of a ROS process: signals, the executor's thread, the order of shutting down."""

from __future__ import annotations

import os
import re
import select
import signal
import threading
import time
from collections.abc import Sequence
from types import FrameType, TracebackType

import rclpy
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import ok, try_shutdown

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.nodes.executor import spin_while
from quantvla_ros.serving.log_directory import use_log_directory

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Runtime:
    """A ROS context whose callbacks run in a thread, while the main thread does its own work.

    Use it as a context manager in the main thread: make nodes, `spin` them, then `wait` or work
    until `stopping`. SIGINT, SIGTERM and SIGHUP only ask to stop: the process decides how it ends,
    which it does soon after leaving; all are ignored from then on.
    On leaving: the executor's thread, executor, nodes, context, in this order; any other order
    aborts the process or raises in the thread now and then.
    """

    def __init__(self, args: Sequence[str] | None = None) -> None:
        """Remember the command line (`sys.argv` when None) for `__enter__`."""
        self._args = args
        self._stopping = False
        self._ended = threading.Event()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._woken_before = -1
        self._executor: Executor | None = None
        self._thread: threading.Thread | None = None
        self._nodes: list[Node] = []
        self._failure: BaseException | None = None

    def __enter__(self) -> Runtime:
        """Start the ROS context and take over SIGINT, SIGTERM and SIGHUP (unless that is ignored).

        Raises:
            QuantVLAError: the ROS arguments, or a parameter file that they name, cannot be read;
                or ROS cannot write its logs.
        """
        use_log_directory()
        try:
            rclpy.init(
                args=None if self._args is None else list(self._args),
                signal_handler_options=SignalHandlerOptions.NO,
            )
        except Exception as error:  # rclpy's own types are no part of its interface
            raise QuantVLAError(_refusal(str(error))) from error
        for number in _SIGNALS:
            if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # `nohup`: the terminal may close
            signal.signal(number, self._on_signal)
        # A signal that the system gives to another thread (as it does while a child is started)
        # does not end the main thread's sleep, and only the main thread runs its handler.
        self._woken_before = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Shut down in the one order that is safe; raise what a callback raised."""
        if self._executor is not None and self._thread is not None:
            self._ended.set()
            self._executor.wake()
            self._thread.join()
            self._executor.shutdown()
        for node in self._nodes:
            node.destroy_node()
        try_shutdown()
        for number in _SIGNALS:
            # Ctrl-C below `ros2 launch` comes twice, from the terminal and from launch: the second
            # must not spoil a clean end.
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(self._woken_before)
        os.close(self._wake_read)
        os.close(self._wake_write)
        if self._failure is not None and error is None:
            raise self._failure

    @property
    def stopping(self) -> bool:
        """Whether the process was asked to end."""
        return self._stopping

    def stop(self) -> None:
        """Ask the process to end; any thread may call it, and a signal handler too."""
        # A pipe instead of threading.Event: a handler that sets an Event can deadlock with the
        # very thread it interrupted.
        self._stopping = True
        os.write(self._wake_write, b"x")

    def wait(self, seconds: float | None = None) -> bool:
        """Sleep until `stop`, at most for the given seconds; return `stopping`."""
        if not self._stopping and (seconds is None or seconds > 0):
            select.select([self._wake_read], [], [], seconds)
        return self._stopping

    def wait_until(self, deadline: float) -> bool:
        """Sleep until `stop` or until `time.monotonic()` is `deadline`; return `stopping`."""
        return self.wait(deadline - time.monotonic())

    def spin(self, node: Node, executor: Executor | None = None) -> None:
        """Run the node's callbacks in a thread from now on, and own the node.

        Args:
            node: destroyed at the end.
            executor: a single-threaded one when None.
        """
        self._executor = executor or SingleThreadedExecutor()
        self._executor.add_node(node)
        self._nodes.append(node)
        self._thread = threading.Thread(target=self._spin, name="executor", daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        assert self._executor is not None
        try:
            spin_while(self._executor, lambda: ok() and not self._ended.is_set())
        except ExternalShutdownException:
            pass
        except Exception as error:
            # A callback that raised must end the process, not leave a deaf one behind.
            self._failure = error
            self.stop()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stop()


def _refusal(text: str) -> str:
    """What rcl says, without where in its own sources."""
    file = re.search(r"params file: '--params-file (.*?)'\. Error: (.*?)(?:\n|, at |$)", text)
    if file:
        return f"The parameter file {file[1]} cannot be read: {file[2]}; correct it."
    return f"ROS does not start with these arguments: {text.splitlines()[0]}"
