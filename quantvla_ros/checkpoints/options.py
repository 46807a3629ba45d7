# SPDX-License-Identifier: Apache-2.0
"""What an import is told, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.checkpoints.robot_mapping import Cameras
from quantvla_ros.checkpoints.statistics import Feature, read_norm_stats
from quantvla_ros.checkpoints.weights import Weights
from quantvla_ros.robot.robot_file import RobotFile


@dataclass(frozen=True)
class ImportOptions:
    """What the command line adds to a checkpoint.

    Attributes:
        robot: the robot that the policy is to move.
        rate: rows of a chunk a second, Hz; LeRobot checkpoints do not store it.
        norm_stats: JSON file with statistics of state and actions, in place of the checkpoint's.
        tokenizer: tokenizer.json, or a folder with it, or a sentencepiece model, or a folder with
            vocab.json and merges.txt.
        embodiment: which of a checkpoint's robots it is.
        sizes: sizes of the network in place of the family's published ones, from a JSON file.
        instruction: an example, for the report.
    """

    robot: RobotFile
    rate: float
    norm_stats: Path | None = None
    tokenizer: Path | None = None
    embodiment: str | None = None
    sizes: Mapping[str, Any] = field(default_factory=dict)
    instruction: str = "pick up the red cube"

    @property
    def statistics(self) -> Mapping[str, Feature]:
        """Those of `norm_stats`, by feature; none without that file.

        Raises:
            CheckpointError: the file cannot be read.
        """
        return {} if self.norm_stats is None else read_norm_stats(self.norm_stats)


@dataclass(frozen=True)
class Imported:
    """A float bundle that is not written yet.

    Attributes:
        manifest: of the bundle; `files` and `contract` are made when it is written.
        weights: all tensors of the family's network, none read yet.
        tokenizer_json: text of tokenizer.json.
        cameras: where the pictures come from, for the contract report.
        notes: what a user should know of this checkpoint, a sentence each, for the report.
    """

    manifest: BundleManifest
    weights: Weights
    tokenizer_json: str
    cameras: Cameras
    notes: tuple[str, ...] = ()
