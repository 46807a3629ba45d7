# SPDX-License-Identifier: Apache-2.0
"""Blocks that every model family is built from.

Shapes are written ``B`` batch, ``T`` tokens, ``D`` width, ``H`` query heads, ``G`` key/value heads,
``E`` head width. All projections are plain ``nn.Linear`` modules, because the quantizer replaces
them one by one, and the attention core is a module of its own, because calibration observes it
through hooks instead of flags in the hot path. A norm with a plain gain and one with gain and shift
are torch's own `nn.RMSNorm` and `nn.LayerNorm`.
"""

from quantvla_ros.models.blocks.attention import (
    MASKED,
    Attention,
    HeadNorm,
    ScaledDotProduct,
    attention_bias,
)
from quantvla_ros.models.blocks.decoder import DecoderLayer
from quantvla_ros.models.blocks.embeddings import time_embedding
from quantvla_ros.models.blocks.mlp import GatedMLP
from quantvla_ros.models.blocks.norms import AdaptiveLayerNorm, AdaptiveRMSNorm, RMSNorm
from quantvla_ros.models.blocks.rotary import RotaryTable, rotary_table, rotate
from quantvla_ros.models.blocks.vision import PatchTower, VisionBlock

__all__ = [
    "MASKED",
    "AdaptiveLayerNorm",
    "AdaptiveRMSNorm",
    "Attention",
    "DecoderLayer",
    "GatedMLP",
    "HeadNorm",
    "PatchTower",
    "RMSNorm",
    "RotaryTable",
    "ScaledDotProduct",
    "VisionBlock",
    "attention_bias",
    "rotary_table",
    "rotate",
    "time_embedding",
]
