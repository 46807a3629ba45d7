# SPDX-License-Identifier: Apache-2.0
"""The study's own environment, .venv-peers, on top of .venv: NNCF has no place in the package's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from quantvla_ros.errors import QuantVLAError

ROOT = Path(__file__).resolve().parents[2]
NAME = "peers"


def is_inside() -> bool:
    """Whether this Python has all that the study needs, and knows the study's backends."""
    return find_spec("nncf") is not None and _entries() in sys.path


def go_inside(module: str, arguments: Sequence[str]) -> None:
    """Become `python -m module` in the study's environment, which is made if need be.

    Raises:
        QuantVLAError: it cannot be made.
    """
    try:
        subprocess.run([ROOT / ".ci" / "make_tensorrt_check", NAME], check=True, cwd=ROOT)
    except (OSError, subprocess.CalledProcessError) as error:
        raise QuantVLAError(
            f"the environment .venv-{NAME} cannot be made ({error}); is the package index reached?"
        ) from error
    python = ROOT / f".venv-{NAME}" / "bin" / "python"
    folders = (str(ROOT), _entries(), os.environ.get("PYTHONPATH"))
    path = os.pathsep.join(filter(None, folders))
    sys.stdout.flush()
    os.execve(python, [str(python), "-m", module, *arguments], {**os.environ, "PYTHONPATH": path})


def _entries() -> str:
    """Names the study's backends, for this process and for those that it starts."""
    return str(ROOT / "studies" / "entry_points")
