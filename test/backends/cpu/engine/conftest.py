# SPDX-License-Identifier: Apache-2.0
"""Machines that carry out the engine's instructions."""

from __future__ import annotations

import pytest
import torch
from support.engine_machine import EMULATED, Machine, units

UNITS = units()
THREADED = [(UNITS[0], 3)] if UNITS[0] not in EMULATED else []
INTEGERS = [(unit, 1) for unit in UNITS] + THREADED
# Of Arm's two only the product of bytes differs, and the emulator is slow.
FLOATS = [one for one in INTEGERS if one[0] != "neon" or "sdot" not in UNITS]


def _name(machine: tuple[str, int]) -> str:
    return f"{machine[0]}-{machine[1]}"


@pytest.fixture(params=FLOATS, ids=_name)
def machine(request) -> Machine:
    """One for each unit that differs in floats, and several threads of this processor."""
    torch.manual_seed(0)
    return Machine(*request.param)


@pytest.fixture(params=INTEGERS, ids=_name)
def integer_machine(request) -> Machine:
    """One for each unit, and several threads of this processor."""
    torch.manual_seed(0)
    return Machine(*request.param)
