# SPDX-License-Identifier: Apache-2.0
"""How many processes can work at once."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """CPU cores this process may run on: taskset and containers leave fewer than there are."""
    return len(os.sched_getaffinity(0))
