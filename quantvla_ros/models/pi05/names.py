# SPDX-License-Identifier: Apache-2.0
"""From the names of the published checkpoints' tensors to those of our network.

LeRobot puts ``model.`` in front, openpi nothing; that is taken off before.
"""

from __future__ import annotations

import re

_GEMMA = "paligemma_with_expert.paligemma."
_EXPERT = "paligemma_with_expert.gemma_expert."
TOWER = f"{_GEMMA}model.vision_tower.vision_model."
LANGUAGE = f"{_GEMMA}model.language_model."

WORDS, TIED_WORDS = f"{LANGUAGE}embed_tokens.weight", f"{_GEMMA}lm_head.weight"
"""The table of words. Where both are stored the first one counts; files of LeRobot 0.4 and openpi
hold only the second, which is the same tensor there (LeRobot 0.6.1, modeling_pi05.py:914-922)."""

DROPPED = (TIED_WORDS, f"{_EXPERT}lm_head.weight", f"{LANGUAGE}norm.weight")
"""What no action depends on and our network does not have."""

_RENAMED = (
    (f"{TOWER}embeddings.position_embedding.weight", "vision_tower.position_embedding"),
    (f"{TOWER}embeddings.", "vision_tower."),
    (f"{TOWER}encoder.", "vision_tower."),
    (TOWER, "vision_tower."),
    (f"{_GEMMA}model.multi_modal_projector.linear.", "multi_modal_projector."),
    (LANGUAGE, "language_model."),
    (f"{_EXPERT}model.", "action_expert."),
)
_VISION_LAYER = re.compile(r"^(vision_tower\.layers\.\d+\.)(self_attn\.out_proj|mlp\.(fc[12]))\.")


def network_name(published: str) -> str:
    """Our name of a tensor that is kept; one that no rule knows keeps its name."""
    for start, ours in _RENAMED:
        if published.startswith(start):
            name = ours + published.removeprefix(start)
            return _VISION_LAYER.sub(lambda m: f"{m[1]}{m[3] or 'self_attn.o_proj'}.", name)
    return published
