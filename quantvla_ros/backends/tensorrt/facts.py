# SPDX-License-Identifier: Apache-2.0
"""What `quantvla doctor` tells of a Jetson and its TensorRT; loads neither TensorRT nor torch."""

from __future__ import annotations

import importlib.util
import re
from importlib import metadata
from pathlib import Path

from quantvla_ros.backends.base import Fact
from quantvla_ros.backends.tensorrt.jetson import Jetson
from quantvla_ros.backends.tensorrt.library import OLDEST, installed_version, version_numbers
from quantvla_ros.backends.tensorrt.machine import Machine, this_machine

_JETPACK = "sudo apt install nvidia-jetpack"
_TENSORRT = "sudo apt install nvidia-tensorrt, and a venv with --system-site-packages"
_JETSON_INDEX = "https://pypi.jetson-ai-lab.io/jp6/cu126"
_TORCH_TENSORRT = (
    f"pip install --no-deps --force-reinstall --index-url {_JETSON_INDEX} torch==2.8.0 "
    "torch_tensorrt==2.8.0"
)
ORIN = "8.7"
_LAST_TORCH_TENSORRT_L4T = 36  # JetPack 6; there is no Torch-TensorRT for an Orin after it


def facts(board: Jetson | None = None, machine: Machine | None = None) -> list[Fact]:
    """Everything that engines need, each with the command that mends it.

    Args:
        board: where files and commands are looked for; this machine's if none is given.
        machine: what CUDA and Python say of it.
    """
    board, machine = board or Jetson(), machine or this_machine()
    if board.l4t is None and machine.gpu is None:
        text = "neither a Jetson nor an NVIDIA GPU: engines are neither built nor run here"
        return [Fact("TensorRT", "note", text, "none is needed for the backend cpu")]
    found = [_tensorrt(board), _gpu(board, machine), _cuda(board), _cuda_bindings(board)]
    found += [_onnx(), _torch_tensorrt(board)]
    if board.l4t is not None:
        found += [_jetpack(board), _power(board), _clocks(board), _swap(board)]
    return found


def _jetpack(board: Jetson) -> Fact:
    version, release = board.package("nvidia-jetpack"), f"L4T {board.l4t}"
    if version is None:
        return Fact("JetPack", "note", f"{release}, nvidia-jetpack is not installed", _JETPACK)
    return Fact("JetPack", "good", f"{version}, {release}")


def _tensorrt(board: Jetson) -> Fact:
    package, module = board.package("libnvinfer10"), installed_version()
    if module is None:
        if package is None:
            return Fact("TensorRT", "bad", "not installed", _TENSORRT)
        text = f"{package} is installed, and this Python does not see its module"
        remedy = (
            "sudo apt install python3-libnvinfer, then python3 -m venv --system-site-packages venv"
        )
        return Fact("TensorRT", "bad", text, remedy)
    if not module.startswith("RTX") and version_numbers(module) < OLDEST:
        return Fact("TensorRT", "bad", f"{module} is too old", "install JetPack 6.2 or newer")
    if package is not None and version_numbers(module) != version_numbers(package):
        text = f"Python's module is {module} and the system's library {package}"
        return Fact("TensorRT", "bad", text, "pip uninstall tensorrt, which hides the system's")
    return Fact("TensorRT", "good", module)


def _gpu(board: Jetson, machine: Machine) -> Fact:
    """Whether this TensorRT builds for the GPU at all.

    The releases for JetPack 7.0 and 7.1, which had no Orin, refuse it ("Target GPU SM 87 is not
    supported"), and other sources go on offering them: NVIDIA-ISAAC-ROS/isaac-ros-cli issue 22.
    """
    if machine.gpu is None:
        remedy = "sudo usermod -aG video,render $USER, and log in again"
        if board.in_container:
            remedy = "docker run --runtime nvidia ...: start the container with NVIDIA's runtime"
        return Fact("GPU", "bad", "CUDA finds none", remedy)
    name, package = f"{machine.gpu}, SM {machine.sm}", board.package("libnvinfer10") or ""
    cuda = re.search(r"\+cuda(\d+)", package)
    if machine.sm == ORIN and cuda and int(cuda[1]) >= 13 and version_numbers(package) < (10, 16):
        text = f"{name}, for which TensorRT {package} has nothing"
        return Fact("GPU", "bad", text, "sudo apt install nvidia-jetpack (7.2: TensorRT 10.16)")
    return Fact("GPU", "good", name)


