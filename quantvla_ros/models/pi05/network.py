# SPDX-License-Identifier: Apache-2.0
"""PaliGemma and a Gemma action expert with adaptive norms, for inference.

Sources: openpi (commit 15a9616a), src/openpi/models_pytorch/{pi0_pytorch,gemma_pytorch}.py, and
LeRobot 0.6.1, policies/{pi_gemma,pi05/modeling_pi05}.py, which compute the same. Images and words
attend to each other without order; masked ones are neither seen nor counted in positions. All
norms of Gemma have a gain of the form 1 + w and an epsilon of 1e-6. What the published network
holds and no action depends on is left out: both tables of logits and the language model's last
norm. (The last language layer's queries, output and MLP stay, as layers that are never called.)
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from quantvla_ros.models.blocks import PatchTower
from quantvla_ros.models.joint.network import JointNetwork
from quantvla_ros.models.pi05.config import Pi05Config


class Pi05(JointNetwork):
    """The network; the noise is an input, so runs repeat exactly."""

    def __init__(self, config: Pi05Config) -> None:
        super().__init__()
        self.config = config
        self.vision_tower = PatchTower(
            config.image_size,
            config.patch,
            config.vision_width,
            config.vision_layers,
            config.vision_heads,
            config.vision_mlp,
        )
        self.multi_modal_projector = nn.Linear(config.vision_width, config.width)
        self.add_joint_parts(config)

    def embed(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Tokens [B, P, D], first those of the pictures and then the prompt's, and their mask.

        Args:
            inputs: "images", float [B, cameras, 3, S, S] in -1..1; "camera_mask", bool
                [B, cameras], False where there is no picture; "tokens" of the prompt, int64
                [B, L]; "token_mask", bool [B, L], False on padding.
        """
        x = self.tokens(inputs["images"], inputs["tokens"])
        return x, self.token_mask(inputs["camera_mask"], inputs["token_mask"])

    def tokens(self, images: Tensor, tokens: Tensor) -> Tensor:
        """All tokens [B, P, D] of pictures and ids (see `embed`)."""
        seen = self.multi_modal_projector(self.vision_tower(images.flatten(0, 1)))
        pictures = seen.reshape(images.shape[0], -1, seen.shape[-1])
        return torch.cat([pictures, self.words(tokens)], dim=1)

    def token_mask(self, cameras: Tensor, prompt: Tensor) -> Tensor:
        """Which of all tokens [B, P] are there (see `embed`)."""
        patches = (self.config.image_size // self.config.patch) ** 2
        return torch.cat([cameras.repeat_interleave(patches, dim=1), prompt], dim=1)
