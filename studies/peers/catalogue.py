# SPDX-License-Identifier: Apache-2.0
"""What is compared: runtimes and bundles."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    """A way to run the policy.

    Attributes:
        key: names it in records and on the command line.
        label: names it in tables.
        bundle: "float", "static", "w8a8" or "w4a8".
        backend: name in the registry.
        quantized_by: "" for float; who chose the integers.
    """

    key: str
    label: str
    bundle: str
    backend: str
    quantized_by: str = ""

    @property
    def float(self) -> bool:
        """Whether it computes in float32; bfloat16 is no float that INT8 is measured against."""
        return not self.quantized_by


OURS, THEIRS = "this package", "the runtime"
PEERS = (
    Peer("ours_float", "this package, float", "float", "cpu"),
    Peer("ort_float", "onnxruntime, float32", "float", "ort_float"),
    Peer("ov_float", "OpenVINO, float32", "float", "openvino"),
    Peer("ours_w8a8", "**this package, w8a8**, dynamic per token", "w8a8", "cpu", OURS),
    Peer("ours_w4a8", "**this package, w4a8**, dynamic per token", "w4a8", "cpu", OURS),
    Peer("ov_static", "**backend `openvino`**: our static Q/DQ", "static", "openvino", OURS),
    Peer("ort_static", "onnxruntime, the same Q/DQ", "static", "ort_qdq", OURS),
    Peer("ov_bf16", "OpenVINO, bfloat16 where it likes", "float", "ov_bf16", THEIRS),
    Peer("nncf_ptq", "OpenVINO, NNCF post-training: all INT8", "float", "nncf_ptq", THEIRS),
    Peer("nncf_groups", "OpenVINO, NNCF INT8 weights, dynamic groups of 32", "float",
         "nncf_groups", THEIRS),
    Peer("ort_dynamic", "onnxruntime, dynamic INT8 of all products", "float", "ort_dynamic",
         THEIRS),
)  # fmt: skip
LARGE = ("ours_float", "ort_float", "ov_float", "ours_w8a8", "ours_w4a8", "ov_static")
"""What a network of hundreds of millions of parameters is run by: it has no calibration data."""
NO_LIMIT = ("ort_float", "ort_static", "ort_dynamic")
"""onnxruntime cannot be told to do without units that the processor has."""
LIMITED = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
}
"""Variables that make PyTorch, our kernels and OpenVINO take a processor for one without VNNI."""
