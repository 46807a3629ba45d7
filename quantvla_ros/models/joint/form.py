# SPDX-License-Identifier: Apache-2.0
"""What the house is told of every family of this form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel
from torch import nn

from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.bundle.tokenizer import Tokenizer
from quantvla_ros.checkpoints.checkpoint import Checkpoint
from quantvla_ros.checkpoints.options import Imported, ImportOptions
from quantvla_ros.models.family import Family
from quantvla_ros.models.flow import Flow
from quantvla_ros.models.graphs import Graphs
from quantvla_ros.models.joint.network import JointNetwork
from quantvla_ros.models.joint.roles import layer_roles, siblings, stage_of, unused_layers
from quantvla_ros.models.joint.sites import attentions, find_sites
from quantvla_ros.processing.processing import Processing


def joint_family(
    name: str,
    config: type[BaseModel],
    build: Callable[[Any], JointNetwork],
    processing: Callable[[BundleManifest, Tokenizer], Processing],
    graphs: Callable[[nn.Module], Graphs],
    importer: Callable[[Checkpoint, ImportOptions], Imported | None] | None = None,
) -> Family:
    """A family of this form; the arguments are its own (see `Family`)."""
    return Family(
        name=name,
        config=config,
        build=build,
        flow=lambda manifest: Flow(manifest.denoise_steps),
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


def _unused(network: nn.Module) -> frozenset[str]:
    assert isinstance(network, JointNetwork)
    return unused_layers(network.sizes)
