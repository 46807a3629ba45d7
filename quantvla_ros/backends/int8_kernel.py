# SPDX-License-Identifier: Apache-2.0
"""Integer matrix product on x86 CPUs through oneDNN.

oneDNN multiplies unsigned activations with signed weights. On a CPU without VNNI it adds pairs of
products in 16 bits, which saturates silently for 8-bit activations: 2 * 255 * 127 does not fit.
With activations on the 7-bit grid (1..127 after the shift) a pair is at most 2 * 127 * 127 = 32258
and every sum is exact. So the grid is a property of the bundle, and the product is proved exact
against int64 arithmetic when a layer is packed.
"""

from __future__ import annotations

import torch
from torch import Tensor

from quantvla_ros.errors import BackendError
from quantvla_ros.quantization.integer_linear import activation_limit


def has_vnni() -> bool:
    """True when the CPU multiplies and adds int8 in 32 bits."""
    return bool(torch.cpu._is_vnni_supported())


def native_activation_bits() -> int:
    """Widest activation grid that is exact on this CPU."""
    return 8 if has_vnni() else 7


def kernel_name(bits: int) -> str:
    """What runs here, for records and fingerprints."""
    return f"onednn u8s8 {'vnni' if has_vnni() else 'avx2'}, {bits}-bit activations"


class PackedWeight:
    """int8 weights in oneDNN's layout with their scales."""

    def __init__(self, weight: Tensor, scale: Tensor, bits: int) -> None:
        """Pack and prove.

        Args:
            weight: int8 [out, in].
            scale: float32 [out].
            bits: activation grid, 7 or 8.

        Raises:
            BackendError: this CPU does not multiply the layer exactly.
        """
        self.rows = weight.shape[0]
        self.zero_point = activation_limit(bits) + 1
        self._weight = torch.ops.onednn.qlinear_prepack(weight.contiguous(), None)
        self._scale = scale.clone()
        self._zero = torch.zeros(self.rows, dtype=torch.int32)
        self._bytes = weight.numel() + self._scale.nbytes + self._zero.nbytes
        self._prove_exact(weight, bits)

    @property
    def held_bytes(self) -> int:
        """Bytes held; one a weight, as oneDNN tensors tell no storage size."""
        return self._bytes

    def multiply(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        """Product of shifted uint8 activations [M, in] and the weights, times their scales."""
        out: Tensor = torch.ops.onednn.qlinear_pointwise(
            x, 1.0, self.zero_point, self._weight, self._scale if scale is None else scale,
            self._zero, None, 1.0, 0, torch.float32, "none", [], "",
        )
        return out

    def _prove_exact(self, weight: Tensor, bits: int) -> None:
        """Compare with int64 arithmetic on the largest inputs that the grid allows."""
        limit, columns = activation_limit(bits), weight.shape[1]
        # Rows that push the pair sums to their extremes: all at the limit, and each activation at
        # the limit with the sign of a weight row.
        signs = torch.where(weight[:2] >= 0, 1, -1).long() * limit
        x = torch.cat([torch.full((1, columns), limit), torch.full((1, columns), -limit), signs])
        exact = x @ weight.long().T
        got = self.multiply((x + self.zero_point).to(torch.uint8), torch.ones(self.rows)).double()
        # float32 holds integers exactly up to 2^24; beyond, its own rounding is allowed.
        if ((got - exact).abs() > exact.abs() * 2.0**-23).any():
            raise BackendError(
                f"this CPU does not multiply {bits}-bit activations exactly (no VNNI); "
                "quantize the bundle again on this machine"
            )


# A compiled graph cannot hold a packed weight, so it holds an index into this list. The operator
# is registered without autograd: inference only, and several times less call overhead.
_PACKED: list[PackedWeight] = []
_LIBRARY = torch.library.Library("quantvla", "DEF")
_LIBRARY.define("int8_linear(Tensor x, int handle) -> Tensor")


def _int8_linear(x: Tensor, handle: int) -> Tensor:
    return _PACKED[handle].multiply(x)


def _int8_linear_meta(x: Tensor, handle: int) -> Tensor:
    return x.new_empty((x.shape[0], _PACKED[handle].rows), dtype=torch.float32)


_LIBRARY.impl("int8_linear", _int8_linear, "CPU")
_LIBRARY.impl("int8_linear", _int8_linear_meta, "Meta")


def register(packed: PackedWeight) -> int:
    """Keep a packed weight for the life of the process; returns its handle."""
    _PACKED.append(packed)
    return len(_PACKED) - 1


def multiply(x: Tensor, handle: int) -> Tensor:
    """`PackedWeight.multiply` as an operator that compiled graphs call."""
    out: Tensor = torch.ops.quantvla.int8_linear(x, handle)
    return out
