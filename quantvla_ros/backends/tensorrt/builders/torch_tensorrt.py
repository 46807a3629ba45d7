# SPDX-License-Identifier: Apache-2.0
"""Builds by Torch-TensorRT: its lowering and converters make the network, and ours for Q/DQ."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from quantvla_ros.backends.graphs.program import output_names
from quantvla_ros.backends.tensorrt.builders.plan import Plan, Settings, build_network, new_log
from quantvla_ros.backends.tensorrt.library import tensorrt, version_numbers
from quantvla_ros.errors import BackendError

if TYPE_CHECKING:
    from torch.export import ExportedProgram

_ALWAYS_TYPED = (2, 11)
"""From here on networks are always strongly typed, and the options that ask for it are gone."""


def version() -> str:
    """Of Torch-TensorRT.

    Raises:
        BackendError: it cannot be imported; says why.
    """
    try:
        return str(importlib.import_module("torch_tensorrt").__version__)
    except Exception as error:  # it loads libraries, which fail in many ways
        raise BackendError(
            f"Torch-TensorRT cannot be imported ({type(error).__name__}: {error}); give "
            "`--builder onnx`, or install it as docs/how-to/build-engines.md says"
        ) from error


def build_plan(program: ExportedProgram, settings: Settings) -> Plan:
    """Build the plan of an exported graph; it becomes one engine whole or not at all.

    Raises:
        BackendError: an operator has no converter, or TensorRT could not; with the true error.
    """
    import torch

    from quantvla_ros.backends.tensorrt.builders.converters import add_converters

    found = version()
    add_converters()
    dynamo = importlib.import_module("torch_tensorrt.dynamo")
    options: dict[str, Any] = {}
    if version_numbers(found) < _ALWAYS_TYPED:
        options = {"use_explicit_typing": True, "enabled_precisions": {torch.float32}}
    built: list[Plan] = []
    errors: list[Exception] = []
    with _our_build(settings, output_names(program), built, errors):
        try:
            dynamo.convert_exported_program_to_serialized_trt_engine(
                program,
                arg_inputs=list(program.example_inputs[0]),
                require_full_compilation=True,
                min_block_size=1,
                disable_tf32=True,
                immutable_weights=True,
                **options,
            )
        except Exception as error:  # 2.8 hides the true one behind an UnboundLocalError
            errors.append(error)
    if not built or errors:
        first = errors[0] if errors else "no engine was built"
        raise BackendError(f"Torch-TensorRT {found} does not build the graph: {first}") from (
            errors[0] if errors else None
        )
    return built[0]


@contextmanager
def _our_build(
    settings: Settings, outputs: Sequence[str], built: list[Plan], errors: list[Exception]
) -> Iterator[None]:
    """Let Torch-TensorRT make networks, and build them as every builder here does.

    So plans of both builders have the same settings, names of linears, progress and log.
    """
    interpreter = importlib.import_module("torch_tensorrt.dynamo.conversion._TRTInterpreter")
    compiler = importlib.import_module("torch_tensorrt.dynamo._compiler")
    interpret, log = compiler.interpret_module_to_result, new_log(tensorrt())

    class Engine:
        """What newer versions serialize: the plan is taken from `built` instead."""

        def serialize(self) -> bytes:
            return b""

    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        self._construct_trt_network_def()
        for index, name in enumerate(outputs):  # it calls them "output0", "output1"
            self.ctx.net.get_output(index).name = name
        built.append(build_network(self.builder, self.ctx.net, log, settings))
        self.ctx.clear_cpu_weights_reference_holder()
        result = interpreter.TRTInterpreterResult
        values = {
            "serialized_engine": b"",
            "engine": Engine(),
            "input_names": self._input_names,
            "output_names": self._output_names,
        }
        return result(**{name: values.get(name) for name in result._fields})

    def interpret_and_tell(*args: Any, **kwargs: Any) -> Any:
        try:
            return interpret(*args, **kwargs)
        except Exception as error:
            errors.append(error)
            raise

    with (
        patch.object(interpreter, "TRT_LOGGER", log),
        patch.object(interpreter.TRTInterpreter, "run", run),
        patch.object(compiler, "interpret_module_to_result", interpret_and_tell),
    ):
        yield
