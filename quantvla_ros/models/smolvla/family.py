# SPDX-License-Identifier: Apache-2.0
"""What the house is told of SmolVLA."""

from __future__ import annotations

from quantvla_ros.models.family import Family
from quantvla_ros.models.flow import Flow
from quantvla_ros.models.smolvla.config import SmolVLAConfig
from quantvla_ros.models.smolvla.graphs import graphs
from quantvla_ros.models.smolvla.importer import import_smolvla
from quantvla_ros.models.smolvla.network import SmolVLA
from quantvla_ros.models.smolvla.processing import smolvla_processing
from quantvla_ros.models.smolvla.roles import (
    attentions,
    layer_roles,
    siblings,
    stage_of,
    unused_layers,
)
from quantvla_ros.models.smolvla.sites import find_sites

FAMILY = Family(
    name="smolvla",
    config=SmolVLAConfig,
    build=SmolVLA,
    flow=lambda manifest: Flow(manifest.denoise_steps),
    roles=layer_roles,
    stage=stage_of,
    siblings=siblings,
    sites=find_sites,
    attentions=attentions,
    processing=smolvla_processing,
    unused=unused_layers,
    graphs=graphs,
    importer=import_smolvla,
)
