# SPDX-License-Identifier: Apache-2.0
"""`quantvla doctor`: what this machine has, what is wrong, and the command that mends it."""

from __future__ import annotations

import importlib.util
import os
import platform
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

from calib_tools.common.cores import usable_cores
from quantvla_ros.backends.base import Fact, Options
from quantvla_ros.backends.registry import BACKENDS, DEFAULT, YARDSTICK, find_backend
from quantvla_ros.cache_directory import cache_directory, why_not_at_home
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.memory import available_memory
from quantvla_ros.processor import cpu_model
from quantvla_ros.quantization.schemes import Precision

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


def examine() -> list[Fact]:
    """Run every check."""
    checks: list[Callable[[], list[Fact]]] = [
        _python,
        _packages,
        _processor,
        _backends,
        _exact_backends,
        _cache,
        _memory,
        _ros,
        _profile,
        _shared_memory,
    ]
    return [finding for check in checks for finding in check()]


def _python() -> list[Fact]:
    return [Fact("python", "good", f"{platform.python_version()} on {platform.platform()}")]


def _packages() -> list[Fact]:
    findings = []
    for name in (*_ROBOT, *_SIMULATOR):
        try:
            findings.append(Fact(name, "good", metadata.version(name)))
        except metadata.PackageNotFoundError:
            if name in _SIMULATOR:
                text = "not installed; only the simulated robot needs it"
                findings.append(
                    Fact(name, "note", text, "pip install -r requirements/simulator.txt")
                )
            else:
                findings.append(Fact(name, "bad", "not installed", _REMEDIES.get(name, _PIP)))
    return findings


def _processor() -> list[Fact]:
    return [Fact("processor", "good", f"{cpu_model()}, {usable_cores()} cores")]


def _backends() -> list[Fact]:
    """What each backend that is installed here says for itself."""
    facts = []
    for name in BACKENDS.names():
        try:
            facts += find_backend(name).facts()
        except QuantVLAError as error:
            facts.append(Fact(f"backend {name}", "bad", str(error), "remove or mend its package"))
    return facts


def _exact_backends() -> list[Fact]:
    """Where INT8 can run as it was judged; which of these is faster depends on the policy."""
    found = []
    for name in BACKENDS.bundled:
        backend = find_backend(name)
        if name == YARDSTICK or backend.runs_what_it_built:
            continue
        try:
            backend.check(Options())
        except QuantVLAError:
            continue
        if backend.supports(Precision(8, None, backend.activations)) is None:
            found.append(f"{name} ({backend.activations} ranges)")
    text = (
        f"exact here on {', '.join(found)}; which is the fastest for a policy `quantvla bench` "
        f"measures; the node takes the one whose gate judged the bundle, else {DEFAULT}"
    )
    return [Fact("INT8 on this CPU", "good", text)]


def _cache() -> list[Fact]:
    """An engine that was built and the simulated scene are kept from run to run."""
    why = why_not_at_home(executable=True)
    remedy = "set XDG_CACHE_HOME to a folder that can be written and executed"
    try:
        place = cache_directory(executable=True)
    except QuantVLAError as error:
        return [Fact("cache", "bad", str(error), remedy)]
    if why:
        return [Fact("cache", "note", f"{why}; {place} is used", remedy)]
    return [Fact("cache", "good", str(place))]


def _memory() -> list[Fact]:
    known = available_memory()
    if known is None:
        return [Fact("memory", "note", "unknown on this system")]
    free = known / 1e9
    if free < _MEMORY_GB:
        remedy = (
            f"about {_MEMORY_GB:g} GB are needed: end other programs, and the desktop by "
            "sudo systemctl isolate multi-user.target"
        )
        return [Fact("memory", "bad", f"{free:.1f} GB available", remedy)]
    return [Fact("memory", "good", f"{free:.1f} GB available")]


def _ros() -> list[Fact]:
    if importlib.util.find_spec("rclpy") is None:
        remedy = (
            "source /opt/ros/<distro>/setup.bash, or pip install -r requirements/ros-wheels.txt"
        )
        return [Fact("rclpy", "bad", "not found", remedy)]
    distribution = os.environ.get("ROS_DISTRO", "from wheels")
    middleware = os.environ.get("RMW_IMPLEMENTATION", "the default, rmw_fastrtps_cpp")
    domain = os.environ.get("ROS_DOMAIN_ID", "0")
    reach = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "SUBNET")
    return [
        Fact("rclpy", "good", distribution),
        Fact("middleware", "good", middleware),
        Fact("domain", "good", f"{domain}, discovery {reach}"),
    ]


def _profile() -> list[Fact]:
    for variable in _PROFILE_VARIABLES:
        value = os.environ.get(variable)
        if value and not Path(value).is_file():
            return [
                Fact(
                    "DDS profile", "bad", f"{variable} names no file: {value}", f"unset {variable}"
                )
            ]
        if value:
            return [Fact("DDS profile", "good", value)]
    assignments = " ".join(f"{name}=config/fastdds.xml" for name in _PROFILE_VARIABLES)
    return [
        Fact(
            "DDS profile",
            "note",
            "default; images of 640x480 and more may be lost",
            f"export {assignments}",
        )
    ]


def _shared_memory() -> list[Fact]:
    if not os.access("/dev/shm", os.W_OK):
        return [
            Fact("shared memory", "bad", "/dev/shm is not writable", "mount -o remount,rw /dev/shm")
        ]
    left = len(list(Path("/dev/shm").glob("fastrtps_*")))
    if left > 200:
        return [
            Fact(
                "shared memory",
                "note",
                f"{left} files of Fast DDS; killed processes slow discovery",
                "fastdds shm clean",
            )
        ]
    return [Fact("shared memory", "good", f"{left} files of Fast DDS")]


def show_examination(findings: Sequence[Fact]) -> None:
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
