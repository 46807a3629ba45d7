# SPDX-License-Identifier: Apache-2.0
"""The policy node without its measures for punctuality, to see what they are worth.

Without real-time priorities, with Python's usual 5 ms between two threads, and with a garbage
collector that looks at everything again and again.
"""

from __future__ import annotations

import gc
import sys
from unittest import mock

from quantvla_ros.nodes import policy_node
from quantvla_ros.serving import periodic, realtime


def main() -> int:
    """Run the node; returns its exit status."""
    usual = sys.getswitchinterval()
    with (
        mock.patch.object(periodic, "take_priority", lambda priority: False),
        mock.patch.object(realtime, "take_priority", lambda priority, thread=0: False),
        mock.patch.object(policy_node, "SWITCH_INTERVAL_S", usual),
        mock.patch.object(gc, "freeze", lambda: None),
    ):
        return policy_node.main()


if __name__ == "__main__":
    sys.exit(main())
