# SPDX-License-Identifier: Apache-2.0
"""The family of ACT."""

from __future__ import annotations

from quantvla_ros.models.act_policy.config import ActPolicyConfig
from quantvla_ros.models.act_policy.graphs import graphs
from quantvla_ros.models.act_policy.importer import import_act
from quantvla_ros.models.act_policy.network import ActNetwork
from quantvla_ros.models.act_policy.processing import processing
from quantvla_ros.models.act_policy.roles import (
    attentions,
    find_sites,
    layer_roles,
    siblings,
    stage_of,
)
from quantvla_ros.models.family import Family
from quantvla_ros.models.flow import Flow

FAMILY = Family(
    name="act_policy",
    config=ActPolicyConfig,
    build=ActNetwork,
    flow=lambda manifest: Flow(1),
    roles=layer_roles,
    stage=stage_of,
    siblings=siblings,
    sites=find_sites,
    attentions=attentions,
    processing=processing,
    unused=lambda network: frozenset(),
    graphs=graphs,
    importer=import_act,
)
