# SPDX-License-Identifier: Apache-2.0
"""A TensorRT engine's graphs with their Q/DQ, played by onnxruntime on a CPU."""
