# SPDX-License-Identifier: Apache-2.0
"""An attempt that ends in every way there is; a process of its own imports it."""

from __future__ import annotations

import os
import signal

from quantvla_ros.errors import QuantVLAError


def ends_in_every_way(rng, scratch):
    match int(rng.integers(6)):
        case 0:
            raise QuantVLAError("refused")
        case 1:
            raise ValueError("not told as one of ours")
        case 2:
            os.kill(os.getpid(), signal.SIGSEGV)
