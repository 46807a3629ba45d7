# SPDX-License-Identifier: Apache-2.0
"""Proves that OpenVINO multiplies each integer layer exactly on this processor.

Without VNNI its kernels add pairs of products in 16 bits, which saturate: the numbers are wrong and
nothing says so. So each layer alone, as it stands in the graphs, is compared with int64 arithmetic
on inputs that push its sums to their ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.backends.openvino.compiling import DEVICE, settings
from quantvla_ros.backends.openvino.signal_stack import own_signal_stack
from quantvla_ros.errors import BackendError
from quantvla_ros.processor import cpu_kind
from quantvla_ros.quantization.quantized_linear import QuantizedLinear

LOWEST, HIGHEST = -128, 127
ROWS = 16
"""Tokens of a proof: enough for the kernels that policies run."""
_BATCH_BYTES = 64e6
_ULPS = 6 * 2.0**-24
"""Roundings of a sum: to float32, its scales, their products, and the graph's own order of them."""


def prove(layers: Mapping[str, QuantizedLinear]) -> None:
    """Compare every layer with int64 arithmetic.

    Raises:
        BackendError: names the first layer that is not exact, and what is.
    """
    for batch in _batches(layers):
        _prove_batch(batch)


def _batches(layers: Mapping[str, QuantizedLinear]) -> Iterator[dict[str, QuantizedLinear]]:
    """Layers to compile at once: few compilations, and not all weights twice in memory."""
    batch: dict[str, QuantizedLinear] = {}
    for name, layer in layers.items():
        batch[name] = layer
        if sum(one.weight.nbytes for one in batch.values()) >= _BATCH_BYTES:
            yield batch
            batch = {}
    if batch:
        yield batch


@own_signal_stack()
def _prove_batch(layers: Mapping[str, QuantizedLinear]) -> None:
    import openvino

    core = openvino.Core()
    model = core.read_model(_alone(list(layers.values())))
    compiled = core.compile_model(model, DEVICE, settings(threads=1))
    grids = [extremes(layer.codes().numpy()) for layer in layers.values()]
    steps = [np.float32(_step(layer)) for layer in layers.values()]
    pairs = enumerate(zip(grids, steps, strict=True))
    found = compiled({f"{i}_x": grid.astype(np.float32) * step for i, (grid, step) in pairs})
    for i, (name, layer) in enumerate(layers.items()):
        codes, scale = layer.codes().numpy(), layer.scale[:, 0].numpy() * steps[i]
        if not is_exact(found[f"{i}_y"], grids[i], codes, scale):
            raise BackendError(
                f"OpenVINO does not multiply the integers of layer '{name}' exactly on this "
                f"processor ({cpu_kind()}; without VNNI its sums of pairs saturate in silence); "
                "run the bundle on the backend 'cpu', or a float bundle here"
            )


def _step(layer: QuantizedLinear) -> float:
    assert layer.activation_scale is not None  # other layers are refused before
    return float(layer.activation_scale)


def extremes(codes: NDArray[np.int8]) -> NDArray[np.int64]:
    """Inputs [ROWS, in] on the grid that push sums of `codes` [out, in] to their ends.

    All at either end, at the ends by the signs of some outputs' weights, and at random ends.
    """
    random = np.random.default_rng(0).choice([LOWEST, HIGHEST], (ROWS, codes.shape[1]))
    random[0], random[1] = HIGHEST, LOWEST
    some = codes[np.linspace(0, len(codes) - 1, 6, dtype=int)]
    random[2:8] = np.where(some >= 0, HIGHEST, LOWEST)
    return random.astype(np.int64)


def is_exact(
    found: NDArray[np.float32],
    grid: NDArray[np.int64],
    codes: NDArray[np.int8],
    scale: NDArray[np.float32],
) -> bool:
    """Whether a product [tokens, out] is that of integers but for roundings to float32."""
    # float64 holds these sums of integers exactly, and multiplies them quickly.
    expected = (grid.astype(np.float64) @ codes.astype(np.float64).T) * scale
    return bool((np.abs(found - expected) <= _ULPS * np.abs(expected)).all())


def _alone(layers: Sequence[QuantizedLinear]) -> bytes:
    """A graph in which each layer has its own input; a serialized ONNX model.

    The operators are those of `onnx_file`.
    """
    from onnx import TensorProto, helper, numpy_helper

    nodes, inputs, outputs, constants = [], [], [], []
    for i, layer in enumerate(layers):
        rows, columns = layer.codes().shape
        values = {
            "codes": layer.codes().numpy(),
            "scale": layer.scale[:, 0].numpy(),
            "step": np.float32(_step(layer)),
            "zero": np.int8(0),
        }
        constants += [
            numpy_helper.from_array(np.asarray(v), f"{i}_{name}") for name, v in values.items()
        ]
        operators: list[tuple[str, str, str, dict[str, Any]]] = [
            ("QuantizeLinear", "x step zero", "integers", {}),
            ("DequantizeLinear", "integers step zero", "grid", {}),
            ("DequantizeLinear", "codes scale", "weight", {"axis": 0}),
            ("Transpose", "weight", "turned", {"perm": [1, 0]}),
            ("MatMul", "grid turned", "y", {}),
        ]
        for kind, takes, gives, options in operators:
            names = [f"{i}_{name}" for name in takes.split()]
            nodes.append(helper.make_node(kind, names, [f"{i}_{gives}"], **options))
        float32 = TensorProto.FLOAT
        inputs.append(helper.make_tensor_value_info(f"{i}_x", float32, [ROWS, columns]))
        outputs.append(helper.make_tensor_value_info(f"{i}_y", float32, [ROWS, rows]))
    graph = helper.make_graph(nodes, "layers", inputs, outputs, constants)
    opset = helper.make_opsetid("", 20)
    made: bytes = helper.make_model(graph, opset_imports=[opset]).SerializeToString()
    return made
