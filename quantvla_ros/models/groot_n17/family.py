# SPDX-License-Identifier: Apache-2.0
"""The family of GR00T N1.7."""

from __future__ import annotations

from quantvla_ros.models.family import Family
from quantvla_ros.models.flow import Flow
from quantvla_ros.models.groot_n17.config import GrootN17Config
from quantvla_ros.models.groot_n17.graphs import graphs
from quantvla_ros.models.groot_n17.guidance import continue_leftover
from quantvla_ros.models.groot_n17.importer import importer
from quantvla_ros.models.groot_n17.network import GrootN17
from quantvla_ros.models.groot_n17.processing import processing
from quantvla_ros.models.groot_n17.roles import layer_roles, siblings, stage_of
from quantvla_ros.models.groot_n17.sites import attentions, find_sites

FAMILY = Family(
    name="groot_n17",
    config=GrootN17Config,
    build=GrootN17,
    flow=lambda manifest: Flow(manifest.denoise_steps, noise_time=0.0, action_time=1.0),
    roles=layer_roles,
    stage=stage_of,
    siblings=siblings,
    sites=find_sites,
    attentions=attentions,
    processing=processing,
    unused=lambda network: frozenset(),  # an import leaves such layers out
    graphs=graphs,
    guidance=continue_leftover,
    importer=importer,
)
