# SPDX-License-Identifier: Apache-2.0
"""What LeRobot's config.json says of a SmolVLA policy, and what is not carried over.

Source: LeRobot 0.6.1, policies/smolvla/configuration_smolvla.py; 0.4.4 has the same fields.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from quantvla_ros.checkpoints.checkpoint import CONFIG, Checkpoint
from quantvla_ros.checkpoints.policy_config import PolicyConfig, read_policy_config
from quantvla_ros.errors import CheckpointError


class LeRobotConfig(PolicyConfig):
    """The fields that inference depends on; what is missing has LeRobot's default."""

    n_obs_steps: int = 1
    chunk_size: int = Field(default=50, gt=0)
    num_steps: int = Field(default=10, gt=0)
    resize_imgs_with_padding: tuple[int, int] | None = (512, 512)
    adapt_to_pi_aloha: bool = False
    add_image_special_tokens: bool = False
    attention_mode: str = "cross_attn"
    num_vlm_layers: int = 16
    num_expert_layers: int = -1
    self_attn_every_n_layers: int = 2
    min_period: float = 4e-3
    max_period: float = 4.0

    @property
    def image_size(self) -> int:
        """Side of the square that pictures are resized to."""
        assert self.resize_imgs_with_padding is not None
        return self.resize_imgs_with_padding[0]


_UNKNOWN: tuple[tuple[str, Callable[[LeRobotConfig], bool], str], ...] = (
    ("n_obs_steps", lambda c: c.n_obs_steps != 1, "more than one observation"),
    (
        "resize_imgs_with_padding",
        lambda c: len(set(c.resize_imgs_with_padding or (0, 1))) > 1,
        "pictures that are not resized to a square",
    ),
    ("adapt_to_pi_aloha", lambda c: c.adapt_to_pi_aloha, "conversion to another robot's joints"),
    ("add_image_special_tokens", lambda c: c.add_image_special_tokens, "tokens around pictures"),
    ("attention_mode", lambda c: c.attention_mode != "cross_attn", "another kind of attention"),
    (
        "num_expert_layers",
        lambda c: c.num_expert_layers > 0 and c.num_expert_layers != c.num_vlm_layers,
        "an expert of fewer layers",
    ),
)
"""Options that LeRobot has and nobody publishes policies with: field, whether it is set, what."""


def read_config(checkpoint: Checkpoint) -> LeRobotConfig:
    """The fields of config.json.

    Raises:
        CheckpointError: a field is not what it should be, or asks for what is not carried over.
    """
    config = read_policy_config(checkpoint, LeRobotConfig)
    for field, is_set, what in _UNKNOWN:
        if is_set(config):
            raise CheckpointError(
                f"{checkpoint.path / CONFIG} sets {field} to {getattr(config, field)}, and "
                f"{what} is not done here; train with LeRobot's default, or ask for it"
            )
    return config
