# SPDX-License-Identifier: Apache-2.0
"""The model families there are: the bundled ones, and those of other installed packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantvla_ros.registry import Registry

if TYPE_CHECKING:
    from quantvla_ros.models.family import Family

FAMILIES: Registry[Family] = Registry(
    kind="model family",
    group="quantvla_ros.families",
    bundled={
        "act_policy": "quantvla_ros.models.act_policy.family:FAMILY",
        "mini_pi05": "quantvla_ros.models.mini_pi05.family:FAMILY",
        "pi05": "quantvla_ros.models.pi05.family:FAMILY",
        "groot_n15": "quantvla_ros.models.groot_n15.family:FAMILY",
        "groot_n17": "quantvla_ros.models.groot_n17.family:FAMILY",
        "smolvla": "quantvla_ros.models.smolvla.family:FAMILY",
    },
)


def find_family(name: str) -> Family:
    """The family that a manifest names; only its folder is imported.

    Raises:
        QuantVLAError: there is no such family, or it cannot be imported.
    """
    return FAMILIES.find(name)
