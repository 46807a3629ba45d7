# SPDX-License-Identifier: Apache-2.0
"""What TensorRT says while it builds: the first error, and the layers that it compiled."""

from __future__ import annotations

from typing import Any, Protocol


class BuildLog(Protocol):
    """TensorRT's logger, with what is kept of it.

    Attributes:
        error: first error, empty if there was none.
        layers: lines that describe a compiled layer each.
    """

    error: str
    layers: list[str]


def new_log(trt: Any) -> BuildLog:
    """A logger for TensorRT's builder; everything else that is said is let go."""
    serious = (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR)

    class Log(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.error = ""
            self.layers: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in serious:
                self.error = self.error or " ".join(message.split())
            elif "LayerType: " in message:
                self.layers += [line for line in message.splitlines() if "LayerType: " in line]

    log: BuildLog = Log()
    return log
