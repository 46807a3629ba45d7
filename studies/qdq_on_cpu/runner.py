# SPDX-License-Identifier: Apache-2.0
"""Two ONNX files as a network that is ready to run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from quantvla_ros.backends.runner import NetworkRunner
from quantvla_ros.models.family import Network
from quantvla_ros.models.graphs import NOISY_CHUNK, VELOCITY, Graphs


class OnnxRunner(NetworkRunner):
    """Runs context and step by onnxruntime (see `Runner`); bytes are those of the network."""

    def __init__(self, network: Network, graphs: Graphs, context: Path, step: Path) -> None:
        """Load the files; what onnxruntime could fuse stays as it is written."""
        super().__init__(network, "onnxruntime Q/DQ")
        self._graphs = graphs
        self._context, self._step = session(context), session(step)
        self._constants: dict[float, dict[str, Tensor]] = {}

    def encode(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `Runner`."""
        host = self._graphs.host(inputs)
        return {**host.step, **run(self._context, host.context)}

    def velocity(self, x_t: Tensor, time: float, context: dict[str, Tensor]) -> Tensor:
        """See `Runner`."""
        if time not in self._constants:
            self._constants[time] = self._graphs.time(torch.tensor([time]))
        given = {NOISY_CHUNK: x_t, **self._constants[time], **context}
        return run(self._step, given)[VELOCITY]


def session(path: Path) -> Any:
    """An ONNX file on one thread, not optimized."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run(loaded: Any, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """All outputs by name; only what the file takes is given to it."""
    names = [one.name for one in loaded.get_inputs()]
    found = loaded.run(None, {name: given[name].numpy() for name in names})
    outputs = (one.name for one in loaded.get_outputs())
    return {name: torch.from_numpy(value) for name, value in zip(outputs, found, strict=True)}
