# SPDX-License-Identifier: Apache-2.0
"""Message packages that PyPI has no wheel of, made once from their fields by the wheels' tools.

The type is the real one on the wire: same name, same fields.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest

DEFINITIONS = Path(__file__).parents[1] / "interfaces"
_TOOLS = ("interface_code.py", "interface_types.py")


def provide(package: str, cache: Path) -> Path | None:
    """Make a package of `DEFINITIONS`; about 10 s the first time.

    Args:
        package: such as control_msgs.
        cache: folder that outlives the test process; what is made lies in a folder of it.

    Returns:
        The folder to import it from; None where the package is installed.
    """
    folder = cache / f"{package}-{_fingerprint(package)}"
    spec = importlib.util.find_spec(package)
    # It may be this one, which a test imported that is run again.
    if spec is not None and folder not in Path(spec.origin or "").parents:
        return None
    if not folder.exists():
        _skip_without_tools(package)
        with tempfile.TemporaryDirectory(dir=cache) as work:
            made = _generate(package, Path(work))
            try:
                made.rename(folder)
            except OSError:  # another test process was faster
                assert folder.exists()
    return folder


def _fingerprint(package: str) -> str:
    """Of all that the result depends on: definitions, tools, Python, where the wheels are."""
    content = hashlib.sha256(f"{sys.version} {sys.prefix}".encode())
    tools = [Path(__file__).parent / name for name in _TOOLS]
    for path in (*tools, *sorted((DEFINITIONS / package).rglob("*.*"))):
        content.update(path.name.encode() + path.read_bytes())
    return content.hexdigest()[:16]


def _skip_without_tools(package: str) -> None:
    absent = [name for name in ("gcc", "g++") if shutil.which(name) is None]
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").exists():
        absent.append("Python's headers")
    if importlib.util.find_spec("rosidl_generator_py") is None:
        absent.append("the rosidl generators")
    if absent:
        pytest.skip(f"{package} is not installed and cannot be made: no {', '.join(absent)}")


def _generate(package: str, work: Path) -> Path:
    """Run the generators in a process of its own: they read the environment and print."""
    program = Path(__file__).with_name("interface_code.py")
    done = subprocess.run(
        [sys.executable, str(program), str(DEFINITIONS / package), str(work)],
        env={**os.environ, "AMENT_PREFIX_PATH": sys.prefix},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{package} could not be made:\n{done.stdout}{done.stderr}"
    return work / "made"
