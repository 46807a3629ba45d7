# SPDX-License-Identifier: Apache-2.0
"""What an engine belongs to: the GPU, TensorRT's version, the release of Jetson Linux."""

from __future__ import annotations

import ctypes
import re
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from quantvla_ros.backends.tensorrt.library import installed_version, is_rtx, tensorrt
from quantvla_ros.errors import BackendError

TEGRA_RELEASE = Path("/etc/nv_tegra_release")
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR


class Machine(BaseModel):
    """A machine as engines know it.

    Attributes:
        tensorrt: version of TensorRT; None if it is not installed.
        gpu: name of the GPU; None if there is none.
        sm: its compute capability, such as "8.7".
        l4t: release of Jetson Linux, such as "36.4.3"; None on other machines.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tensorrt: str | None
    gpu: str | None
    sm: str | None
    l4t: str | None = None

    def __str__(self) -> str:
        """In words, as messages and gate records say it."""
        gpu = f"{self.gpu} (SM {self.sm})" if self.gpu else "no GPU"
        words = [f"TensorRT {self.tensorrt}" if self.tensorrt else "no TensorRT", gpu]
        return ", ".join([*words, f"L4T {self.l4t}"] if self.l4t else words)

    def check(self) -> None:
        """Refuse a machine that can neither build nor run engines.

        Raises:
            BackendError: says what is missing.
        """
        if self.tensorrt is None:
            tensorrt()  # says it
        if self.gpu is None:
            raise BackendError(
                "no NVIDIA GPU was found here, and an engine is built on the machine that runs it; "
                "run this on the robot's computer, or check the driver with `nvidia-smi`"
            )


def rehearsal_machine() -> Machine:
    """The machine nearest to a Jetson Orin (SM 8.7) that engines are built for without a GPU.

    Raises:
        BackendError: TensorRT is missing, or is one that builds for its own GPU alone.
    """
    if not is_rtx(tensorrt()):
        raise BackendError(
            "TensorRT builds for the GPU that it finds; without one that takes TensorRT-RTX, which "
            "`.ci/make_tensorrt_check` installs into an environment of its own"
        )
    return Machine(tensorrt=installed_version(), gpu="none, a rehearsal", sm="8.6")


@cache
def this_machine() -> Machine:
    """The machine that this process runs on; loads neither TensorRT nor a CUDA context."""
    gpu = _first_gpu()
    return Machine(
        tensorrt=installed_version(),
        gpu=gpu[0] if gpu else None,
        sm=gpu[1] if gpu else None,
        l4t=l4t_release(),
    )


def _first_gpu() -> tuple[str, str] | None:
    """Name and compute capability of the GPU that CUDA lists first."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    device, value, name = ctypes.c_int(), ctypes.c_int(), ctypes.create_string_buffer(128)
    if cuda.cuInit(0) or cuda.cuDeviceGet(ctypes.byref(device), 0):
        return None
    cuda.cuDeviceGetName(name, len(name), device)
    numbers = []
    for attribute in (_MAJOR, _MINOR):
        cuda.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
        numbers.append(str(value.value))
    return name.value.decode(errors="replace"), ".".join(numbers)


def l4t_release(release: Path = TEGRA_RELEASE) -> str | None:
    """Of a first line such as "# R36 (release), REVISION: 4.3, GCID: ...": "36.4.3"."""
    try:
        text = release.read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(r"R(\d+) \(release\), REVISION: ([\d.]+)", text)
    return f"{found[1]}.{found[2]}" if found else None
