# SPDX-License-Identifier: Apache-2.0
"""Choose a kernel that is exact on this CPU, and prove it.

The activation grid (7 or 8 bits) is a property of the bundle, so a bundle gives the same integers
on every CPU that can run it. A kernel is proved against int64 arithmetic whenever a layer is
packed.
"""

from __future__ import annotations

import platform

import torch
from torch import Tensor

from quantvla_ros.backends.cpu.c_float import CFloat
from quantvla_ros.backends.cpu.c_int4 import CInt4
from quantvla_ros.backends.cpu.c_int8 import CInt8
from quantvla_ros.backends.cpu.c_library import adds_in_32_bits, load_library
from quantvla_ros.backends.cpu.onednn_int8 import OneDnnInt8
from quantvla_ros.backends.cpu.packed_weight import PackedWeight, Product
from quantvla_ros.backends.cpu.torch_product import TorchProduct
from quantvla_ros.errors import BackendError
from quantvla_ros.processor import ARM
from quantvla_ros.quantization.schemes import Precision

PROBED = 32  # inputs that are not zero in a token of the proof of float activations


def native_activation_bits(*precisions: Precision) -> int:
    """Widest activation grid that this CPU multiplies exactly with all these weights.

    On x86 without VNNI 8-bit weights leave room for 7-bit activations; 4-bit weights for 8 bits.
    """
    wide = any(p.weight_bits == 8 and p.activation != "float" for p in precisions)
    return 7 if wide and not adds_in_32_bits() else 8


def pack(product: Product) -> PackedWeight:
    """Pack weights for the fastest exact kernel of this CPU.

    Raises:
        BackendError: no kernel here multiplies this form exactly.
    """
    packed = _choose(product)
    if not _is_exact(packed, product):
        form = product.precision
        bits = "float" if form.activation == "float" else f"{product.activation_bits}-bit"
        raise BackendError(
            f"this CPU does not multiply {bits} activations with {form.weight_bits}-bit weights "
            "exactly; quantize the bundle again on this machine"
        )
    return packed


def _choose(product: Product) -> PackedWeight:
    library, precision = load_library(), product.precision
    if precision.activation == "float" or precision.packed:
        if library is None:
            return TorchProduct(product)
        kernel = CFloat if precision.activation == "float" else CInt4
        return kernel(library, product)
    if platform.machine() == ARM:
        return TorchProduct(product) if library is None else CInt8(library, product)
    # Our kernel runs on one thread; oneDNN, exact on x86 alone, spreads over several.
    alone = torch.get_num_threads() == 1 and (product.activation_bits == 7 or adds_in_32_bits())
    return CInt8(library, product) if library is not None and alone else OneDnnInt8(product)


def _is_exact(packed: PackedWeight, product: Product) -> bool:
    """Compare with int64 arithmetic on the largest inputs that the grid allows."""
    weight_only = product.precision.activation == "float"
    grid = _sparse(product) if weight_only else _extremes(product)
    groups, step = product.scales.shape[1], product.step or 1.0
    terms = _group_sums(grid, product.codes, groups) * product.scales.double() * step
    error = (packed.apply(grid.float() * step).double() - terms.sum(dim=2)).abs()
    if weight_only:
        # Every product rounds, and every addition that is not one of zero.
        size = _group_sums(grid.abs(), product.codes.abs(), groups) * product.scales.double()
        return bool((error <= size.sum(dim=2) * (PROBED + 4) * 2.0**-24).all())
    # Roundings to float32: the sum of a group, its products with scale and step, their addition.
    return bool((error <= terms.abs().sum(dim=2) * (groups + 4) * 2.0**-24).all())


def _group_sums(grid: Tensor, codes: Tensor, groups: int) -> Tensor:
    """Sums of products in int64, as float64 [tokens, out, groups]."""
    apart = codes.long().unflatten(1, (groups, -1))
    return torch.einsum("tgk,ogk->tog", grid.unflatten(1, (groups, -1)), apart).double()


def _extremes(product: Product) -> Tensor:
    """Integers [4, in] that push sums to their ends, each with a value at the grid's limit.

    All at the limit, and each activation at the limit with the sign of a weight row. With a step
    per token the largest value makes the step 1, so that the grid is the input itself.
    """
    limit, columns = product.limit, product.columns
    signs = torch.where(product.codes[:2] >= 0, 1, -1).long() * limit
    return torch.cat([torch.full((1, columns), limit), torch.full((1, columns), -limit), signs])


def _sparse(product: Product) -> Tensor:
    """Integers [n, in] with few that are not zero in a token and one for each column in all."""
    tokens = -(-product.columns // PROBED)
    grid = torch.zeros(tokens, product.columns, dtype=torch.int64)
    for token in range(tokens):
        grid[token, token::tokens] = product.limit
    return grid
