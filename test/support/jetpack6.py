# SPDX-License-Identifier: Apache-2.0
"""Torch-TensorRT 2.8, as on JetPack 6.2, with TensorRT-RTX in the place of TensorRT 10.3.

Its lowering, its converters and ours run as they are. Names of TensorRT 10.3 that RTX lacks are
stand-ins that do nothing: none of them is used by the layers of our graphs.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
import types
from typing import Any

import tensorrt_rtx_bindings as rtx
from support.driverless import import_torch_tensorrt

_ENUMS = ("BuilderFlag", "NetworkDefinitionCreationFlag", "MemoryPoolType", "TacticSource")
_VERSION = "10.3.0"


class Missing:
    """Any name that RTX lacks, and any name of that."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, key: str) -> Missing:
        if key.startswith("__"):
            raise AttributeError(key)
        return Missing(f"{self.name}.{key}")

    def __call__(self, *_: Any, **__: Any) -> Missing:
        return self

    def __int__(self) -> int:
        return 0

    def __hash__(self) -> int:
        return hash(self.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Missing) and other.name == self.name

    def __or__(self, other: object) -> Missing:
        return self

    __ror__ = __or__

    def __mro_entries__(self, bases: object) -> tuple[type, ...]:
        return (object,)


class Names:
    """An enumeration of RTX, with the members it lacks."""

    def __init__(self, real: Any, name: str) -> None:
        self._real, self._name = real, name

    def __getattr__(self, key: str) -> Any:
        return getattr(self._real, key, Missing(f"{self._name}.{key}"))

    def __call__(self, *values: Any) -> Any:
        return self._real(*values)


class StandIn(types.ModuleType):
    """The module `tensorrt`."""

    def __getattr__(self, key: str) -> Any:
        if key.startswith("__"):
            raise AttributeError(key)
        if key in _ENUMS or key == "LayerType":
            return Names(getattr(rtx, key), key)
        return getattr(rtx, key, Missing(key))


def import_torch_tensorrt_28() -> None:
    """Import it, and let it believe in TensorRT 10.3 on an Orin."""
    for name in ("tensorrt", "tensorrt.tensorrt"):
        module = StandIn(name)
        module.__spec__ = importlib.util.spec_from_loader(name, loader=None)
        module.__version__, module.__path__ = _VERSION, []
        sys.modules[name] = module
    sys.modules["tensorrt"].tensorrt = sys.modules["tensorrt.tensorrt"]
    known = importlib.metadata.version
    importlib.metadata.version = lambda name: _VERSION if name == "tensorrt" else known(name)
    import_torch_tensorrt("tensorrt_rtx", (8, 7))
    from torch_tensorrt.dynamo.conversion._TRTInterpreter import TRTInterpreter

    begin = TRTInterpreter.__init__

    def without_output_types(self: Any, *arguments: Any, **options: Any) -> None:
        begin(self, *arguments, **{**options, "output_dtypes": None})  # RTX cannot set them

    TRTInterpreter.__init__ = without_output_types
