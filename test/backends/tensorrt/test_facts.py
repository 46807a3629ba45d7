# SPDX-License-Identifier: Apache-2.0
"""What the doctor says of boards, each a planted folder with the files and commands of one."""

from __future__ import annotations

from importlib import metadata

import pytest

from quantvla_ros.backends.tensorrt import facts as module
from quantvla_ros.backends.tensorrt.facts import facts
from quantvla_ros.backends.tensorrt.jetson import Jetson
from quantvla_ros.backends.tensorrt.machine import Machine

SWAPS = "Filename Type Size Used Priority\n"
NVPMODEL = "< POWER_MODEL ID=0 NAME=15W >\n< POWER_MODEL ID=2 NAME=MAXN_SUPER >\n"


def plant(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if text.startswith("#!"):
            path.chmod(0o755)


def board(root, release, packages, mode, libraries, low_mhz, swaps=""):
    """Plant a Jetson."""
    status = "".join(
        f"Package: {name}\nStatus: install ok installed\nVersion: {version}\n\n"
        for name, version in packages.items()
    )
    gpu = "sys/class/devfreq/17000000.gpu"
    plant(
        root,
        {
            "etc/nv_tegra_release": release,
            "var/lib/dpkg/status": status,
            "etc/nvpmodel.conf": NVPMODEL,
            "usr/sbin/nvpmodel": f"#!/bin/sh\necho 'NV Power Mode: {mode}'\necho 2\n",
            f"{gpu}/min_freq": str(low_mhz * 1_000_000),
            f"{gpu}/cur_freq": "612000000",
            f"{gpu}/max_freq": "1020000000",
            "proc/swaps": SWAPS + swaps,
            "usr/local/cuda/version.json": '{"cuda": {"name": "CUDA SDK", "version": "12.6.68"}}',
            **{f"usr/lib/aarch64-linux-gnu/{name}": "" for name in libraries},
        },
    )
    return Jetson(root)


@pytest.fixture
def installed(monkeypatch):
    """Versions of Python packages; the test fills them."""
    found = {}

    def version(name):
        if name not in found:
            raise metadata.PackageNotFoundError(name)
        return found[name]

    monkeypatch.setattr(module.metadata, "version", version)
    monkeypatch.setattr(module, "installed_version", lambda: found.get("tensorrt"))
    monkeypatch.setattr(module, "_torch_has_cuda", lambda: "+cpu" not in found.get("torch", ""))
    return found


def by_name(found):
    return {fact.name: (fact.status, fact.text, fact.remedy) for fact in found}


CUDA = ("libcudart.so.12", "nvidia/libcuda.so.1")


def test_jetpack_6_as_it_should_be(tmp_path, installed):
    installed.update({"tensorrt": "10.3.0", "cuda-bindings": "12.9.10", "torch_tensorrt": "2.8.0"})
    installed.update({"onnx": "1.22.0", "onnxscript": "0.7.2"})
    packages = {"nvidia-jetpack": "6.2.1+b38", "libnvinfer10": "10.3.0.30-1+cuda12.5"}
    release = "# R36 (release), REVISION: 4.4, GCID: 1, BOARD: generic\n"
    jetson = board(tmp_path, release, packages, "MAXN_SUPER", CUDA, 1020)
    machine = Machine(tensorrt="10.3.0", gpu="Orin", sm="8.7", l4t="36.4.4")
    found = by_name(facts(jetson, machine))
    assert {status for status, _, _ in found.values()} == {"good"}
    assert found["JetPack"][1] == "6.2.1+b38, L4T 36.4.4"
    assert found["CUDA"][1] == "12.6.68"
    assert found["clocks"][1] == "GPU fixed at 1020 MHz"
    assert found["GPU"][1] == "Orin, SM 8.7"


def test_jetpack_7_with_what_is_often_wrong_on_it(tmp_path, installed):
    installed.update({"tensorrt": "10.13.3"})
    zram = "/dev/zram0 partition 498000 0 5\n"
    packages = {"libnvinfer10": "10.13.3.9-1+cuda13.0"}
    release = "# R39 (release), REVISION: 2.0, GCID: 1, BOARD: generic\n"
    jetson = board(tmp_path, release, packages, "15W", CUDA, 306, zram)
    machine = Machine(tensorrt="10.13.3", gpu="Orin", sm="8.7", l4t="39.2.0")
    found = by_name(facts(jetson, machine))
    assert found["GPU"][0] == "bad" and "TensorRT 10.13.3.9" in found["GPU"][1]
    assert "7.2" in found["GPU"][2]
    assert found["JetPack"] == (
        "note", "L4T 39.2.0, nvidia-jetpack is not installed", "sudo apt install nvidia-jetpack"
    )  # fmt: skip
    assert found["power mode"][2].startswith("sudo nvpmodel -m 2")
    assert found["clocks"][0] == "note" and found["clocks"][2] == "sudo jetson_clocks"
    assert found["swap"][0] == "note" and "nvzramconfig" in found["swap"][2]
    assert found["cuda-bindings"][2] == "pip install 'cuda-bindings==12.*'"
    assert found["ONNX builder"][2] == "pip install onnx onnxscript"
    assert found["Torch-TensorRT"][0] == "good" and "ONNX" in found["Torch-TensorRT"][1]


def test_a_tensorrt_that_python_does_not_see_or_sees_twice(tmp_path, installed):
    release = "# R36 (release), REVISION: 4.4, GCID: 1\n"
    packages = {"libnvinfer10": "10.3.0.30-1+cuda12.5"}
    jetson = board(tmp_path, release, packages, "MAXN", CUDA, 1020)
    machine = Machine(tensorrt=None, gpu="Orin", sm="8.7", l4t="36.4.4")
    status, text, remedy = by_name(facts(jetson, machine))["TensorRT"]
    assert status == "bad" and "does not see" in text and "--system-site-packages" in remedy
    installed["tensorrt"] = "11.4.0"
    status, text, remedy = by_name(facts(jetson, machine))["TensorRT"]
    assert status == "bad" and "11.4.0" in text and "uninstall" in remedy


def test_packages_that_do_not_fit_the_board_or_each_other(tmp_path, installed):
    """CUDA 13's binding on JetPack 6, and Torch-TensorRT beside PyPI's PyTorch for Arm."""
    installed.update({"cuda-bindings": "13.2.0", "torch_tensorrt": "2.8.0", "torch": "2.8.0+cpu"})
    jetson = board(tmp_path, "# R36 (release), REVISION: 4.4\n", {}, "MAXN", CUDA, 1020)
    found = by_name(facts(jetson, Machine(tensorrt=None, gpu=None, sm=None, l4t="36.4.4")))
    assert found["cuda-bindings"] == (
        "bad", "13.2.0 is not of CUDA 12.6.68", "pip install 'cuda-bindings==12.*'"
    )  # fmt: skip
    (tmp_path / "usr/local/cuda/version.json").unlink()  # as in an image with the runtime alone
    found = by_name(facts(jetson, Machine(tensorrt=None, gpu=None, sm=None, l4t="36.4.4")))
    assert found["cuda-bindings"][1] == "13.2.0 is not of CUDA 12"
    status, text, remedy = found["Torch-TensorRT"]
    assert status == "note" and "needs a PyTorch with CUDA" in text and "--index-url" in remedy


def test_a_container_without_the_gpu_is_told_to_be_started_with_it(tmp_path, installed):
    jetson = board(tmp_path, "# R36 (release), REVISION: 4.4\n", {}, "MAXN", CUDA, 1020)
    machine = Machine(tensorrt=None, gpu=None, sm=None, l4t="36.4.4")
    assert "sudo usermod" in by_name(facts(jetson, machine))["GPU"][2]
    (tmp_path / ".dockerenv").touch()
    assert "--runtime nvidia" in by_name(facts(jetson, machine))["GPU"][2]


def test_x86_without_a_gpu_needs_one_line(tmp_path, installed):
    machine = Machine(tensorrt=None, gpu=None, sm=None)
    (fact,) = facts(Jetson(tmp_path), machine)
    assert fact.status == "note" and "neither a Jetson nor an NVIDIA GPU" in fact.text


def test_every_bad_fact_says_what_mends_it(tmp_path, installed):
    jetson = board(tmp_path, "# R36 (release), REVISION: 4.4, GCID: 1\n", {}, "15W", (), 306)
    machine = Machine(tensorrt=None, gpu=None, sm=None, l4t="36.4.4")
    found = facts(jetson, machine)
    assert len(found) == 10
    assert all(fact.remedy for fact in found if fact.status != "good")
