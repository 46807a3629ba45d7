# SPDX-License-Identifier: Apache-2.0
"""The networks that can be trained here, by the name of their family."""

from __future__ import annotations

from quantvla_ros.errors import QuantVLAError
from training.architectures import mini_pi05, pi05, smolvla
from training.architectures.architecture import Architecture

DEFAULT = mini_pi05.ARCHITECTURE.family
ARCHITECTURES = {
    one.family: one for one in (mini_pi05.ARCHITECTURE, smolvla.ARCHITECTURE, pi05.ARCHITECTURE)
}


def find_architecture(family: str) -> Architecture:
    """The architecture of a family.

    Raises:
        QuantVLAError: none of this family can be trained here.
    """
    if family not in ARCHITECTURES:
        names = ", ".join(ARCHITECTURES)
        raise QuantVLAError(f"No network '{family}' can be trained here; take one of {names}.")
    return ARCHITECTURES[family]
