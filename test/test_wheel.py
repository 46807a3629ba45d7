# SPDX-License-Identifier: Apache-2.0
"""What a robot installs: the wheel, as pip and colcon make it of setup.py."""

from __future__ import annotations

import os
import platform
import re
import resource
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from quantvla_ros.backends.cpu.engine import build

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/reference/what-a-robot-installs.md"
HELP_S = 0.5
TRIES = 5


def tracked() -> list[Path]:
    """Files that git knows or would add, relative to the root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in found.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The content of the wheel, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for path in tracked():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).symlink_to(ROOT / path)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--no-index", "-w", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "content")
    return folder / "content"


def test_neither_simulator_nor_study_nor_training_is_in_it(installed: Path) -> None:
    packages = {path.parent.name for path in installed.glob("*/__init__.py")}
    assert packages == {"quantvla_ros", "calib_tools"}


def test_every_module_and_every_file_that_one_reads_is_in_it(installed: Path) -> None:
    rooms = ("quantvla_ros", "calib_tools")
    wanted = {path for path in tracked() if path.parts[0] in rooms and path.suffix != ".md"}
    assert wanted - {path.relative_to(installed) for path in installed.rglob("*")} == set()


def test_the_engine_is_compiled_for_every_unit_of_this_architecture(installed: Path) -> None:
    if build.c_compiler() is None:
        pytest.skip("needs a C compiler")
    built = {path.name for path in (installed / build.HERE.relative_to(ROOT)).glob("*.so")}
    units = {"x86_64": ("avx2", "avxvnni", "vnni"), "aarch64": ("neon", "sdot")}
    assert built == {build.file_name(unit) for unit in units[platform.machine()]}


def test_the_page_lists_what_is_in_it(installed: Path) -> None:
    share = next(installed.glob("*.data/data/share/quantvla_ros"))
    rooms = [
        f"{path.parent.parent.name}.{path.parent.name}"
        for package in ("quantvla_ros", "calib_tools")
        for path in installed.glob(f"{package}/*/__init__.py")
    ]
    folders = [f"share/quantvla_ros/{path.name}" for path in share.iterdir() if path.is_dir()]
    listed = re.findall(r"^\| `([^`]+)` \|", PAGE.read_text(encoding="utf-8"), re.M)
    assert sorted(listed) == sorted(["quantvla", "policy_node", *rooms, *folders])


def test_help_comes_at_once(installed: Path) -> None:
    """Computing time counts, the best of some tries: a busy machine is no fault of the program.

    Without site's paths nothing of this repository is seen but the wheel.
    """
    path = os.pathsep.join([str(installed), sysconfig.get_path("purelib")])
    took = []
    for _ in range(TRIES):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-S", "-m", "calib_tools.cli", "--help"],
            cwd=installed, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True,
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0 and "quantize" in done.stdout, done.stderr
        took.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
        if took[-1] < HELP_S:
            return
    pytest.fail(f"computing took {min(took):.2f} s")
