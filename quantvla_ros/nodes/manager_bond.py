# SPDX-License-Identifier: Apache-2.0
"""A bond with nav2's lifecycle manager, which takes a node without one for lost."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.duration import Duration
from rclpy.node import Node

TOPIC = "bond"
"""Relative, as the manager's: both must be in one namespace."""
HEARTBEAT_S = 0.25
FAREWELL_S = 0.5
"""Longest wait for the manager's answer to the end of a bond."""
WARN_S = 60.0
"""Shortest time between two warnings."""


class ManagerBond:
    """Held while the node is active, where bondpy is installed; else it does nothing."""

    def __init__(self, node: Node) -> None:
        """Take the node, whose name is the bond's."""
        self._port = _Port(node)
        self._name = node.get_name()
        self._bond: Any = None

    def begin(self) -> None:
        """Offer the bond; the manager takes it up when it has activated the node."""
        try:
            from bondpy.bondpy import Bond
        except ImportError:
            return
        self._bond = Bond(TOPIC, self._name, self._port)
        self._bond.set_heartbeat_period(HEARTBEAT_S)
        self._bond.start()

    def end(self) -> None:
        """Break the bond, and wait until the manager knows; nothing where there is none."""
        bond, self._bond = self._bond, None
        if bond is not None:
            bond.break_bond()
            bond.wait_until_broken(Duration(seconds=FAREWELL_S))
            bond.shutdown()


class _Port:
    """The node as bondpy is to see it; all else of it is the node's own.

    Publisher and subscription are made once and kept, as all of the node's (see `Inputs`). What
    bondpy raises at a message that it does not expect, such as a third side's, must not end the
    node.
    As nav2's own servers do, the node does not break the bond when the manager falls silent.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publisher: Any = None
        self._listening = False
        self._callback: Callable[[Any], None] = _ignore

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node, name)

    def create_publisher(self, kind: Any, topic: str, depth: int) -> Any:
        if self._publisher is None:
            self._publisher = self._node.create_publisher(kind, topic, depth)
        return SimpleNamespace(publish=self._publisher.publish, destroy=lambda: None)

    def create_subscription(
        self, kind: Any, topic: str, callback: Callable[[Any], None], depth: int
    ) -> Any:
        self._callback = callback
        if not self._listening:
            self._listening = True
            group = MutuallyExclusiveCallbackGroup()
            self._node.create_subscription(kind, topic, self._take, depth, callback_group=group)
        return SimpleNamespace(destroy=self._forget)

    def declare_parameter(self, name: str, value: Any) -> None:
        pass

    def get_parameter(self, name: str) -> Any:
        return SimpleNamespace(value=True)  # the only one: not to watch the manager

    def _forget(self) -> None:
        self._callback = _ignore

    def _take(self, message: Any) -> None:
        try:
            self._callback(message)
        except Exception as error:
            self._node.get_logger().warning(
                f"The bond with the lifecycle manager: {error}", throttle_duration_sec=WARN_S
            )


def _ignore(message: Any) -> None:
    pass
