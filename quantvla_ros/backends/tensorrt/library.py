# SPDX-License-Identifier: Apache-2.0
"""Which TensorRT this machine has; the only file that imports it."""

from __future__ import annotations

import importlib
import importlib.util
import re
from importlib import metadata
from typing import Any

from quantvla_ros.errors import BackendError

OLDEST = (10, 3)
"""Of JetPack 6.2: the oldest version whose parser and engines are known to take our graphs."""

_MODULES = {
    "tensorrt": ("tensorrt",),
    "tensorrt_rtx": ("tensorrt-rtx", "tensorrt_rtx"),
    "tensorrt_rtx_bindings": ("tensorrt-rtx-cu13-bindings", "tensorrt-rtx-cu12-bindings"),
}
"""Names of the module, the first that is there is taken, and of what may have installed it.

TensorRT-RTX has the same interface and builds for a desktop's GPU without one: our checker.
"""
_INSTALL = (
    "on a Jetson install NVIDIA's packages (sudo apt install nvidia-tensorrt) and give the "
    "environment the system's packages, elsewhere `pip install tensorrt`"
)


def tensorrt() -> Any:
    """TensorRT's Python module; the first call loads some hundred megabytes.

    Raises:
        BackendError: it is missing, cannot be loaded, or is too old.
    """
    name = _module()
    if name is None:
        raise BackendError(f"TensorRT's Python module is not installed; {_INSTALL}")
    try:
        module = importlib.import_module(name)
        version = str(module.__version__)
    except Exception as error:  # placeholders on package indexes raise whatever they like
        raise BackendError(f"TensorRT cannot be loaded ({error}); {_INSTALL}") from error
    if not is_rtx(module):
        check_version(version)
    return module


def check_version(
    version: str, oldest: tuple[int, int] = OLDEST, what: str = "this backend"
) -> None:
    """Refuse a TensorRT that is too old.

    Args:
        version: as TensorRT tells it.
        oldest: major and minor number that will do.
        what: needs it, in words.

    Raises:
        BackendError: it is older.
    """
    if version_numbers(version) < oldest:
        need = ".".join(map(str, oldest))
        raise BackendError(
            f"TensorRT {version} is too old for {what}, which needs {need} or "
            "newer; install a newer JetPack, or leave that part to another backend"
        )


def is_rtx(module: Any) -> bool:
    """Whether it is TensorRT-RTX, whose version numbers are its own."""
    return "rtx" in module.__name__


def installed_version() -> str | None:
    """The version that `tensorrt` would load, without loading it; None if there is none."""
    name = _module()
    for package in _MODULES[name] if name else ():
        try:
            version = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
        return f"RTX {version}" if "rtx" in package else version
    return None


def version_numbers(version: str) -> tuple[int, int]:
    """Major and minor number of a version; zeros where it tells none."""
    numbers = re.findall(r"\d+", version)[:2]
    return (int(numbers[0]), int(numbers[1])) if len(numbers) == 2 else (0, 0)


def _module() -> str | None:
    return next((name for name in _MODULES if importlib.util.find_spec(name)), None)
