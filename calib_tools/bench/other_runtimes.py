# SPDX-License-Identifier: Apache-2.0
"""The float policy by every float runtime that this machine has, and INT8 by every backend.

The fastest float is the control: beside a slower one INT8 is compared with what nobody has to use.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from calib_tools.bench.onnx_runtime import OnnxRuntime
from quantvla_ros.backends.base import Backend, Options, RunningPolicy
from quantvla_ros.backends.policy import network_policy
from quantvla_ros.backends.registry import BACKENDS, YARDSTICK, find_backend
from quantvla_ros.errors import QuantVLAError

Found = tuple[dict[str, RunningPolicy], dict[str, str]]


def other_floats(path: Path, backend: str, threads: int) -> Found:
    """The float policy by all runtimes of this machine but one.

    Args:
        path: float bundle.
        backend: the one that is measured anyway.
        threads: CPU threads.

    Returns:
        Policies by "float_" and the runtime's name, and why the runtimes that are left out are, by
        their names.
    """
    return _load("float_", path, [*_others(backend), OnnxRuntime()], threads)


def other_int8(path: Path, backend: str, threads: int) -> Found:
    """The same of a quantized bundle, by the other backends that multiply its integers exactly."""
    return _load("int8_", path, _others(backend), threads)


def _load(prefix: str, path: Path, runtimes: Sequence[Backend], threads: int) -> Found:
    found: dict[str, RunningPolicy] = {}
    left_out: dict[str, str] = {}
    for runtime in runtimes:
        try:
            name = f"{prefix}{runtime.name}"
            found[name] = network_policy(path, runtime, Options(threads))
        except QuantVLAError as error:
            left_out[runtime.name] = str(error)
    return found, left_out


def _others(backend: str) -> list[Backend]:
    """Bundled backends that run a bundle as it is, but for one and the yardstick."""
    names = [name for name in BACKENDS.bundled if name not in (backend, YARDSTICK)]
    found = (find_backend(name) for name in names)
    return [one for one in found if not one.runs_what_it_built]
