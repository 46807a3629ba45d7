# SPDX-License-Identifier: Apache-2.0
"""`quantvla doctor`: what this machine has, what is wrong, and the command that mends it."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from calib_tools.common.cores import usable_cores
from quantvla_ros.backends.cpu.compiler import REMEDY, compiler_name, why_not_compiling
from quantvla_ros.cache_directory import cache_directory, why_not_at_home
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.processor import cpu_flags, cpu_model

_ROBOT = ("numpy", "torch", "pydantic", "tokenizers", "safetensors", "ruckig", "Pillow")
_SIMULATOR = ("mujoco",)
_PIP = "pip install -r requirements/runtime.txt"
_ROSDEP = "rosdep install --from-paths src --ignore-src -y"
_REMEDIES = {
    "torch": "pip install -r requirements/torch.txt",
    "numpy": _ROSDEP,  # the one that cv_bridge was built with
    "Pillow": _ROSDEP,
}
_PROFILE_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
_MEMORY_GB = 2.0
_MARKS = {"good": "[green]good[/]", "note": "[yellow]note[/]", "bad": "[red]bad[/]"}


@dataclass(frozen=True)
class Finding:
    """One check: its name, how it stands, what was found, and how to mend it."""

    name: str
    status: Literal["good", "note", "bad"]
    text: str
    remedy: str = ""


def examine() -> list[Finding]:
    """Run every check."""
    checks: list[Callable[[], list[Finding]]] = [
        _python,
        _packages,
        _processor,
        _compilers,
        _cache,
        _memory,
        _ros,
        _profile,
        _shared_memory,
    ]
    return [finding for check in checks for finding in check()]


def _python() -> list[Finding]:
    return [Finding("python", "good", f"{platform.python_version()} on {platform.platform()}")]


def _packages() -> list[Finding]:
    findings = []
    for name in (*_ROBOT, *_SIMULATOR):
        try:
            findings.append(Finding(name, "good", metadata.version(name)))
        except metadata.PackageNotFoundError:
            if name in _SIMULATOR:
                text = "not installed; only the simulated robot needs it"
                findings.append(
                    Finding(name, "note", text, "pip install -r requirements/simulator.txt")
                )
            else:
                findings.append(Finding(name, "bad", "not installed", _REMEDIES.get(name, _PIP)))
    return findings


def _processor() -> list[Finding]:
    flags = cpu_flags()
    findings = [Finding("processor", "good", f"{cpu_model()}, {usable_cores()} cores")]
    if flags & {"avx512_vnni", "avx_vnni"}:
        findings.append(Finding("integer units", "good", "VNNI: activations of 8 bits"))
    elif "avx2" in flags:
        findings.append(
            Finding("integer units", "note", "AVX2 without VNNI: 7 bits, less speed to gain")
        )
    else:
        remedy = "use --backend reference, or a machine with AVX2"
        findings.append(Finding("integer units", "bad", "neither VNNI nor AVX2", remedy))
    return findings


def _compilers() -> list[Finding]:
    """C++ for the policy as a whole, C for the integer kernels."""
    why = why_not_compiling()
    findings = [
        Finding("C++ compiler", "bad", f"no policy can be compiled: {why}", REMEDY)
        if why
        else Finding("C++ compiler", "good", compiler_name())
    ]
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        text = "none: INT8 runs on PyTorch's kernels, INT4 and 16-bit activations slowly"
        return [*findings, Finding("C compiler", "note", text, "sudo apt install gcc")]
    return [*findings, Finding("C compiler", "good", compiler)]


def _cache() -> list[Finding]:
    """Kernels, compiled policies and the simulated scene are kept from run to run."""
    why = why_not_at_home(executable=True)
    remedy = "set XDG_CACHE_HOME to a folder that can be written and executed"
    try:
        place = cache_directory(executable=True)
    except QuantVLAError as error:
        return [Finding("cache", "bad", str(error), remedy)]
    if why:
        return [Finding("cache", "note", f"{why}; {place} is used", remedy)]
    return [Finding("cache", "good", str(place))]


def available_gb(meminfo: str) -> float | None:
    """MemAvailable in the text of /proc/meminfo, GB."""
    for line in meminfo.splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024 / 1e9
    return None


def _memory() -> list[Finding]:
    path = Path("/proc/meminfo")
    free = available_gb(path.read_text(encoding="utf-8")) if path.exists() else None
    if free is None:
        return [Finding("memory", "note", "unknown on this system")]
    if free < _MEMORY_GB:
        remedy = f"end other programs; about {_MEMORY_GB:g} GB are needed"
        return [Finding("memory", "bad", f"{free:.1f} GB available", remedy)]
    return [Finding("memory", "good", f"{free:.1f} GB available")]


def _ros() -> list[Finding]:
    if importlib.util.find_spec("rclpy") is None:
        remedy = (
            "source /opt/ros/<distro>/setup.bash, or pip install -r requirements/ros-wheels.txt"
        )
        return [Finding("rclpy", "bad", "not found", remedy)]
    distribution = os.environ.get("ROS_DISTRO", "from wheels")
    middleware = os.environ.get("RMW_IMPLEMENTATION", "the default, rmw_fastrtps_cpp")
    domain = os.environ.get("ROS_DOMAIN_ID", "0")
    reach = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "SUBNET")
    return [
        Finding("rclpy", "good", distribution),
        Finding("middleware", "good", middleware),
        Finding("domain", "good", f"{domain}, discovery {reach}"),
    ]


def _profile() -> list[Finding]:
    for variable in _PROFILE_VARIABLES:
        value = os.environ.get(variable)
        if value and not Path(value).is_file():
            return [
                Finding(
                    "DDS profile", "bad", f"{variable} names no file: {value}", f"unset {variable}"
                )
            ]
        if value:
            return [Finding("DDS profile", "good", value)]
    assignments = " ".join(f"{name}=config/fastdds.xml" for name in _PROFILE_VARIABLES)
    return [
        Finding(
            "DDS profile",
            "note",
            "default; images of 640x480 and more may be lost",
            f"export {assignments}",
        )
    ]


def _shared_memory() -> list[Finding]:
    if not os.access("/dev/shm", os.W_OK):
        return [
            Finding(
                "shared memory", "bad", "/dev/shm is not writable", "mount -o remount,rw /dev/shm"
            )
        ]
    left = len(list(Path("/dev/shm").glob("fastrtps_*")))
    if left > 200:
        return [
            Finding(
                "shared memory",
                "note",
                f"{left} files of Fast DDS; killed processes slow discovery",
                "fastdds shm clean",
            )
        ]
    return [Finding("shared memory", "good", f"{left} files of Fast DDS")]


def show_examination(findings: Sequence[Finding]) -> None:
    """Print what the doctor found, and how to mend it."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    for column in ("check", "", "found", "way out"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        text, remedy = escape(finding.text), escape(finding.remedy)
        table.add_row(finding.name, _MARKS[finding.status], text, remedy)
    Console().print(table)
