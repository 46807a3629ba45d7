# SPDX-License-Identifier: Apache-2.0
"""Where transforms fold into a GR00T N1.7 network.

The vision tower's own norm sees a token's four patches one by one: nothing folds there.
"""

from __future__ import annotations

from torch import nn

from quantvla_ros.models.dit.sites import add_encoder_blocks, common_sites
from quantvla_ros.models.groot_n17.network import GrootN17
from quantvla_ros.models.sites import NormSite, Sites


def find_sites(network: nn.Module) -> Sites:
    """All foldable places."""
    assert isinstance(network, GrootN17)
    sites, vision = common_sites(network), network.config.vision
    head_width = vision.width // vision.heads
    add_encoder_blocks(sites, {f"visual.blocks.{n}": head_width for n in range(vision.layers)})
    for number in range(len(vision.deepstack)):
        merger = f"visual.deepstack.{number}"
        sites.norms.append(NormSite(f"{merger}.norm", (f"{merger}.fc1",)))
        sites.plain.append(f"{merger}.fc2")
    sites.plain.append("visual.merger.fc2")
    return sites
