# SPDX-License-Identifier: Apache-2.0
"""What every transform is: fitted on observed inputs, then folded into the network.

Some transforms leave an operation on a layer's input (an online rotation). Such a layer becomes a
`TransformedLinear`: still an ``nn.Linear`` by name and shape, with its weight in the transformed
frame. Observers and rounding must use `seen_input`, not the module's own input.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from torch import Tensor, nn

if TYPE_CHECKING:
    from typing_extensions import Self

    from quantvla_ros.quantization.observe import InputStatistics


class Transform(Protocol):
    """A change of the network's inner frame that does not change what it computes."""

    def fit(self, network: nn.Module, statistics: Mapping[str, InputStatistics]) -> None:
        """Choose the transform from the inputs of the layers that will be quantized.

        Args:
            network: the float network in the state in which it was observed.
            statistics: by layer name.
        """

    def fold(self, network: nn.Module) -> None:
        """Change the network in place; its outputs stay the same to float rounding.

        Raises:
            QuantVLAError: it does not fold into this network; the sentence says why.
        """


class TransformedLinear(nn.Linear):
    """A linear whose input passes an orthonormal transform that could not be folded away."""

    @classmethod
    def like(cls, linear: nn.Linear) -> Self:
        """A layer of the same shape, kind of number and device, with its own bias copied."""
        weight, bias = linear.weight, linear.bias
        out = cls(
            linear.in_features,
            linear.out_features,
            bias=bias is not None,
            device=weight.device,
            dtype=weight.dtype,
        )
        if bias is not None:
            out.bias.data.copy_(bias)
        return out.requires_grad_(weight.requires_grad).train(linear.training)

    def transform(self, x: Tensor) -> Tensor:
        """The input [..., in] as the weight sees it."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., in] to [..., out]."""
        return super().forward(self.transform(x))


def seen_input(layer: nn.Module, x: Tensor) -> Tensor:
    """What the weight of `layer` is multiplied with when the layer is given `x` [..., in]."""
    return layer.transform(x) if isinstance(layer, TransformedLinear) else x
