# SPDX-License-Identifier: Apache-2.0
"""Run steps, each once, and keep what they gave."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from calib_tools.common.output import write_json
from calib_tools.common.progress import Report
from calib_tools.common.stopping import Stopped
from studies.jetson_check.command import run_command
from studies.jetson_check.privacy import told, without_names
from studies.jetson_check.steps import Step

DONE, FAILED, LEFT_OUT = "done", "failed", "left out"
STOPPED, NOT_RUN = "stopped", "not run yet"
_SAID = 400  # last characters of what a command said that is no sentence
_FRAME = " \t│╭╮╰╯─"  # around a wrong option's message

Outcomes = dict[str, dict[str, Any]]


def run_steps(
    steps: Sequence[Step], folder: Path, report: Report, keep: Callable[[Outcomes], None]
) -> Outcomes:
    """Run every step that is not done yet, whatever became of the others.

    Args:
        steps: in their order.
        folder: of the check; what a step gave is kept in its folder `steps`.
        report: shows what happens.
        keep: called with what there is after each step, and when a signal stops the check.

    Returns:
        Step -> status, and where there is one its result, its sentence, its seconds and memory.
    """
    found: Outcomes = {step.name: {"status": NOT_RUN} for step in steps}
    anew: set[str] = set()
    for step in steps:
        name = step.name.replace(" ", "_")
        kept = folder / "steps" / f"{name}.json"
        outcome = None if anew & set(step.reads) else _kept(kept, step)
        if step.missing:
            outcome = {"status": LEFT_OUT, "sentence": step.missing}
        if outcome is None:
            log = folder / "logs" / f"{name}.log"
            report(f"{step.name} ... (its progress: {log})")
            anew.add(step.name)
            try:
                outcome = _outcome(step, folder, log)
            except Stopped as stop:
                found[step.name] = {"status": STOPPED, "sentence": stop.text}
                keep(without_names(found, folder))
                stop.text += "; the record says so far, and the same command goes on"
                raise
            write_json(kept, {"words": list(step.words), **outcome})
        report(f"{step.name}: {outcome['status']} {outcome.get('sentence', '')}".rstrip())
        found[step.name] = {key: value for key, value in outcome.items() if key != "words"}
        keep(without_names(found, folder))
    return found


def copy_parts(parts: Mapping[str, Path], folder: Path) -> None:
    """Copy what the check begins with, unless it is there."""
    for name, source in parts.items():
        if not (folder / name).exists():
            draft = folder / f".{name}"
            shutil.rmtree(draft, ignore_errors=True)
            shutil.copytree(source, draft)
            draft.rename(folder / name)


def _kept(file: Path, step: Step) -> dict[str, Any] | None:
    """What a step gave at an earlier run, if it was done with the same command."""
    with suppress(OSError, ValueError, KeyError):
        outcome: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if outcome["status"] == DONE and outcome["words"] == list(step.words):
            return outcome
    return None


def _outcome(step: Step, folder: Path, log: Path) -> dict[str, Any]:
    ended = run_command(step.words, folder, log)
    about: dict[str, Any] = {
        "seconds": ended.seconds,
        "peak_memory_bytes": ended.peak_memory_bytes,
    }
    with suppress(OSError, ValueError):
        text = _newest(folder, step.result) if step.result else ended.output
        about["result"] = told(json.loads(text))
    if ended.status:  # a gate that does not pass, or a doctor that finds ills, has a result too
        lines = [line.strip(_FRAME) for line in ended.log.splitlines()]
        said = [line for line in lines if line]
        sentence = said[-1] if said else f"exit status {ended.status}"
        return {"status": FAILED, "sentence": sentence[-_SAID:], **about}
    return {"status": DONE, **about}


def _newest(folder: Path, pattern: str) -> str:
    """Text of the file that was written last.

    Raises:
        OSError: there is none.
    """
    paths = sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime)
    if not paths:
        raise FileNotFoundError(pattern)
    return paths[-1].read_text(encoding="utf-8")
