# SPDX-License-Identifier: Apache-2.0
"""Whether a robot's Python gets every requirement as a wheel; asks the registry by pip.

For 64-bit Arm and the Pythons of JetPack 6.2 and 7.2, with all that the pinned requirements bring
in, at the versions of requirements/constraints.txt. What has no wheel is built on the robot from
its source archive, which is asked for too.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from calib_tools.common.progress import Report
from quantvla_ros.errors import QuantVLAError
from studies.study import run_study, study_parser

KIND, RECORD = "studies.wheels", "wheels.json"
ROOT = Path(__file__).resolve().parents[1] / "requirements"


@dataclass(frozen=True)
class Robot:
    """A release of a robot's software.

    Attributes:
        name: of the release.
        python: its version.
        glibc: minor version of its C library 2.x: wheels for older ones run.
        files: its requirements; of two for one package the last counts.
    """

    name: str
    python: str
    glibc: int
    files: tuple[str, ...]


ROBOTS = (
    Robot(
        "JetPack 6.2", "3.10", 35,
        ("runtime.txt", "rosdep.txt", "jetpack6.txt", "jetpack6-torch-tensorrt.txt"),
    ),
    Robot("JetPack 7.2", "3.12", 39, ("torch.txt", "runtime.txt", "rosdep.txt", "jetpack7.txt")),
)  # fmt: skip
_OLDEST_GLIBC = 17
_NVIDIA = re.compile(r"nvidia-|cuda-toolkit|triton|tensorrt")
"""Libraries of CUDA and TensorRT, which wheels ask for; a robot takes those of its system."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Ask for every requirement of every release, and write the record."""
    example = "example:\n  python -m studies.wheels --out docs/records/wheels.json --force\n"
    parser = study_parser(KIND, __doc__ or "", example)

    def measure(report: Report) -> dict[str, Any]:
        return {"robots": [_examine(robot, report) for robot in ROBOTS]}

    record = run_study(KIND, parser.parse_args(arguments), arguments, measure)
    missing = [
        row["name"] for robot in record["robots"] for row in robot["rows"] if not row["file"]
    ]
    if missing:
        print(f"neither wheel nor source archive: {', '.join(missing)}", file=sys.stderr)
        sys.exit(1)


def _examine(robot: Robot, report: Report) -> dict[str, Any]:
    report(f"{robot.name}, Python {robot.python}")
    pins = _pins(robot, "constraints.txt")
    waiting = [line for file in robot.files for line in _lines(robot, file)]
    rows: dict[str, dict[str, Any]] = {}
    while waiting:
        wanted = {canonicalize_name(Requirement(line).name): line for line in waiting}
        names = [name for name in wanted if name not in rows]
        found = _resolve(robot, [_pinned(wanted[name], pins) for name in names])
        waiting = []
        for name in names:
            rows[name] = found[name]
            report(f"  {name} {rows[name]['version']}: {rows[name]['file'] or 'MISSING'}")
            waiting += rows[name].pop("needs")
    return {"name": robot.name, "python": robot.python, "rows": [rows[key] for key in sorted(rows)]}


def _environment(robot: Robot) -> dict[str, str]:
    machine = {"platform_machine": "aarch64", "platform_system": "Linux", "sys_platform": "linux"}
    python = {"python_version": robot.python, "python_full_version": f"{robot.python}.0"}
    return {**machine, **python, "os_name": "posix", "extra": ""}


def _applies(robot: Robot, requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate(_environment(robot))


def _lines(robot: Robot, file: str) -> list[str]:
    """Requirements of a file that hold for this robot, without their markers."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    bare = [line.partition("#")[0].strip() for line in lines]
    found = [Requirement(line) for line in bare if line and not line.startswith("-")]
    return [f"{each.name}{each.specifier}" for each in found if _applies(robot, each)]


def _pins(robot: Robot, file: str) -> dict[str, str]:
    return {canonicalize_name(Requirement(line).name): line for line in _lines(robot, file)}


def _pinned(line: str, pins: Mapping[str, str]) -> str:
    """A requirement with its pin, unless it has one of its own."""
    requirement = Requirement(line)
    if any(part.operator == "==" for part in requirement.specifier):
        return f"{requirement.name}{requirement.specifier}"
    return pins.get(
        canonicalize_name(requirement.name), f"{requirement.name}{requirement.specifier}"
    )


def _resolve(robot: Robot, lines: list[str]) -> dict[str, dict[str, Any]]:
    """What pip would install; one by one where it would not all."""
    if not lines:
        return {}
    items = _pip(lines, *_wheels_for(robot))
    if items is not None:
        rows = [_row(robot, item) for item in items]
        return {canonicalize_name(row["name"]): row for row in rows}
    if len(lines) > 1:
        return {name: row for line in lines for name, row in _resolve(robot, [line]).items()}
    requirement = Requirement(lines[0])
    items = _pip(lines, "--no-binary", requirement.name)
    row = _row(robot, items[0]) if items else None
    if row is None:
        version = str(requirement.specifier).lstrip("=")
        row = {"name": requirement.name, "version": version, "file": "", "needs": []}
    return {canonicalize_name(requirement.name): row}


def _wheels_for(robot: Robot) -> list[str]:
    tags = [f"manylinux_2_{minor}_aarch64" for minor in range(robot.glibc, _OLDEST_GLIBC - 1, -1)]
    platforms = [word for tag in (*tags, "manylinux2014_aarch64") for word in ("--platform", tag)]
    return [*platforms, "--python-version", robot.python, "--only-binary", ":all:"]


def _pip(lines: list[str], *options: str) -> list[dict[str, Any]] | None:
    """Pip's report on requirements without their dependencies; None where it finds not all.

    Raises:
        QuantVLAError: pip cannot be run at all.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--quiet"]
        command += ["--ignore-installed", "--target", folder, "--report", str(report)]
        done = subprocess.run(
            [*command, *options, *lines], capture_output=True, text=True, check=False
        )
        if done.returncode:
            if "No matching distribution" not in done.stderr:
                raise QuantVLAError(f"pip does not answer: {done.stderr.strip()[-500:]}")
            return None
        items: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))["install"]
        return items


def _row(robot: Robot, item: Mapping[str, Any]) -> dict[str, Any]:
    about = item["metadata"]
    needs = [Requirement(text) for text in about.get("requires_dist", [])]
    return {
        "name": canonicalize_name(about["name"]),
        "version": about["version"],
        "file": item["download_info"]["url"].rpartition("/")[2],
        "needs": [
            f"{need.name}{need.specifier}"
            for need in needs
            if _applies(robot, need) and not _NVIDIA.match(canonicalize_name(need.name))
        ],
    }


def markdown(record: Mapping[str, Any]) -> str:
    """The table of a record: a requirement each row, a release each column."""
    robots = record["robots"]
    head = " | ".join(f"{robot['name']} (Python {robot['python']})" for robot in robots)
    lines = [f"| package | {head} |", "|---|" + "---|" * len(robots)]
    found = [{row["name"]: row for row in robot["rows"]} for robot in robots]
    for name in sorted(set().union(*found)):
        cells = [_cell(rows.get(name)) for rows in found]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "not needed"
    file = str(row["file"])
    if not file.endswith(".whl"):
        how = "**built from source**" if file else "**missing**"
        return f"{row['version']}, {how}"
    return f"{row['version']}, {'any machine' if file.endswith('-any.whl') else 'wheel'}"


if __name__ == "__main__":
    main()
