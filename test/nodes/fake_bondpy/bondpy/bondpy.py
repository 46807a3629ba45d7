# SPDX-License-Identifier: Apache-2.0
"""As much of bondpy 4.1 as its users see, over std_msgs/String: the wheels have no bond messages.

A bond forms when both sides were heard; a side that breaks it says so until the other one says the
same. A third side meets a TypeError, as in the original.
"""

from __future__ import annotations

import json
import threading
import uuid

from std_msgs.msg import String

DEAD_PERIOD_S = 0.05


class Bond:
    """One side of a bond."""

    def __init__(self, topic, id, node, on_broken=None, on_formed=None):
        self.topic, self.id, self.node = topic, id, node
        self.instance_id = str(uuid.uuid4())
        self._sister = None
        self._period = 1.0
        self._state = "waiting"
        self._changed = threading.Condition()
        self._started = self._ended = False
        self.pub = node.create_publisher(String, topic, 1)

    def set_heartbeat_period(self, seconds):
        assert not self._started
        self._period = seconds

    def start(self):
        self.sub = self.node.create_subscription(String, self.topic, self._on_status, 1)
        self._started = True
        self.node.get_clock().now()  # the original stamps its messages
        threading.Thread(target=self._speak, daemon=True).start()

    def wait_until_formed(self, timeout):
        return self._wait(lambda: self._state != "waiting", timeout)

    def wait_until_broken(self, timeout):
        return self._wait(self.is_broken, timeout)

    def is_broken(self):
        return self._state == "dead"

    def on_silence(self):
        """What the original does when the other side falls silent, each time."""
        self.node.declare_parameter("/bond_disable_heartbeat_timeout", False)
        if not self.node.get_parameter("/bond_disable_heartbeat_timeout").value:
            self._set("dead")

    def break_bond(self):
        self._set({"waiting": "dead", "alive": "dying"}.get(self._state, self._state))

    def shutdown(self):
        self.sub.destroy()
        if not self.is_broken():
            self.break_bond()
        with self._changed:
            self._ended = True
            self._changed.notify_all()
            self.pub.destroy()

    def _wait(self, reached, timeout):
        with self._changed:
            return self._changed.wait_for(reached, timeout.nanoseconds / 1e9)

    def _set(self, state):
        with self._changed:
            self._state = state
            self._changed.notify_all()

    def _publish(self, active):
        self.pub.publish(String(data=json.dumps([self.id, self.instance_id, active])))

    def _speak(self):
        with self._changed:
            while not self._ended and not self.is_broken():
                self._publish(self._state != "dying")
                self._changed.wait(DEAD_PERIOD_S if self._state == "dying" else self._period)

    def _on_status(self, message):
        name, instance, active = json.loads(message.data)
        if name != self.id or instance == self.instance_id:
            return
        if self._sister not in (None, instance):
            raise TypeError("not all arguments converted during string formatting")
        self._sister = instance
        if active and self._state == "waiting":
            self._set("alive")
        elif not active:
            self._publish(False)
            self._set("dead")
