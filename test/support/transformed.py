# SPDX-License-Identifier: Apache-2.0
"""A tiny policy with outliers, what its layers are given, and all that it computes."""

from __future__ import annotations

from contextlib import contextmanager

import torch
from support.tiny_policy import FLOW, network_inputs, noise, tiny_network
from torch import nn

from quantvla_ros.models.blocks import AdaptiveRMSNorm
from quantvla_ros.models.flow import normalized_chunk
from quantvla_ros.models.joint.roles import layer_roles, unused_layers
from quantvla_ros.quantization.observe import observe_inputs


def outlier_network(seed: int = 0, outlier: float = 30.0):
    """Every norm has channels whose gain is far from the others', as language models do."""
    network = tiny_network(seed)
    for name, module in network.named_modules():
        if "norm" in name.rpartition(".")[2] and getattr(module, "weight", None) is not None:
            module.weight[::7] *= outlier
            module.weight[1::7] /= outlier
        if isinstance(module, AdaptiveRMSNorm):
            module.dense.bias[: module.dense.out_features // 3 : 7] *= outlier
    return network


@contextmanager
def exactly(network):
    """Compute in double precision, where only a wrong transform makes a difference.

    Gains of 1000 make the policy itself so sensitive that single precision's rounding shows more
    than 1e-5 of it in the actions; that of the transforms alone is tested layer by layer.
    """
    kept = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    network.double()
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            module.register_forward_pre_hook(_widen)
    try:
        yield
    finally:
        torch.set_default_dtype(kept)


def _widen(_, inputs):
    return inputs[0].double()


def everything(network, seed: int = 0):
    """The context's keys, its normed output and the action chunk; values may be rotated."""
    inputs, start = network_inputs(seed), noise(seed)
    with torch.no_grad():
        x, mask = network.embed(inputs)
        context, features = network.run_language_model(x, mask, features=True)
        chunk = normalized_chunk(network, start, context, FLOW)
    return [*context.keys, features, chunk]


def observe(network, names=None, hessian=False, count=9, sample=False):
    """Statistics of the named layers' inputs, or of all in transformer blocks that are used."""
    if names is None:
        used = set(layer_roles(network)) - unused_layers(network.config)
        names = sorted(n for n in used if ".layers." in n and not n.endswith(".dense"))

    def run():
        for seed in range(count):
            normalized_chunk(network, noise(seed), network.encode(network_inputs(seed)), FLOW)

    return observe_inputs(network, names, run, hessian, sample=sample)


def relative_errors(network, other, seed: int = 0):
    """Of each output, in the Frobenius norm."""
    pairs = zip(everything(network, seed), everything(other, seed), strict=True)
    return [float((a - b).norm() / a.norm()) for a, b in pairs]
