# SPDX-License-Identifier: Apache-2.0
"""What the house is told of the family; the entry point of `quantvla_outside` names it."""

from __future__ import annotations

import numpy as np
from torch import nn

from outside_family.graphs import graphs
from outside_family.importer import importer
from outside_family.network import ReachConfig, ReachNetwork
from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.bundle.tokenizer import Tokenizer
from quantvla_ros.models.blocks import Attention
from quantvla_ros.models.family import Family, Stage, siblings_by_leaf
from quantvla_ros.models.flow import Flow
from quantvla_ros.models.sites import GatedSite, NormSite, Sites, ValueSite
from quantvla_ros.processing.processing import Processing
from quantvla_ros.processing.scaling import Scaling
from quantvla_ros.processing.steps import (
    FitPictures,
    NormalizeState,
    Select,
    Tokenize,
    stack_pictures,
)

_ROLES = {
    "encoder.attention": "llm_attn",
    "encoder.mlp": "llm_mlp",
    "pooler": "llm_mlp",
    "patches": "vision",
    "time": "condition",
}


def _roles(network: nn.Module) -> dict[str, str]:
    def role(name: str) -> str:
        if name.startswith("head."):
            return "dit_attn" if ".cross." in name else "dit_mlp"
        return next((r for start, r in _ROLES.items() if name.startswith(start)), "projection")

    linears = (n for n, module in network.named_modules() if isinstance(module, nn.Linear))
    return {name: role(name) for name in linears}


def _stage(name: str) -> Stage:
    if name.startswith("head."):
        return "encode" if name.endswith((".k_proj", ".v_proj")) else "step"
    return "step" if name in ("into", "out", "time") else "encode"


def _siblings(network: nn.Module) -> list[tuple[str, ...]]:
    names = [name for name, _ in network.named_modules()]
    encoder = [name for name in names if name.startswith("encoder.")]
    head = [name for name in names if name.startswith("head.")]
    groups = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))
    return siblings_by_leaf(encoder, groups) + siblings_by_leaf(head, [("k_proj", "v_proj")])


def _attentions(network: nn.Module) -> dict[str, Attention]:
    assert isinstance(network, ReachNetwork)
    return {f"head.{i}": block.cross for i, block in enumerate(network.head)}  # type: ignore[misc]


def _sites(network: nn.Module) -> Sites:
    assert isinstance(network, ReachNetwork)
    layers = [f"head.{i}" for i in range(network.config.head_layers)]
    width = network.config.width // network.config.heads
    encoder = tuple(f"encoder.attention.{part}_proj" for part in "qkv")
    read = tuple(f"{layer}.cross.{part}_proj" for layer in layers for part in "kv")
    return Sites(
        norms=[
            NormSite("encoder.norm1", encoder),
            NormSite("encoder.norm2", ("encoder.mlp.gate_proj", "encoder.mlp.up_proj")),
            NormSite("memory_norm", read),
            *(NormSite(f"{layer}.norm1", (f"{layer}.cross.q_proj",)) for layer in layers),
            *(NormSite(f"{layer}.norm2", (f"{layer}.fc1",)) for layer in layers),
        ],
        values=[
            ValueSite((f"{name}.v_proj",), (f"{name}.o_proj",), width)
            for name in ("encoder.attention", *(f"{layer}.cross" for layer in layers))
        ],
        gated=[GatedSite("encoder.mlp.up_proj", "encoder.mlp.down_proj")],
        plain=[f"{layer}.fc2" for layer in layers],
    )


def _processing(manifest: BundleManifest, tokenizer: Tokenizer) -> Processing:
    config = ReachConfig.model_validate(manifest.architecture)
    interface = manifest.interface
    steps = (
        FitPictures(interface.cameras, "pad"),
        stack_pictures,
        NormalizeState(_quantiles(config.state_quantiles), interface.state.width),
        Tokenize(tokenizer, "left"),
        Select(("images", "camera_mask", "state", "tokens", "token_mask")),
    )
    actions = _quantiles(config.action_quantiles)
    shape = (interface.horizon, len(config.action_quantiles))
    rows = Scaling(np.broadcast_to(actions.offset, shape), np.broadcast_to(actions.scale, shape))
    return Processing(interface, steps, rows)


def _quantiles(pairs: list[tuple[float, float]]) -> Scaling:
    return Scaling.range(*zip(*pairs, strict=True))


FAMILY = Family(
    name="reach",
    config=ReachConfig,
    build=ReachNetwork,
    flow=lambda manifest: Flow(manifest.denoise_steps, noise_time=0.0, action_time=1.0),
    roles=_roles,
    stage=_stage,
    siblings=_siblings,
    sites=_sites,
    attentions=_attentions,
    processing=_processing,
    unused=lambda network: frozenset({"pooler"}),
    graphs=graphs,
    importer=importer,
)
