# SPDX-License-Identifier: Apache-2.0
"""What a robot installs: the wheel, as pip and colcon make it of setup.py."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/reference/what-a-robot-installs.md"
QUANTVLA = ("-m", "calib_tools.cli")
NEEDED = (
    "quantvla_ros.nodes.policy_node", "calib_tools.record.live", "calib_tools.record.select",
    "calib_tools.quantize.quantizing", "calib_tools.gate", "calib_tools.bench.command",
    "calib_tools.report.page", "calib_tools.inspect_bundle", "calib_tools.doctor",
)  # fmt: skip
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


def run(installed: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run the wheel's Python: without site's paths nothing of this repository is seen."""
    return subprocess.run(
        [sys.executable, "-S", *arguments],
        cwd=installed,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(installed), sysconfig.get_path("purelib")]),
        },
        capture_output=True,
        text=True,
    )


def test_neither_simulator_nor_study_nor_training_is_in_it(installed: Path) -> None:
    packages = {path.parent.name for path in installed.glob("*/__init__.py")}
    assert packages == {"quantvla_ros", "calib_tools"}


def test_every_module_and_every_file_that_one_reads_is_in_it(installed: Path) -> None:
    rooms = ("quantvla_ros", "calib_tools")
    wanted = {path for path in tracked() if path.parts[0] in rooms and path.suffix != ".md"}
    assert wanted - {path.relative_to(installed) for path in installed.rglob("*")} == set()


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


def test_what_a_robot_needs_is_imported_without_the_rest(installed: Path) -> None:
    done = run(installed, "-c", f"import {', '.join(NEEDED)}")
    assert done.returncode == 0, done.stderr


def test_help_comes_at_once(installed: Path) -> None:
    """Computing time counts, the best of some tries: a busy machine is no fault of the program."""
    took = []
    for _ in range(TRIES):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = run(installed, *QUANTVLA, "--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0 and "quantize" in done.stdout, done.stderr
        took.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
        if took[-1] < HELP_S:
            return
    pytest.fail(f"computing took {min(took):.2f} s")


@pytest.mark.parametrize(
    "arguments", [("demo", "--out", "made"), ("evaluate", "BUNDLE", "--out", "made")]
)
def test_what_needs_the_simulation_says_so_in_one_sentence(
    installed: Path, arguments: tuple[str, ...]
) -> None:
    bundle = next(installed.glob("*.data/data/share/quantvla_ros/policies/panda"))
    words = [str(bundle) if word == "BUNDLE" else word for word in arguments]
    done = run(installed, *QUANTVLA, *words)
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("quantvla: this needs the simulated robot")
    assert not (installed / "made").exists()
