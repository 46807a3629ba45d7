# SPDX-License-Identifier: Apache-2.0
"""The policy node, every thread of whose executor can be blocked by a message."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from rclpy.callback_groups import ReentrantCallbackGroup
from std_msgs.msg import String

from quantvla_ros.nodes import policy_node

THREADS = 4


class BlockingNode(policy_node.PolicyNode):
    """Blocks its executor from a message with a folder's name until there is a file `release`."""

    def __init__(self, stop_process):
        super().__init__(stop_process)
        for number in range(THREADS):
            self.create_subscription(
                String, "~/block", self._blocker(number), 1, callback_group=ReentrantCallbackGroup()
            )

    def _blocker(self, number):
        def block(message):
            folder = Path(message.data)
            (folder / f"blocked_{number}").touch()
            while not (folder / "release").exists():
                time.sleep(0.005)

        return block


policy_node.PolicyNode = BlockingNode

if __name__ == "__main__":
    sys.exit(policy_node.main())
