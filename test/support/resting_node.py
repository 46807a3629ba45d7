# SPDX-License-Identifier: Apache-2.0
"""The policy node, which waits for the arm's rest longer than a test waits for the node's end."""

from __future__ import annotations

import sys

from quantvla_ros.nodes import policy_node
from quantvla_ros.serving import control_loop

control_loop.REST_TIMEOUT_S = 3600.0

if __name__ == "__main__":
    sys.exit(policy_node.main())
