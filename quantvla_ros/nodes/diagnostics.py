# SPDX-License-Identifier: Apache-2.0
"""The node's four entries in /diagnostics: control, inference, inputs, bundle."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import get_args

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from quantvla_ros.nodes.qos import DIAGNOSTICS
from quantvla_ros.serving.status import OK, Check

CHECKS: tuple[Check, ...] = get_args(Check)


def entry_prefix(node: Node) -> str:
    """What the names of a node's entries begin with: the node's own, below its namespace.

    It separates two arms in namespaces of their own.
    """
    return f"{node.get_fully_qualified_name().lstrip('/')}: "


class Diagnostics:
    """Holds the newest status of each check and publishes all of them; safe for threads."""

    def __init__(self, node: Node) -> None:
        """Create the publisher on ``/diagnostics`` (the name that aggregators listen to)."""
        self._node = node
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", DIAGNOSTICS)
        self._lock = threading.Lock()
        self._statuses = {
            check: DiagnosticStatus(
                name=f"{entry_prefix(node)}{check}",
                hardware_id=node.get_fully_qualified_name(),
                message="not configured",
                level=OK,
            )
            for check in CHECKS
        }

    def reset(self, message: str) -> None:
        """Set every check to OK with this message and no values."""
        for check in CHECKS:
            self.update(check, OK, message)
            self.set_values(check, {})

    def update(self, check: Check, level: bytes, message: str) -> bool:
        """Set level and message of one check; return whether either changed."""
        with self._lock:
            status = self._statuses[check]
            changed = bool(status.level != level or status.message != message)
            status.level = level
            status.message = message
            return changed

    def set_values(self, check: Check, values: Mapping[str, object]) -> None:
        """Set the figures of one check."""
        pairs = [KeyValue(key=key, value=_text(value)) for key, value in values.items()]
        with self._lock:
            self._statuses[check].values = pairs

    def publish(self) -> None:
        """Publish all checks in one array, stamped now."""
        with self._lock:
            array = DiagnosticArray(status=list(self._statuses.values()))
            array.header.stamp = self._node.get_clock().now().to_msg()
            self._publisher.publish(array)


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
