# SPDX-License-Identifier: Apache-2.0
"""Rounding one layer after the other with little memory beside the float network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.build import empty_network, load_weights
from quantvla_ros.models.family import Network, Stage
from quantvla_ros.models.stored import widen
from quantvla_ros.quantization.modules import linear_at, replace_module
from quantvla_ros.quantization.observe import InputStatistics
from quantvla_ros.quantization.quantized_linear import QuantizedLinear
from quantvla_ros.quantization.rounding.clip_search import round_clipped
from quantvla_ros.quantization.rounding.codes import Codes, dequantize
from quantvla_ros.quantization.rounding.gptq import round_gptq
from quantvla_ros.quantization.rounding.nearest import round_nearest
from quantvla_ros.quantization.schemes import Precision
from quantvla_ros.quantization.transforms.hadamard import hadamard
from quantvla_ros.quantization.transforms.rotation import RotatedLinear

HESSIAN_SHARE = 0.1  # of the float32 network's bytes: what all Hessians in memory may take
WIDENED_BYTES = 500_000_000
"""What a network may take in float32 to be held so while it is quantized: that is faster."""

Round = Callable[[Tensor, Precision, "InputStatistics | None"], Codes]


def load_on_tensors(manifest: BundleManifest, tensors: dict[str, Tensor]) -> Network:
    """The float network of a bundle on the very tensors given.

    They are widened to float32 one by one, unless that takes more than `WIDENED_BYTES`: weights
    of such a network stay 16 bits wide, mapped from the file, and each is widened for its products
    and when it is transformed or rounded. That costs time and no numbers.

    Args:
        manifest: of the bundle.
        tensors: of the bundle; emptied, so that no narrow weight outlives its wide one.

    Raises:
        BundleError: a tensor is missing, too many, or of another shape or type; or no
            architecture.
    """
    network = empty_network(manifest)
    load_weights(network, tensors)
    tensors.clear()
    if is_held_wide(network):
        widen(network)
    return network


def is_held_wide(network: nn.Module) -> bool:
    """Whether `load_on_tensors` makes this network float32."""
    return 4 * weight_count(network) <= WIDENED_BYTES


def weight_count(network: nn.Module) -> int:
    """Numbers in all parameters."""
    return sum(p.numel() for p in network.parameters())


def batches(
    network: nn.Module, names: Sequence[str], limit: float, stage: Callable[[str], Stage]
) -> list[list[str]]:
    """Consecutive layers of one stage whose Hessians stay below `limit` bytes, at least one each.

    Args:
        network: where the layers are.
        names: of the layers.
        limit: bytes of all Hessians of a batch together.
        stage: of a layer, see `Family.stage`.
    """
    out: list[list[str]] = []
    used = 0.0
    for name in names:
        need = 4.0 * linear_at(network, name).in_features ** 2
        if not out or used + need > limit or stage(name) != stage(out[-1][0]):
            out.append([])
            used = 0.0
        out[-1].append(name)
        used += need
    return out


def _nearest(weight: Tensor, precision: Precision, _: InputStatistics | None) -> Codes:
    return round_nearest(weight, precision.weight_bits, precision.group)


def _clip(weight: Tensor, precision: Precision, seen: InputStatistics | None) -> Codes:
    importance = None if seen is None else seen.mean_square
    return round_clipped(weight, precision.weight_bits, precision.group, importance)


def _gptq(weight: Tensor, precision: Precision, seen: InputStatistics | None) -> Codes:
    assert seen is not None and seen.hessian is not None
    prepared = seen.compensation()
    return round_gptq(weight, precision.weight_bits, seen.hessian, precision.group, prepared)


ROUNDINGS: dict[str, Round] = {"rtn": _nearest, "clip": _clip, "gptq": _gptq}


def rounding_used(seen: InputStatistics | None, rounding: str) -> str:
    """The rounding that `round_layer` really takes: "clip" where GPTQ has nothing to go by."""
    return "clip" if rounding == "gptq" and (seen is None or seen.hessian is None) else rounding


def round_layer(
    name: str, linear: nn.Linear, precision: Precision, seen: InputStatistics | None, rounding: str
) -> Codes:
    """Round one layer's weight.

    Args:
        name: of the layer, for errors.
        linear: its weight is in the frame of the observed input.
        precision: bits and group.
        seen: its input; None for a layer that no action depends on, whose weight is then rounded
            for its own sake.
        rounding: a key of `ROUNDINGS`; see `rounding_used`.

    Raises:
        QuantVLAError: the weight cannot be rounded; the sentence names the layer.
    """
    try:
        return ROUNDINGS[rounding_used(seen, rounding)](
            linear.weight.detach().float(), precision, seen
        )
    except QuantVLAError as error:
        raise QuantVLAError(f"layer '{name}' cannot be quantized: {error}") from error


@dataclass(frozen=True)
class RoundingError:
    """Relative squared errors of a rounded layer.

    Attributes:
        weight: of the weight.
        output: of the output on the observed inputs; None without observations. Without a Hessian
            the columns of the input are taken as uncorrelated.
    """

    weight: float
    output: float | None


def rounding_error(linear: nn.Linear, codes: Codes, seen: InputStatistics | None) -> RoundingError:
    """Measure what the rounding of one layer lost."""
    weight = linear.weight.detach().float()
    lost = dequantize(codes) - weight

    def power(matrix: Tensor) -> float:
        assert seen is not None
        if seen.hessian is None:
            return float((matrix.square() @ seen.mean_square).sum())
        return float(((matrix @ seen.hessian) * matrix).sum())

    output = None if seen is None else power(lost) / max(power(weight), 1e-30)
    total = max(float(weight.square().sum()), 1e-30)
    return RoundingError(float(lost.square().sum()) / total, output)


def quantized(
    linear: nn.Linear,
    codes: Codes,
    precision: Precision,
    activation_bits: int,
    activation_scale: Tensor | None,
) -> QuantizedLinear:
    """The layer that takes the place of `linear`; an online rotation goes along."""
    rotation = linear.rotation if isinstance(linear, RotatedLinear) else None
    return QuantizedLinear.from_codes(
        codes, linear.bias, precision, activation_bits, activation_scale, rotation
    )


def unrotate_float_layers(network: nn.Module) -> None:
    """Turn rotated layers that stayed float back into plain ones, in place."""
    for name, layer in list(network.named_modules()):
        if isinstance(layer, RotatedLinear):
            plain = nn.Linear(
                layer.in_features, layer.out_features, layer.bias is not None, device="meta"
            )
            plain.weight = nn.Parameter(
                hadamard(layer.weight.double(), layer.rotation).float(), requires_grad=False
            )
            plain.bias = layer.bias
            replace_module(network, name, plain)
