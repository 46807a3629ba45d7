# SPDX-License-Identifier: Apache-2.0
"""Builds by TensorRT's ONNX parser: where Torch-TensorRT has no release, as on JetPack 7.2."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from quantvla_ros.backends.tensorrt.builders.plan import Plan, Settings, build_network, new_log
from quantvla_ros.backends.tensorrt.library import tensorrt
from quantvla_ros.errors import BackendError

if TYPE_CHECKING:
    from torch.export import ExportedProgram


def version() -> str:
    """Of the parser, which is TensorRT's own.

    Raises:
        BackendError: the packages that write ONNX files are missing.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise BackendError(
            f"the builder 'onnx' writes ONNX files and that package is missing ({error}); "
            "`pip install onnx onnxscript`, or give `--builder torch_tensorrt`"
        ) from error
    return str(tensorrt().__version__)


def build_plan(program: ExportedProgram, settings: Settings) -> Plan:
    """Build the plan of an exported graph.

    Raises:
        BackendError: the parser or the builder could not.
    """
    from quantvla_ros.backends.graphs.onnx_file import write_onnx

    with tempfile.TemporaryDirectory(prefix="quantvla-onnx-") as folder:
        path = Path(folder) / "graph.onnx"
        write_onnx(program, path)
        return build_file(path, settings)


def build_file(path: Path, settings: Settings) -> Plan:
    """Build the plan of an ONNX file.

    Raises:
        BackendError: the file is of a newer opset, or see `build_plan`.
    """
    check_opset(path)
    trt = tensorrt()
    log = new_log(trt)
    builder = trt.Builder(log)
    strongly_typed = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(strongly_typed)
    parser = trt.OnnxParser(network, log)
    if not parser.parse_from_file(str(path)):
        first = parser.get_error(0).desc() if parser.num_errors else log.error
        raise BackendError(f"TensorRT's ONNX parser does not take the graph: {first}")
    return build_network(builder, network, log, settings)


def check_opset(path: Path) -> None:
    """Refuse a file whose operators are newer than TensorRT's parser knows.

    Raises:
        BackendError: names both.
    """
    import onnx

    from quantvla_ros.backends.graphs.onnx_file import OPSET

    model = onnx.load(str(path), load_external_data=False)
    opset = max(one.version for one in model.opset_import if one.domain in ("", "ai.onnx"))
    if opset > OPSET:
        raise BackendError(
            f"'{path.name}' is of ONNX opset {opset} and TensorRT's parser takes {OPSET}; write "
            f"it again with opset {OPSET}"
        )
