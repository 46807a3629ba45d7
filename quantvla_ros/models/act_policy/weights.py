# SPDX-License-Identifier: Apache-2.0
"""From the tensors of a LeRobot checkpoint to those of `ActNetwork`.

Split: fused queries, keys and values. Folded: batch norms into the convolutions in front of them.
Computed once: the code's token (the code is 0), the pictures' places, and the first decoder layer's
own attention, of which only a bias is left. Left out: the encoder that training draws codes with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from quantvla_ros.checkpoints.checkpoint import Checkpoint
from quantvla_ros.checkpoints.weights import Weights
from quantvla_ros.models.act_policy.config import ActPolicyConfig
from quantvla_ros.models.act_policy.transformer import EPS

PREFIX = "model."
_STAGES = "backbone.layer"
_BATCH_NORM_EPS = 1e-5
"""Source: torchvision.ops.FrozenBatchNorm2d."""
_LONGEST = 10_000.0
_TINY = 1e-6
"""Both of the pictures' places. Source: LeRobot 0.6.1, policies/act/modeling_act.py,
ACTSinusoidalPositionEmbedding2d."""


def sizes_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """The sizes that can be read off the tensors.

    Raises:
        CheckpointError: one of the tensors is missing.
    """
    found = Weights(checkpoint, PREFIX)
    stages = [n for n in range(1, 9) if found.layers(f"{_STAGES}{n}")]
    widths = [found.shape(f"{_STAGES}{n}.0.conv2.weight")[0] for n in stages]
    return {
        "channels": (found.shape("backbone.conv1.weight")[0], *widths),
        "blocks": tuple(found.layers(f"{_STAGES}{n}") for n in stages),
        "token_width": found.shape("action_head.weight")[1],
        "mlp": found.shape("encoder.layers.0.linear1.weight")[0],
        "encoder_layers": found.layers("encoder.layers"),
        "decoder_layers": found.layers("decoder.layers"),
        "states": found.shape("encoder_robot_state_input_proj.weight")[1],
        "actions": found.shape("action_head.weight")[0],
        "rows": found.shape("decoder_pos_embed.weight")[0],
    }


def network_weights(checkpoint: Checkpoint, config: ActPolicyConfig) -> Weights:
    """Say where every tensor of the network comes from; nothing is read."""
    out = Weights(checkpoint, PREFIX)
    out.drop("vae_encoder*")
    _give_backbone(out, config)
    out.make("picture_proj.weight", ("encoder_img_feat_input_proj.weight",), lambda t: t.flatten(1))
    out.copy("picture_proj.bias", "encoder_img_feat_input_proj.bias")
    out.copy_module("state_proj", "encoder_robot_state_input_proj")
    out.copy("code", "encoder_latent_input_proj.bias")
    out.drop("encoder_latent_input_proj.weight")
    out.make("places", ("encoder_1d_feature_pos_embed.weight",), _all_places(config))
    out.copy("own_places", "decoder_pos_embed.weight")
    for number in range(config.encoder_layers):
        own, theirs = f"encoder.{number}", f"encoder.layers.{number}"
        _give_attention(out, f"{own}.self_attn", f"{theirs}.self_attn")
        _give_rest(out, own, theirs, {"norm_self": "norm1", "norm_mlp": "norm2"})
    for number in range(config.decoder_layers):
        own, theirs = f"decoder.{number}", f"decoder.layers.{number}"
        _give_attention(out, f"{own}.cross_attn", f"{theirs}.multihead_attn")
        _give_rest(out, own, theirs, {"norm_cross": "norm2", "norm_mlp": "norm3"})
        if number:
            _give_attention(out, f"{own}.self_attn", f"{theirs}.self_attn")
            out.copy_module(f"{own}.norm_self", f"{theirs}.norm1")
    first = "decoder.layers.0"
    parts = ("self_attn.in_proj_bias", "self_attn.out_proj.weight", "self_attn.out_proj.bias")
    names = (*parts, "norm1.weight", "norm1.bias")
    out.make("start", tuple(f"{first}.{name}" for name in names), _start)
    out.drop(f"{first}.self_attn.in_proj_weight")
    out.copy_module("norm", "decoder.norm")
    out.copy_module("action_head", "action_head")
    return out


def _start(fused: Tensor, weight: Tensor, bias: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
    """Rows of zeros behind their own attention and its norm (see `ActNetwork.start`)."""
    value = fused.chunk(3)[2].float()
    read = F.linear(value, weight.float(), bias.float())
    return F.layer_norm(read, read.shape, gain.float(), shift.float(), EPS)


def _give_attention(out: Weights, own: str, theirs: str) -> None:
    for place, part in enumerate("qkv"):
        for kind in ("weight", "bias"):
            out.make(f"{own}.{part}_proj.{kind}", (f"{theirs}.in_proj_{kind}",), _third(place))
    out.copy_module(f"{own}.o_proj", f"{theirs}.out_proj")


def _third(place: int) -> Callable[[Tensor], Tensor]:
    return lambda fused: fused.chunk(3)[place].clone()


def _give_rest(out: Weights, own: str, theirs: str, norms: dict[str, str]) -> None:
    for ours, name in {**norms, "fc1": "linear1", "fc2": "linear2"}.items():
        out.copy_module(f"{own}.{ours}", f"{theirs}.{name}")


def _give_backbone(out: Weights, config: ActPolicyConfig) -> None:
    _give_convolution(out, "backbone.conv1", "backbone.conv1", "backbone.bn1")
    for stage, count in enumerate(config.blocks):
        for block in range(count):
            own, theirs = f"backbone.stages.{stage}.{block}", f"{_STAGES}{stage + 1}.{block}"
            for n in (1, 2):
                _give_convolution(out, f"{own}.conv{n}", f"{theirs}.conv{n}", f"{theirs}.bn{n}")
            around = f"{theirs}.downsample"
            if out.has(f"{around}.0.weight"):
                _give_convolution(out, f"{own}.around", f"{around}.0", f"{around}.1")


def _give_convolution(out: Weights, own: str, convolution: str, norm: str) -> None:
    """A convolution without bias and the frozen batch norm behind it, as one."""
    known = [f"{norm}.{part}" for part in ("weight", "bias", "running_mean", "running_var")]
    gain, shift, mean, var = known

    def scaled(weight: Tensor, gain: Tensor, var: Tensor) -> Tensor:
        return weight * _scale(gain, var)[:, None, None, None]

    def moved(gain: Tensor, shift: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        return shift - mean * _scale(gain, var)

    out.make(f"{own}.weight", (f"{convolution}.weight", gain, var), scaled)
    out.make(f"{own}.bias", (gain, shift, mean, var), moved)


def _scale(gain: Tensor, var: Tensor) -> Tensor:
    return gain * (var + _BATCH_NORM_EPS).rsqrt()


def _all_places(config: ActPolicyConfig) -> Callable[[Tensor], Tensor]:
    def places(own: Tensor) -> Tensor:
        seen = picture_places(*config.grid, config.token_width).to(own)
        return torch.cat([own, *[seen] * config.cameras])

    return places


def picture_places(rows: int, columns: int, width: int) -> Tensor:
    """Sines and cosines of the places of a feature map, float32 [rows * columns, width].

    The first half of the columns is of the row, the second of the column, both counted from 1.
    """
    down, right = (_waves(count, width // 2) for count in (rows, columns))
    both = [down[:, None].expand(-1, columns, -1), right[None].expand(rows, -1, -1)]
    return torch.cat(both, dim=2).flatten(0, 1)


def _waves(count: int, width: int) -> Tensor:
    """Of places 1 to `count`, which are brought to 0..2 pi, float32 [count, width]."""
    place = torch.arange(1, count + 1, dtype=torch.float32)
    place = place / (place[-1] + _TINY) * (2 * torch.pi)
    frequency = _LONGEST ** (2 * (torch.arange(width, dtype=torch.float32) // 2) / width)
    angle = place[:, None] / frequency
    return torch.stack([angle[:, 0::2].sin(), angle[:, 1::2].cos()], dim=-1).flatten(1)
