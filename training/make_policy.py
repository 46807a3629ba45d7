# SPDX-License-Identifier: Apache-2.0
"""Make the bundled policy from nothing: `make policy`.

Demonstrations of all task families, a first training, corrections on the states that this policy
visits, a second training, more corrections, and so on; then the evaluation. The first trainings are
of a narrow network; the last ones go on from it with the wide one that is bundled. Under four hours
on two quiet cores. Every stage resumes where it was stopped; delete the work directory to start
anew.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from calib_tools.common.cores import usable_cores
from calib_tools.common.failures import told
from calib_tools.common.output import write_json
from calib_tools.common.tables import markdown_grid
from quantvla_ros.backends.registry import DEFAULT, find_backend
from quantvla_ros.bundle.directory import check_writable
from quantvla_ros.parent_process import end_with_parent

BUNDLE = Path("policies/panda")
RECORD, KIND, SCHEMA = "policy-making.json", "training.make_policy", 1
RECORD_PATH = Path("docs/records") / RECORD
NOTED_S = 10.0
"""How often the time that a stage has taken is written down."""


@dataclass(frozen=True)
class Stage:
    """One command of the recipe."""

    name: str
    module: str
    arguments: tuple[str, ...]

    @property
    def command(self) -> str:
        """What a user would type."""
        return f"python -m {self.module} {' '.join(self.arguments)}"


@dataclass(frozen=True)
class Round:
    """One training, and then corrections on the states that its policy comes to.

    Attributes:
        steps: of the training; it starts from the weights of the round before.
        narrow: whether the network has half the channels.
        peak: scale of its rates. The wide network's weights are half as large as the narrow one's
            that it comes from, so the same rates are twice as coarse.
        seeds: of the corrections, for each task family; none after the last training.
    """

    steps: int
    narrow: bool
    peak: float
    seeds: str | None


DEMONSTRATIONS = {
    "demonstrations": ("0:300", "10"),
    "more_demonstrations": ("1000:2200", "2"),
}
"""Seeds, and frames a second that are kept: many scenes teach more than many frames of one."""
ROUNDS = (
    Round(1000, True, 1.0, "20000:20050"),
    Round(2600, True, 0.5, "30000:30060"),
    Round(1500, True, 0.5, "40000:40060"),
    Round(560, False, 0.2, "50000:50060"),
    Round(1500, False, 0.2, None),
)


def stages(work: Path) -> list[Stage]:
    """All stages, in order."""
    planned = [
        Stage(
            name.replace("_", " "),
            "training.demonstrations",
            ("--out", str(work / name), "--seeds", seeds, "--fps", fps),
        )
        for name, (seeds, fps) in DEMONSTRATIONS.items()
    ]
    so_far: list[str] = []
    for number, item in enumerate(ROUNDS, 1):
        run, last = str(work / f"run{number}"), number == len(ROUNDS)
        bundle = str(BUNDLE if last else work / f"bundle{number}")
        start = [] if number == 1 else ["--init", str(work / f"run{number - 1}")]
        narrow = ["--narrow"] if item.narrow else []
        rates = ["--peak", str(item.peak)]
        train = ["--out", run, "--steps", str(item.steps), *rates, *narrow, *start]
        for name in DEMONSTRATIONS:
            train += ["--demos", str(work / name)]
        for corrections in so_far:
            train += ["--corrections", corrections]
        planned.append(Stage(f"train {number}", "training.train", tuple(train)))
        export = ("--run", run, "--out", bundle, "--force")
        planned.append(Stage(f"export {number}", "training.export", export))
        if item.seeds is not None:
            so_far.append(str(work / f"corrections{number}"))
            correct = ("--bundle", bundle, "--out", so_far[-1], "--seeds", item.seeds)
            planned.append(Stage(f"corrections {number}", "training.corrections", correct))
    evaluate = ("evaluate", str(BUNDLE), "--episodes", "200", "--out", str(work / "evaluation"))
    return [*planned, Stage("evaluation", "calib_tools.cli", evaluate)]


def start(stage: Stage) -> subprocess.Popen[bytes]:
    """Start a stage; it ends with this process, even when that is killed."""
    parent = os.getpid()
    return subprocess.Popen(
        [sys.executable, "-m", stage.module, *stage.arguments],
        preexec_fn=lambda: end_with_parent(parent),
    )


def make(planned: list[Stage], work: Path) -> list[dict[str, Any]]:
    """Run the stages that are not done; returns what each took, stops included.

    The times are kept in `stages.json` in the work directory; a kill loses `NOTED_S` at most.
    """
    note = work / "stages.json"
    done: dict[str, dict[str, Any]] = (
        json.loads(note.read_text(encoding="utf-8")) if note.exists() else {}
    )
    for stage in planned:
        entry = done.setdefault(stage.name, {"seconds": 0.0, "done": False})
        if entry["done"] and entry["command"] == stage.command:
            continue
        entry["command"] = stage.command
        print(f"== {stage.command}", flush=True)
        before, begin, status = entry["seconds"], time.monotonic(), None
        child = start(stage)
        while status is None:
            with suppress(subprocess.TimeoutExpired):
                status = child.wait(NOTED_S)
            entry["seconds"] = round(before + time.monotonic() - begin, 1)
            entry["done"] = status == 0
            write_json(note, done)
        if status:
            raise SystemExit(f"{stage.name} ended with status {status}; start again to resume")
    return [{"stage": s.name, **done[s.name]} for s in planned]


def main(
    work: Annotated[Path, typer.Option(help="Data and runs; 15 GB.")] = Path("policy_work"),
) -> None:
    """Run all stages one after the other, and record what they took."""
    with told("make_policy"):
        for place in (work / "stages.json", BUNDLE, RECORD_PATH):
            check_writable(place)
        rows = make(stages(work), work)
        total = round(sum(row["seconds"] for row in rows), 1)
        machine = {"cores": usable_cores(), "cpu": find_backend(DEFAULT).target()}
        record = {"kind": KIND, "schema": SCHEMA, **machine, "seconds": total, "stages": rows}
        write_json(RECORD_PATH, record)
    print(f"{BUNDLE} is made, in {total / 3600:.1f} h; {RECORD_PATH} says what took how long.")


def markdown(record: Mapping[str, Any]) -> str:
    """The table of a record."""
    hours, rows = record["seconds"] / 3600, record["stages"]
    head = f"{record['cores']} cores ({record['cpu']}), {hours:.1f} h in all:"
    stages = [(row["stage"], f"{row['seconds'] / 60:.1f}") for row in rows]
    return f"{head}\n\n{markdown_grid(['stage', 'minutes'], stages)}"


if __name__ == "__main__":
    typer.run(main)
