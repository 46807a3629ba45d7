# SPDX-License-Identifier: Apache-2.0
"""Make the bundled policy from nothing: `make policy`.

Demonstrations of all task families, a first training, corrections on the states that this policy
visits, a second training, more corrections, a third training, and the evaluation. Under four hours
on two quiet cores. Every stage resumes where it was stopped; delete the work directory to start
anew.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from training.data.files import write_json
from training.processes import end_with_parent

BUNDLE = Path("policies/panda")
RECORD = Path("docs/records/policy-making.json")


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


def stages(work: Path) -> list[Stage]:
    """All stages, in order."""
    demos = str(work / "demos")
    runs = [str(work / f"run{i}") for i in (1, 2, 3)]
    drafts = [str(work / f"bundle{i}") for i in (1, 2)]
    corrections = [str(work / f"corrections{i}") for i in (1, 2)]
    one, two = corrections

    def train(run: int, steps: int, *more: str) -> Stage:
        arguments = ("--demos", demos, "--out", runs[run], "--steps", str(steps), *more)
        return Stage(f"train {run + 1}", "training.train", arguments)

    def export(run: int, out: str) -> Stage:
        arguments = ("--run", runs[run], "--out", out, "--force")
        return Stage(f"export {run + 1}", "training.export", arguments)

    def correct(driver: int, seeds: str) -> Stage:
        arguments = ("--bundle", drafts[driver], "--out", corrections[driver], "--seeds", seeds)
        return Stage(f"corrections {driver + 1}", "training.corrections", arguments)

    return [
        Stage("demonstrations", "training.demonstrations", ("--out", demos, "--seeds", "0:700")),
        train(0, 1600),
        export(0, drafts[0]),
        correct(0, "20000:20080"),
        train(1, 1600, "--corrections", one, "--init", runs[0]),
        export(1, drafts[1]),
        correct(1, "30000:30040"),
        train(2, 1000, "--corrections", one, "--corrections", two, "--init", runs[1]),
        export(2, str(BUNDLE)),
        Stage(
            "evaluation",
            "calib_tools.cli",
            ("evaluate", str(BUNDLE), "--episodes", "200", "--out", str(work / "evaluation")),
        ),
    ]


def run(stage: Stage) -> None:
    """Run a stage to its end; it ends with this process, even when that is killed."""
    parent = os.getpid()
    status = subprocess.Popen(
        [sys.executable, "-m", stage.module, *stage.arguments],
        preexec_fn=lambda: end_with_parent(parent),
    ).wait()
    if status:
        raise SystemExit(f"{stage.name} ended with status {status}; start again to resume")


def make(planned: list[Stage], work: Path) -> list[dict[str, Any]]:
    """Run the stages that are not done; returns what each took, stops included.

    The times are kept in `stages.json` in the work directory.
    """
    note = work / "stages.json"
    done: dict[str, dict[str, Any]] = json.loads(note.read_text()) if note.exists() else {}
    for stage in planned:
        entry = done.setdefault(stage.name, {"seconds": 0.0, "done": False})
        if entry["done"] and entry["command"] == stage.command:
            continue
        entry["command"] = stage.command
        print(f"== {stage.command}", flush=True)
        begin = time.monotonic()
        try:
            run(stage)
            entry["done"] = True
        finally:
            entry["seconds"] = round(entry["seconds"] + time.monotonic() - begin, 1)
            write_json(note, done)
    return [{"stage": s.name, **done[s.name]} for s in planned]


def main(
    work: Annotated[Path, typer.Option(help="Data and runs; 15 GB.")] = Path("policy_work"),
) -> None:
    """Run all stages one after the other, and record what they took."""
    rows = make(stages(work), work)
    total = sum(row["seconds"] for row in rows)
    cores = len(os.sched_getaffinity(0))
    machine = {"cores": cores, "machine": platform.machine(), "python": platform.python_version()}
    write_json(RECORD, {"schema": 1, **machine, "seconds": round(total, 1), "stages": rows})
    print(f"{BUNDLE} is made, in {total / 3600:.1f} h; {RECORD} says what took how long.")


if __name__ == "__main__":
    typer.run(main)
