# SPDX-License-Identifier: Apache-2.0
"""Where a training begins: at the averaged weights of another run, or at a float bundle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor

from quantvla_ros.bundle.storage import TOKENIZER, load_bundle
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.build import read_architecture
from training.architectures.architecture import Architecture
from training.dataset import Statistics

CHECKPOINT, STATISTICS = "checkpoint.pt", "statistics.npz"


@dataclass(frozen=True)
class StartingPoint:
    """Weights to go on from.

    Attributes:
        config: of the network that has them.
        weights: its state dict.
        heads: state dict of the grounding heads; a bundle has none.
        statistics: the normalization that belongs to the weights.
    """

    config: BaseModel
    weights: dict[str, Tensor]
    heads: dict[str, Tensor] | None
    statistics: Statistics


def starting_point(path: Path, architecture: Architecture, narrow: bool = False) -> StartingPoint:
    """Read a run directory or a bundle, for a network or for its wide one where it has half.

    Raises:
        QuantVLAError: it is neither, or this training cannot go on from it.
    """
    read = _of_run if (path / CHECKPOINT).exists() else _of_bundle
    point = read(path, architecture)
    fitting = [architecture.config(narrow)]
    if architecture.has_narrow and not narrow:
        fitting.append(architecture.config(True))
    if point.config not in fitting:
        raise QuantVLAError(f"The network in {path} has other sizes than the one to train.")
    return point


def _of_run(path: Path, architecture: Architecture) -> StartingPoint:
    state = torch.load(path / CHECKPOINT, weights_only=False)
    _check_family(path, state["family"], architecture)
    config = architecture.config_type.model_validate(state["config"])
    statistics = Statistics.load(path / STATISTICS)
    return StartingPoint(config, state["average"], state["heads"], statistics)


def _check_family(path: Path, found: str, architecture: Architecture) -> None:
    if found != architecture.family:
        raise QuantVLAError(
            f"The network in {path} is of the family {found}, and this training is of "
            f"{architecture.family}; say --network {found}."
        )


def _of_bundle(path: Path, architecture: Architecture) -> StartingPoint:
    if not (path / "bundle.yaml").exists():
        raise QuantVLAError(f"{path} is neither a training run nor a bundle; --init wants one.")
    bundle = load_bundle(path)
    manifest = bundle.manifest
    _check_family(path, manifest.family, architecture)
    if manifest.quantization is not None:
        raise QuantVLAError(f"{path} is quantized; start from a float bundle.")
    if (path / TOKENIZER).read_text(encoding="utf-8") != architecture.tokenizer_json():
        raise QuantVLAError(f"{path} knows other words than the task families; train anew.")
    found = manifest.normalization
    statistics = Statistics(
        *(
            np.array(values, np.float32)
            for values in (
                found.state_mean, found.state_std, found.action_mean, found.action_std,
            )
        )
    )  # fmt: skip
    weights = {name: tensor.float() for name, tensor in bundle.tensors.items()}
    return StartingPoint(read_architecture(manifest), weights, None, statistics)
