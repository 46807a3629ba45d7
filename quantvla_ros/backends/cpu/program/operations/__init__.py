# SPDX-License-Identifier: Apache-2.0
"""How each operator and marker becomes steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quantvla_ros.backends.cpu.program.operations import (
    attention,
    linears,
    norms,
    pictures,
    pointwise,
    rows,
)

HANDLERS: dict[Any, Callable[..., Any]] = {}
for _room in (attention, linears, norms, pictures, pointwise, rows):
    HANDLERS |= _room.HANDLERS
