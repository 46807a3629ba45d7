# SPDX-License-Identifier: Apache-2.0
"""Lets Torch-TensorRT build for a GPU that is not here: what it asks PyTorch about one is made up.

TensorRT-RTX itself needs no driver to build. Once imported Torch-TensorRT stays as it is.
"""

from __future__ import annotations

import os
import sys
import types

import torch

from quantvla_ros.backends.tensorrt.machine import Machine

AMPERE = Machine(tensorrt="RTX 1.7.1.116", gpu="A GPU that is not here", sm="8.6")
"""The kind nearest to Orin (SM 8.7) that TensorRT-RTX builds for."""
_GB = 1 << 30


def import_torch_tensorrt(name: str = "tensorrt_rtx", sm: tuple[int, int] = (8, 6)) -> None:
    """Import it on a machine without a driver.

    Args:
        name: module under which it looks for TensorRT; TensorRT-RTX takes that place.
        sm: compute capability of the GPU that is made up.
    """
    if "torch_tensorrt" in sys.modules:
        return
    import tensorrt_rtx_bindings

    sys.modules.setdefault(name, tensorrt_rtx_bindings)
    pretend_gpu(sm)
    isfile = os.path.isfile
    # Its C++ runtime, which runs engines, needs the CUDA libraries.
    os.path.isfile = lambda path: "torch_tensorrt/lib" not in str(path) and isfile(path)
    try:
        import torch_tensorrt  # noqa: F401
    finally:
        os.path.isfile = isfile


def pretend_gpu(sm: tuple[int, int]) -> None:
    """Let PyTorch answer as if there were one GPU."""
    properties = types.SimpleNamespace(
        name="none",
        major=sm[0],
        minor=sm[1],
        total_memory=32 * _GB,
        multi_processor_count=16,
        is_integrated=True,
    )
    answers = {
        "current_device": 0,
        "device_count": 1,
        "get_device_capability": sm,
        "get_device_properties": properties,
        "get_device_name": "none",
        "mem_get_info": (30 * _GB, 32 * _GB),
        "set_device": None,
        "synchronize": None,
        "empty_cache": None,
        "ipc_collect": None,
    }
    for name, answer in answers.items():
        setattr(torch.cuda, name, lambda *_, answer=answer, **__: answer)
    if not hasattr(torch._C, "_CudaDeviceProperties"):
        torch._C._CudaDeviceProperties = object  # an annotation names it
