# SPDX-License-Identifier: Apache-2.0
"""Two ways from an exported graph to a plan; a plan is the same kind of thing from both."""

from __future__ import annotations

import importlib
from types import ModuleType

from quantvla_ros.errors import BackendError

AUTO = "auto"
BUILDERS = {"torch_tensorrt": "Torch-TensorRT", "onnx": "TensorRT's ONNX parser"}
"""In the order in which `auto` tries them, with their names in words."""


def check_name(name: str) -> None:
    """Refuse a builder that does not exist.

    Raises:
        BackendError: names those that do.
    """
    if name != AUTO and name not in BUILDERS:
        raise BackendError(f"unknown builder '{name}'; known: {', '.join((AUTO, *BUILDERS))}")


def choose_builder(name: str) -> tuple[ModuleType, str, str, str]:
    """A builder that can be imported here.

    Args:
        name: of a builder, or "auto" for Torch-TensorRT where it can be imported, else the other.

    Returns:
        Its module, with `build_plan`; its name; its version; a sentence that says which and why.

    Raises:
        BackendError: none can be imported; says why.
    """
    check_name(name)
    reasons = ["it was asked for"] if name != AUTO else []
    for one in BUILDERS if name == AUTO else (name,):
        module = importlib.import_module(f"{__name__}.{one}")
        try:
            version = module.version()
        except BackendError as error:
            if one == name or one == list(BUILDERS)[-1]:
                raise
            reasons.append(str(error).partition(";")[0])
            continue
        why = reasons[-1] if reasons else "it is installed"
        return module, one, version, f"{BUILDERS[one]} {version} builds: {why}"
    raise AssertionError("the last builder raises")
