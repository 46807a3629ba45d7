# SPDX-License-Identifier: Apache-2.0
"""Sizes of an ACT network."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class ActPolicyConfig(BaseModel):
    """What `bundle.yaml` holds under ``architecture``; LeRobot's names in brackets.

    Attributes:
        height: of every camera's picture, pixels.
        width: the same.
        picture_mean: of each camera's channels, where black is 0 and white 1, [cameras][3].
        picture_std: deviation of the same, what LeRobot adds to it included.
        channels: of the convolutional network's first layer and of its stages.
        blocks: of each stage.
        token_width: of the transformer [dim_model].
        heads: of its attentions [n_heads].
        mlp: width of its MLPs [dim_feedforward].
        activation: of its MLPs [feedforward_activation].
        encoder_layers: [n_encoder_layers].
        decoder_layers: [n_decoder_layers].
        states: values of the state.
        actions: values of an action.
        rows: of a chunk [chunk_size].
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    height: int
    width: int
    picture_mean: list[list[float]]
    picture_std: list[list[float]]
    channels: tuple[int, ...]
    blocks: tuple[int, ...]
    token_width: int
    heads: int
    mlp: int
    activation: Literal["relu", "gelu"]
    encoder_layers: int
    decoder_layers: int
    states: int
    actions: int
    rows: int

    @property
    def cameras(self) -> int:
        """Pictures that the network takes."""
        return len(self.picture_mean)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of tokens that a picture becomes; each stride rounds up."""
        halvings = len(self.blocks) + 1
        return -(-self.height // 2**halvings), -(-self.width // 2**halvings)
