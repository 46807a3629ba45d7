# SPDX-License-Identifier: Apache-2.0
"""An exported graph as an ONNX file."""

from __future__ import annotations

from pathlib import Path

from torch.export import ExportedProgram

OPSET = 20
"""The newest that the oldest TensorRT here (10.3) takes whole."""


def write_onnx(program: ExportedProgram, path: Path) -> None:
    """Write a graph of `export_graphs` with explicit Q/DQ, whole or not at all.

    Inputs and outputs bear the names of the graph's.
    """
    raise NotImplementedError
