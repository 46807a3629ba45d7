# SPDX-License-Identifier: Apache-2.0
"""An exported graph as an ONNX file; weights too large for it lie in a second one beside it."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from quantvla_ros.backends.graphs import operators
from quantvla_ros.backends.graphs.program import output_names, weight_bytes

if TYPE_CHECKING:
    from torch.export import ExportedProgram

OPSET = 20
"""The newest that the oldest TensorRT here (10.3) takes whole."""
ONE_FILE = 1.8e9
"""Bytes of weights up to which all is one file: protobuf's messages end at 2 GiB."""


def write_onnx(program: ExportedProgram, path: Path) -> None:
    """Write a graph of `export_graphs` with explicit Q/DQ, whole or not at all.

    Inputs and outputs bear the names of the graph's. Weights of more than `ONE_FILE` bytes lie
    beside `path` in a file of its name and ".data", from which every reader of ONNX takes them.
    """
    import onnx

    apart = weight_bytes(program) > ONE_FILE
    # A folder of its own, for the graph holds the name of the file that its weights lie in.
    # The exporter tells users of a package that it lacks, and which no graph of ours needs.
    logging.getLogger("torch.onnx._internal.exporter").setLevel(logging.ERROR)
    folder = tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent)
    with folder as name, warnings.catch_warnings():
        draft = Path(name) / path.name
        warnings.simplefilter("ignore")  # of the exporter, about itself
        made = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=OPSET,
            output_names=output_names(program),
            custom_translation_table=_translations(),
            external_data=False,
            verbose=False,
        )
        assert made is not None
        made.save(str(draft), external_data=apart)
        # Not the full check: it knows convolutions of bfloat16 from opset 22 on, TensorRT from 8.
        onnx.checker.check_model(str(draft))
        if apart:
            os.replace(data_file(draft), data_file(path))  # before the graph that asks for it
        else:
            data_file(path).unlink(missing_ok=True)
        os.replace(draft, path)


def data_file(path: Path) -> Path:
    """Where the weights of a graph lie if they are not in its own file."""
    return path.with_name(f"{path.name}.data")


def _translations() -> dict[Any, Any]:
    """Our operators in ONNX's: Q and DQ in float32 around the integers, and casts outside.

    A scale of a weight is a vector along axis 0: TensorRT-RTX's parser would take another shape in
    silence. Q gets a zero point, for its type is that of the integers.
    """
    import onnx
    from onnxscript import opset20 as op

    kinds = onnx.TensorProto

    def fake_int8_to_onnx(x: Any, scale: float) -> Any:
        step = op.Constant(value=onnx.helper.make_tensor("step", kinds.FLOAT, [], [scale]))
        zero = op.Constant(value=onnx.helper.make_tensor("zero", kinds.INT8, [], [0]))
        grid = op.QuantizeLinear(op.Cast(x, to=kinds.FLOAT), step, zero)
        return op.CastLike(op.DequantizeLinear(grid, step), x)

    def int8_weight_to_onnx(codes: Any, scale: Any, dtype: int) -> Any:
        return op.Cast(op.DequantizeLinear(codes, scale, axis=0), to=dtype)

    ours = torch.ops.quantvla
    assert operators.fake_int8 is not None  # the module defines both operators
    return {
        ours.fake_int8.default: fake_int8_to_onnx,
        ours.int8_weight.default: int8_weight_to_onnx,
    }
