# SPDX-License-Identifier: Apache-2.0
"""What a Jetson tells of itself in files and by its own commands; tests plant a root of theirs."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from quantvla_ros.backends.tensorrt.machine import TEGRA_RELEASE, l4t_release

_COMMANDS = ("usr/sbin", "usr/bin")
_LIBRARIES = ("usr/lib/aarch64-linux-gnu", "usr/lib/x86_64-linux-gnu", "usr/local/cuda/lib64")
_SECONDS = 10.0  # a command that takes longer is left


class Jetson:
    """A board, or a folder that holds what a board has.

    Attributes:
        root: where its files lie.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root

    @property
    def l4t(self) -> str | None:
        """Release of Jetson Linux, such as "36.4.3"; None on other machines."""
        return l4t_release(self.root / TEGRA_RELEASE.relative_to("/"))

    @property
    def in_container(self) -> bool:
        """Whether this is a container of Docker, which has a GPU only if it is given one."""
        return (self.root / ".dockerenv").exists()

    def package(self, name: str) -> str | None:
        """Version of an installed Debian package; None without it."""
        text = self.read("var/lib/dpkg/status")
        found = re.search(rf"^Package: {re.escape(name)}\n((?:.+\n?)+)", text, re.MULTILINE)
        if not found or "Status: install ok installed" not in found[1]:
            return None
        version = re.search(r"^Version: (\S+)", found[1], re.MULTILINE)
        return version[1] if version else None

    def libraries(self, pattern: str) -> list[str]:
        """Names of the shared libraries that match, such as "libcudart.so*"."""
        return sorted(
            {path.name for place in self._library_folders() for path in place.glob(pattern)}
        )

    def power_mode(self) -> str | None:
        """Name of the power mode, such as "MAXN_SUPER"; None where `nvpmodel` does not tell."""
        found = re.search(r"Power Mode: *(\S+)", self.said("nvpmodel", "-q"))
        return found[1] if found else None

    def power_modes(self) -> list[tuple[int, str]]:
        """Number and name of the modes there are."""
        text = self.read("etc/nvpmodel.conf")
        found = re.findall(r"< *POWER_MODEL +ID=(\d+) +NAME=(\S+) *>", text)
        return [(int(number), name) for number, name in found]

    def gpu_clock(self) -> tuple[float, float, float] | None:
        """Lowest allowed, present and largest clock of the GPU, MHz."""
        for folder in sorted((self.root / "sys/class/devfreq").glob("*.g*")):
            if "gpu" in folder.name or "ga10b" in folder.name or "gv11b" in folder.name:
                values = [self.read(folder / f"{kind}_freq") for kind in ("min", "cur", "max")]
                with suppress(ValueError):
                    low, present, high = (float(value) / 1e6 for value in values)
                    return low, present, high
        return None

    def swap(self) -> list[tuple[str, float]]:
        """Name and gigabytes of each place to swap to; zram's are names with "zram"."""
        rows = [line.split() for line in self.read("proc/swaps").splitlines()[1:]]
        return [(row[0], int(row[2]) * 1024 / 1e9) for row in rows if len(row) > 2]

    def said(self, command: str, *arguments: str) -> str:
        """What one of the board's commands prints; empty where it cannot be run."""
        for folder in _COMMANDS:
            program = self.root / folder / command
            if program.is_file():
                with suppress(OSError, subprocess.SubprocessError):
                    done = subprocess.run(
                        [str(program), *arguments],
                        capture_output=True,
                        text=True,
                        check=False,
                        timeout=_SECONDS,
                    )
                    return done.stdout
        return ""

    def read(self, path: str | Path) -> str:
        """Text of a file; empty where there is none or it may not be read."""
        with suppress(OSError):
            return (self.root / path).read_text(encoding="utf-8", errors="replace")
        return ""

    def _library_folders(self) -> Iterator[Path]:
        for folder in _LIBRARIES:
            yield self.root / folder
            yield self.root / folder / "nvidia"
