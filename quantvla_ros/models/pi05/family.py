# SPDX-License-Identifier: Apache-2.0
"""The family of the published pi0.5."""

from __future__ import annotations

from torch import nn

from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.models.family import Family
from quantvla_ros.models.flow import Flow
from quantvla_ros.models.joint.roles import layer_roles, siblings, stage_of, unused_layers
from quantvla_ros.models.joint.sites import attentions, find_sites
from quantvla_ros.models.pi05.config import Pi05Config
from quantvla_ros.models.pi05.graphs import graphs
from quantvla_ros.models.pi05.importer import importer
from quantvla_ros.models.pi05.network import Pi05
from quantvla_ros.models.pi05.processing import processing


def _flow(manifest: BundleManifest) -> Flow:
    return Flow(manifest.denoise_steps)


def _unused(network: nn.Module) -> frozenset[str]:
    assert isinstance(network, Pi05)
    return unused_layers(network.config)


FAMILY = Family(
    name="pi05",
    config=Pi05Config,
    build=Pi05,
    flow=_flow,
    roles=layer_roles,
    stage=stage_of,
    siblings=siblings,
    sites=find_sites,
    attentions=attentions,
    processing=processing,
    unused=_unused,
    graphs=graphs,
    importer=importer,
)
