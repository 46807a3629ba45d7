# SPDX-License-Identifier: Apache-2.0
"""Run steps, each once, and keep what they gave; free of what tells who or where."""

from __future__ import annotations

import getpass
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from calib_tools.common.output import write_json
from calib_tools.common.progress import Report
from studies.jetson_check.steps import Step

_SAID = 400  # last characters of what a command said that is no sentence
_FRAME = " \t│╭╮╰╯─"  # around a wrong option's message
_NOT_TOLD = frozenset({"cache", "domain", "DDS profile"})
"""What the doctor tells of a user's own set-up."""


def run_steps(steps: Iterable[Step], folder: Path, report: Report) -> dict[str, Any]:
    """Run every step that is not done yet; one that fails is kept with its sentence.

    Args:
        steps: in their order.
        folder: of the check; a step that is done is kept in its folder `steps`.
        report: shows what happens.

    Returns:
        Step -> status, seconds, and its result or its sentence.
    """
    found = {}
    for step in steps:
        kept = folder / "steps" / f"{step.name.replace(' ', '_')}.json"
        outcome = _kept(kept, step)
        if outcome is None:
            report(f"{step.name} ...")
            outcome = {"words": list(step.words), **_outcome(step, folder)}
            write_json(kept, outcome)
        report(f"{step.name}: {outcome['status']} {outcome.get('sentence', '')}".rstrip())
        found[step.name] = {key: value for key, value in outcome.items() if key != "words"}
    cleaned: dict[str, Any] = without_names(found, folder)
    return cleaned


def copy_parts(parts: Mapping[str, Path], folder: Path) -> None:
    """Copy what the check begins with, unless it is there."""
    for name, source in parts.items():
        if not (folder / name).exists():
            shutil.copytree(source, folder / name)


def _kept(file: Path, step: Step) -> dict[str, Any] | None:
    """What a step gave at an earlier run, if it was done with the same command."""
    with suppress(OSError, ValueError):
        outcome: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if outcome["status"] == "done" and outcome["words"] == list(step.words):
            return outcome
    return None


def _outcome(step: Step, folder: Path) -> dict[str, Any]:
    begin = time.monotonic()
    places = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, *step.words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))},
        capture_output=True,
        text=True,
        check=False,
    )
    about: dict[str, Any] = {"seconds": round(time.monotonic() - begin, 1)}
    with suppress(OSError, ValueError):
        text = (folder / step.result).read_text(encoding="utf-8") if step.result else done.stdout
        about["result"] = _told(json.loads(text))
    if done.returncode:  # a gate that does not pass, or a doctor that finds ills, has a result too
        lines = [line.strip(_FRAME) for line in done.stderr.splitlines()]
        said = [line for line in lines if line]
        sentence = said[-1] if said else f"exit status {done.returncode}"
        return {"status": "failed", "sentence": sentence[-_SAID:], **about}
    return {"status": "done", **about}


def _told(result: Any) -> Any:
    """A result without what the doctor says of a user's own set-up."""
    if isinstance(result, dict) and "checks" in result:
        checks = [check for check in result["checks"] if check["name"] not in _NOT_TOLD]
        return {**result, "checks": checks}
    return result


def without_names(value: Any, folder: Path) -> Any:
    """The same with neither this machine's name nor a user's, nor where their files lie."""
    if isinstance(value, Mapping):
        return {key: without_names(each, folder) for key, each in value.items()}
    if isinstance(value, list):
        return [without_names(each, folder) for each in value]
    if not isinstance(value, str):
        return value
    for place, word in ((folder.resolve(), "."), (Path(__file__).parents[2], "SOURCE")):
        value = value.replace(str(place), word)
    value = re.sub(r"/(home|root|Users)(/[\w.-]+)?", "HOME", value)
    for name, word in ((socket.gethostname(), "HOST"), (_user(), "USER")):
        if name:
            value = re.sub(rf"\b{re.escape(name)}\b", word, value)
    return value


def _user() -> str:
    with suppress(KeyError, OSError):
        return getpass.getuser()
    return ""
