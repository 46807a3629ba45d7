# SPDX-License-Identifier: Apache-2.0
"""The family of the bundled policies."""

from __future__ import annotations

from torch import nn

from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.models.family import Family
from quantvla_ros.models.flow import Flow
from quantvla_ros.models.joint.roles import layer_roles, siblings, stage_of, unused_layers
from quantvla_ros.models.joint.sites import attentions, find_sites
from quantvla_ros.models.mini_pi05.config import MiniPi05Config
from quantvla_ros.models.mini_pi05.graphs import graphs
from quantvla_ros.models.mini_pi05.network import MiniPi05
from quantvla_ros.processing.processing import mean_std_processing


def _flow(manifest: BundleManifest) -> Flow:
    return Flow(manifest.denoise_steps)


def _unused(network: nn.Module) -> frozenset[str]:
    assert isinstance(network, MiniPi05)
    return unused_layers(network.config)


FAMILY = Family(
    name="mini_pi05",
    config=MiniPi05Config,
    build=MiniPi05,
    flow=_flow,
    roles=layer_roles,
    stage=stage_of,
    siblings=siblings,
    sites=find_sites,
    attentions=attentions,
    processing=mean_std_processing,
    unused=_unused,
    graphs=graphs,
)
