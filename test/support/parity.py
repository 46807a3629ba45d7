# SPDX-License-Identifier: Apache-2.0
"""The golden room: tiny checkpoints in the published layouts, and what LeRobot made of them.

Each folder of test/data/parity is a checkpoint as LeRobot or NVIDIA writes it, with random weights,
beside `golden.safetensors`: every stage from the raw picture to the robot's action, in float32, by
LeRobot 0.6.1 or, of those in `makers`, by the version that stands there. The
folder `hub` holds stand-ins of what a checkpoint names on the hub (tokenizer.json and others).

Keys of a golden: `raw.*` (pictures, state, task), `pre.*` (after the pre-processor),
`model.image.i` and `model.image_mask.i`, `vision.*`, `prefix.*` or `backbone.*`, `head.*`, `noise`,
`step.t`, `step.x_t` and `step.v_t` of every step, `chunk.padded` (model width),
`chunk.normalized`, `actions` (in the robot's units), `rtc.*`, `fullsize.*` (pictures at the
published sizes).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

PARITY = Path(__file__).parents[1] / "data/parity"
TOLERANCE = 5e-5
"""Largest absolute difference in float32 that a stage may have."""


@dataclass(frozen=True)
class Golden:
    """One checkpoint and its stages.

    Attributes:
        path: folder of the checkpoint.
        tensors: all stages by key.
    """

    path: Path
    tensors: dict[str, Tensor]

    def __getitem__(self, key: str) -> Tensor:
        """A stage."""
        return self.tensors[key]

    def start(self, prefix: str) -> dict[str, Tensor]:
        """All stages whose key begins so, by the rest of the key, sorted."""
        found = sorted(key for key in self.tensors if key.startswith(prefix))
        return {key.removeprefix(prefix): self.tensors[key] for key in found}

    def text(self, key: str) -> str:
        """A stage that is utf-8, such as `raw.task` or `pre.prompt`."""
        return bytes(self[key].numpy()).decode()

    @property
    def pictures(self) -> dict[str, NDArray[np.uint8]]:
        """The raw pictures, uint8 [height, width, 3] RGB, by the robot's camera.

        The camera is the key without `observation.images.`.
        """
        found = {}
        for key, png in self.start("raw.observation.images.").items():
            if key.endswith(".png"):
                picture = np.array(Image.open(BytesIO(bytes(png.numpy()))).convert("RGB"))
                name = key.removesuffix(".png")
                known = bytes(self[f"raw.observation.images.{name}.sha256"].numpy())
                assert hashlib.sha256(picture.tobytes()).digest() == known
                found[name] = picture
        return found

    @property
    def state(self) -> NDArray[np.float32]:
        """The raw state [n] in the checkpoint's units."""
        return np.asarray(self["raw.observation.state"].numpy(), np.float32)

    @property
    def task(self) -> str:
        """The instruction of the main run."""
        return self.text("raw.task").split("\n")[0]

    @property
    def tokenizer(self) -> Path:
        """Stand-in of the tokenizer.json that lies on the hub."""
        return next((self.path / "hub").rglob("tokenizer.json"))


def golden(name: str) -> Golden:
    """Open the golden of a folder of test/data/parity."""
    path = PARITY / name
    return Golden(path, load_file(path / "golden.safetensors"))


def assert_close(
    ours: Tensor | NDArray[np.generic], stage: Tensor, most: float = TOLERANCE
) -> None:
    """Hold a stage of ours against the golden one; both in float32, shapes equal."""
    own = torch.as_tensor(np.asarray(ours)) if isinstance(ours, np.ndarray) else ours.detach()
    assert own.shape == stage.shape, f"shape {tuple(own.shape)}, golden {tuple(stage.shape)}"
    difference = (own.double() - stage.double()).abs().max().item()
    assert difference <= most, f"largest difference {difference:.3g}, allowed {most:.3g}"
