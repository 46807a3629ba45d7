# SPDX-License-Identifier: Apache-2.0
"""The policy node, which waits for the arm's rest longer than a test waits for the node's end."""

from __future__ import annotations

import sys

from quantvla_ros.nodes import control_loop, policy_node

control_loop.REST_TIMEOUT_S = 3600.0

if __name__ == "__main__":
    sys.exit(policy_node.main())
