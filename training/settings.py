# SPDX-License-Identifier: Apache-2.0
"""What a training run was started with; a run goes on only with the same."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from calib_tools.common.output import write_json
from quantvla_ros.errors import QuantVLAError

FILE = "settings.json"


@dataclass(frozen=True)
class Settings:
    """Settings of one run.

    Attributes:
        out: run directory.
        demos: data sets of demonstrations.
        corrections: data sets of corrections.
        init: run or bundle whose weights it starts from.
        steps: optimizer steps in all.
        batch: observations a step, over all processes.
        correction_weight: weight of a correction beside a demonstration's frame.
        peak: scale of the rates: from full ones, a run that starts from good weights takes some
            hundred steps to come back to where it began.
        seed: of everything random.
        processes: that share the batch, one thread each.
        check_every: steps between two closed-loop checks; 0 for none.
        check_scenes: scenes of each family in a check, two episodes each.
        checkpoint_s: longest time between two checkpoints, s.
        narrow: half the channels; a run that starts from a narrow one is widened.
    """

    out: Path
    demos: tuple[Path, ...]
    corrections: tuple[Path, ...]
    init: Path | None
    steps: int
    batch: int
    correction_weight: float
    peak: float
    seed: int
    processes: int
    check_every: int
    check_scenes: int
    checkpoint_s: float
    narrow: bool

    def recorded(self) -> dict[str, Any]:
        """What decides the result of the run, as plain values."""
        values = asdict(self)
        for key in ("out", "check_every", "check_scenes", "checkpoint_s"):
            del values[key]
        for key in ("demos", "corrections"):
            values[key] = [str(path) for path in values[key]]
        values["init"] = None if self.init is None else str(self.init)
        return values

    def record(self) -> None:
        """Write them into the run directory, or compare them with those that are there.

        Raises:
            QuantVLAError: the run was started with other settings.
        """
        path, mine = self.out / FILE, self.recorded()
        if not path.exists():
            write_json(path, mine)
            return
        theirs = json.loads(path.read_text(encoding="utf-8"))
        if different := [key for key in mine if theirs.get(key) != mine[key]]:
            key = different[0]
            raise QuantVLAError(
                f"The run {self.out} was started with {key} = {theirs.get(key)}, not {mine[key]}; "
                "go on with that, or take another directory."
            )
