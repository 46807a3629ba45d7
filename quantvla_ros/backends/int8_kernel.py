# SPDX-License-Identifier: Apache-2.0
"""Choose an integer kernel that is exact on this CPU, prove it, and offer it as an operator.

The activation grid (7 or 8 bits) is a property of the bundle, so a bundle gives the same integers
on every CPU that can run it. A kernel is proved against int64 arithmetic whenever a layer is
packed.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from quantvla_ros.backends.avx2_kernel import Avx2Weight, load_kernel
from quantvla_ros.backends.onednn_kernel import OneDnnWeight
from quantvla_ros.errors import BackendError
from quantvla_ros.quantization.integer_linear import activation_limit


class PackedWeight(Protocol):
    """Weights of a kernel; multiplies float activations with dynamic quantization per token."""

    name: str
    rows: int

    @property
    def held_bytes(self) -> int:
        """Bytes of the tensors held."""
        ...

    def apply(self, x: Tensor) -> Tensor:
        """Map float [M, in] to float [M, out]."""
        ...


def has_vnni() -> bool:
    """True when the CPU multiplies and adds int8 in 32 bits."""
    return bool(torch.cpu._is_vnni_supported())


def native_activation_bits() -> int:
    """Widest activation grid that is exact on this CPU."""
    return 8 if has_vnni() else 7


def pack(weight: Tensor, scale: Tensor, bits: int) -> PackedWeight:
    """Pack weights for the fastest exact kernel of this CPU.

    Args:
        weight: int8 [out, in].
        scale: float32 [out].
        bits: activation grid of the bundle, 7 or 8.

    Raises:
        BackendError: no kernel here multiplies this grid exactly.
    """
    packed: PackedWeight = OneDnnWeight(weight, scale, bits)
    # The AVX2 kernel runs on one thread; oneDNN spreads over several.
    kernel = load_kernel() if bits == 7 and not has_vnni() else None
    if kernel is not None and torch.get_num_threads() == 1:
        packed = Avx2Weight(kernel, weight, scale)
    if not _is_exact(packed, weight, scale, bits):
        raise BackendError(
            f"this CPU does not multiply {bits}-bit activations exactly (no VNNI); "
            "quantize the bundle again on this machine"
        )
    return packed


def _is_exact(packed: PackedWeight, weight: Tensor, scale: Tensor, bits: int) -> bool:
    """Compare with int64 arithmetic on the largest inputs that the grid allows."""
    limit, columns = activation_limit(bits), weight.shape[1]
    # Rows that push the pair sums to their extremes: all at the limit, and each activation at the
    # limit with the sign of a weight row. Their scale is 1, so the grid is the input itself.
    signs = torch.where(weight[:2] >= 0, 1, -1).long() * limit
    x = torch.cat([torch.full((1, columns), limit), torch.full((1, columns), -limit), signs])
    exact = (x @ weight.long().T).double() * scale.double()
    error = (packed.apply(x.float()).double() - exact).abs()
    # One rounding of the accumulator to float32 and one of the product with the scale.
    return bool((error <= exact.abs() * 2.0**-22).all())


# A compiled graph cannot hold a packed weight, so it holds an index into this list. The operator
# is registered without autograd: inference only, and several times less call overhead.
_PACKED: list[PackedWeight] = []
_LIBRARY = torch.library.Library("quantvla", "DEF")
_LIBRARY.define("int8_linear(Tensor x, int handle) -> Tensor")


def _int8_linear(x: Tensor, handle: int) -> Tensor:
    return _PACKED[handle].apply(x)


def _int8_linear_meta(x: Tensor, handle: int) -> Tensor:
    return x.new_empty((x.shape[0], _PACKED[handle].rows), dtype=torch.float32)


_LIBRARY.impl("int8_linear", _int8_linear, "CPU")
_LIBRARY.impl("int8_linear", _int8_linear_meta, "Meta")


def register(packed: PackedWeight) -> int:
    """Keep a packed weight for the life of the process; returns its handle."""
    _PACKED.append(packed)
    return len(_PACKED) - 1


def multiply(x: Tensor, handle: int) -> Tensor:
    """`PackedWeight.apply` as an operator that compiled graphs call."""
    out: Tensor = torch.ops.quantvla.int8_linear(x, handle)
    return out
