# SPDX-License-Identifier: Apache-2.0
"""Options of the trainings, and what a run was started with: it goes on only with the same."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from calib_tools.common.output import write_json
from quantvla_ros.errors import QuantVLAError

Demos = Annotated[list[Path], typer.Option(help="Data set of demonstrations; may be given again.")]
Corrections = Annotated[
    list[Path] | None, typer.Option(help="Data set of corrections; may be given again.")
]
CorrectionWeight = Annotated[float, typer.Option(help="Weight of a correction.")]


FILE = "settings.json"


@dataclass(frozen=True)
class Settings:
    """Settings of one run; the options of `training.train` say what each is.

    `peak` scales the rates: from full ones, a run that starts from good weights takes some hundred
    steps to come back to where it began. `checkpoint_s` is the longest time between checkpoints.
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
    network: str

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
