# SPDX-License-Identifier: Apache-2.0
"""Machines that carry out the engine's instructions."""

from __future__ import annotations

import pytest
import torch
from support.engine_machine import EMULATED, Machine, units

MACHINES = [(u, t) for u in units() for t in (1, 3) if t == 1 or u not in EMULATED]


@pytest.fixture(params=MACHINES, ids=lambda machine: f"{machine[0]}-{machine[1]}")
def machine(request) -> Machine:
    """One for each unit; of this processor's also on several threads."""
    torch.manual_seed(0)
    return Machine(*request.param)
