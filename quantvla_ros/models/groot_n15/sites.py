# SPDX-License-Identifier: Apache-2.0
"""Where transforms fold into a GR00T N1.5 network."""

from __future__ import annotations

from torch import nn

from quantvla_ros.models.dit.sites import common_sites
from quantvla_ros.models.groot_n15.network import GrootN15
from quantvla_ros.models.sites import NormSite, Sites


def find_sites(network: nn.Module) -> Sites:
    """All foldable places."""
    assert isinstance(network, GrootN15)
    sites = common_sites(network)
    sites.add_vision_blocks(network)
    sites.norms.append(NormSite("visual.post_layernorm", ("connector",)))
    return sites