def _cuda(board: Jetson) -> Fact:
    missing = [name for name in ("libcudart", "libcuda") if not board.libraries(f"{name}.so*")]
    if missing:
        return Fact("CUDA", "bad", f"{' and '.join(missing)} not found", _JETPACK)
    return Fact("CUDA", "good", _cuda_version(board) or "its libraries are there")


def _cuda_version(board: Jetson) -> str | None:
    text = board.read("usr/local/cuda/version.json")
    found = re.search(r'"cuda"[^}]*?"version" *: *"([^"]+)"', text)
    if found:
        return found[1]
    numbers = [re.search(r"\.so\.(\d+)", name) for name in board.libraries("libcudart.so.*")]
    return next((number[1] for number in numbers if number), None)


def _cuda_bindings(board: Jetson) -> Fact:
    """Whether they are there, and of the CUDA that is: another's do not load its library."""
    name, version, cuda = "cuda-bindings", _installed("cuda-bindings"), _cuda_version(board)
    major = cuda.partition(".")[0] if cuda else None
    remedy = f"pip install '{name}=={major}.*'" if major else f"pip install {name}"
    if version is None:
        return Fact(name, "bad", "not installed", remedy)
    if major and version.partition(".")[0] != major:
        return Fact(name, "bad", f"{version} is not of CUDA {cuda}", remedy)
    return Fact(name, "good", version)


def _onnx() -> Fact:
    name = "ONNX builder"
    missing = [package for package in ("onnx", "onnxscript") if _installed(package) is None]
    if missing:
        text = f"{' and '.join(missing)} not installed: TensorRT's ONNX parser cannot build"
        return Fact(name, "note", text, f"pip install {' '.join(missing)}")
    return Fact(name, "good", f"onnx {_installed('onnx')}, onnxscript {_installed('onnxscript')}")


def _torch_tensorrt(board: Jetson) -> Fact:
    name, version = "Torch-TensorRT", _installed("torch_tensorrt")
    if version is not None and not _torch_has_cuda():
        text = f"{version} needs a PyTorch with CUDA, and this one has none: it does not load"
        return Fact(name, "note", text, _TORCH_TENSORRT)
    if version is not None:
        return Fact(name, "good", version)
    major = int(board.l4t.partition(".")[0]) if board.l4t else _LAST_TORCH_TENSORRT_L4T
    if major > _LAST_TORCH_TENSORRT_L4T:
        text = "none for this JetPack; TensorRT's own ONNX parser builds (--builder onnx)"
        return Fact(name, "good", text)
    text = "not installed; TensorRT's own ONNX parser builds (--builder onnx)"
    return Fact(name, "note", text, _TORCH_TENSORRT)


def _torch_has_cuda() -> bool:
    """Whether PyTorch's own CUDA library is there; found without loading it."""
    spec = importlib.util.find_spec("torch")
    places = (spec and spec.submodule_search_locations) or []
    return any(Path(place, "lib", "libtorch_cuda.so").exists() for place in places)


def _power(board: Jetson) -> Fact:
    mode, modes = board.power_mode(), board.power_modes()
    if mode is None:
        return Fact("power mode", "note", "nvpmodel does not tell", "sudo nvpmodel -q")
    best = next((pair for pair in modes if pair[1].startswith("MAXN")), None)
    if best is None or mode.startswith("MAXN"):
        return Fact("power mode", "good", mode)
    remedy = f"sudo nvpmodel -m {best[0]}  # {best[1]}, where cooling and supply allow it"
    return Fact("power mode", "note", f"{mode}: slower than the board can be", remedy)


def _clocks(board: Jetson) -> Fact:
    clock = board.gpu_clock()
    if clock is None:
        return Fact("clocks", "note", "the GPU's are not told", "sudo jetson_clocks --show")
    low, present, high = clock
    if low < high:
        text = f"GPU at {present:.0f} of {high:.0f} MHz, changing with the load: latency varies"
        return Fact("clocks", "note", text, "sudo jetson_clocks")
    return Fact("clocks", "good", f"GPU fixed at {high:.0f} MHz")


def _swap(board: Jetson) -> Fact:
    places = board.swap()
    if not places:
        return Fact("swap", "good", "none")
    text = ", ".join(f"{name} {size:.1f} GB" for name, size in places)
    if any("zram" in name for name, _ in places):
        remedy = "sudo systemctl disable --now nvzramconfig  # zram takes memory that a build needs"
        return Fact("swap", "note", text, remedy)
    return Fact("swap", "good", text)


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
