# SPDX-License-Identifier: Apache-2.0
"""What the house is told of every family of this form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel
from torch import nn

from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.bundle.tokenizer import Tokenizer
from quantvla_ros.models.dit.network import DiTNetwork
from quantvla_ros.models.dit.roles import layer_roles, siblings, stage_of
from quantvla_ros.models.dit.sites import attentions
from quantvla_ros.models.family import Family
from quantvla_ros.models.flow import Flow
from quantvla_ros.models.sites import Sites
from quantvla_ros.processing.processing import Processing


def dit_family(
    name: str,
    config: type[BaseModel],
    build: Callable[[Any], DiTNetwork],
    processing: Callable[[BundleManifest, Tokenizer], Processing],
    sites: Callable[[nn.Module], Sites],
    **own: Any,
) -> Family:
    """A family of this form; the arguments, and any others of `Family`, are its own."""
    return Family(
        name=name,
        config=config,
        build=build,
        flow=lambda manifest: Flow(manifest.denoise_steps, noise_time=0.0, action_time=1.0),
        roles=layer_roles,
        stage=stage_of,
        siblings=siblings,
        sites=sites,
        attentions=attentions,
        processing=processing,
        unused=lambda network: frozenset(),  # an import leaves such layers out
        **own,
    )
