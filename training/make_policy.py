# SPDX-License-Identifier: Apache-2.0
"""Make the bundled policy from nothing: `make policy`.

Demonstrations, a first training, corrections on the states that this policy visits, a second
training, and the check. About two hours and a half on two quiet cores. Every stage resumes where
it was stopped; delete the work directory to start anew.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

BUNDLE = Path("policies/panda")
RECORD = Path("docs/records/policy-check.json")


def stages(work: Path) -> list[tuple[str, list[str]]]:
    """Module and arguments of every stage, in order."""
    demos, corrections = str(work / "demos"), str(work / "corrections")
    first, second = str(work / "first"), str(work / "second")
    draft = str(work / "first_bundle")
    return [
        ("training.demonstrations", ["--out", demos, "--seeds", "0:1200", "--processes", "2"]),
        ("training.train", ["--demos", demos, "--out", first, "--steps", "800"]),
        ("training.export", ["--run", first, "--out", draft, "--force"]),
        ("training.corrections",
         ["--bundle", draft, "--out", corrections, "--seeds", "20000:20240"]),
        ("training.train",
         ["--demos", demos, "--corrections", corrections, "--init", first, "--out", second,
          "--steps", "400"]),
        ("training.export", ["--run", second, "--out", str(BUNDLE), "--force"]),
        ("training.check", [str(BUNDLE), "--out", str(RECORD)]),
    ]  # fmt: skip


def main(
    work: Annotated[Path, typer.Option(help="Data and runs; several GB.")] = Path("policy_work"),
) -> None:
    """Run all stages one after the other."""
    for module, arguments in stages(work):
        print(f"== {module} {' '.join(arguments)}", flush=True)
        status = subprocess.run([sys.executable, "-m", module, *arguments], check=False).returncode
        if status:
            raise SystemExit(f"{module} ended with status {status}; start again to resume")


if __name__ == "__main__":
    typer.run(main)
