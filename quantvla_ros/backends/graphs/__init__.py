# SPDX-License-Identifier: Apache-2.0
"""A network as two exported graphs with explicit Q/DQ, and these as ONNX files."""
