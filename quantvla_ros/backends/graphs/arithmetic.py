# SPDX-License-Identifier: Apache-2.0
"""How each operator of a graph is computed in a kind of float."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from quantvla_ros.backends.graphs import operators

_aten = torch.ops.aten
_WEIGHT = torch.ops.quantvla.int8_weight.default
assert operators.int8_weight is not None  # the module defines both operators
_SUMS = {_aten.layer_norm.default, _aten.group_norm.default, _aten.softmax.int, _aten.mean.dim}
"""Sums over many numbers: in float32 whatever the kind."""
WIDE = {_WEIGHT, *_SUMS}
"""Operators whose constants stay float32: scales, and gains of norms."""
_CASTS = {_aten.to.dtype, _aten._to_copy.default}
CHECK = _aten._assert_tensor_metadata.default
"""What export leaves beside a cast; no number depends on it."""


class Arithmetic:
    """Calls operators with operands of one kind of float; equal calls are made once.

    So layers that read the same tensor share one quantizer.
    """

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}
        self._alive: list[Any] = []  # what keys hold the address of must not go

    def node(
        self, target: Any, args: Sequence[Any], kwargs: Mapping[str, Any], kind: torch.dtype
    ) -> Any:
        """What a node of an exact graph gives, with operands of any kinds.

        Args:
            target: its operator.
            args: operands; floats are cast to `kind`.
            kwargs: further operands.
            kind: of its part.
        """
        if target is _WEIGHT:
            return self._once(target, args[0], args[1], kind)
        if target is _aten.scaled_dot_product_attention.default:
            return self._attention(kind, *args, **kwargs)
        if target is _aten.rms_norm.default:
            return self._rms_norm(kind, *args, **kwargs)
        if target in _CASTS and args[0].is_floating_point():
            return self.cast(args[0], kind)
        kind = torch.float32 if target in _SUMS else kind
        args, kwargs = tree_map(lambda value: self.cast(value, kind), (args, dict(kwargs)))
        return self._once(target, *args, **kwargs)

    def cast(self, value: Any, kind: torch.dtype) -> Any:
        """A float tensor in a kind; anything else as it is."""
        if isinstance(value, Tensor) and value.is_floating_point() and value.dtype != kind:
            return self._once(_aten._to_copy.default, value, dtype=kind)
        return value

    def _attention(
        self,
        kind: torch.dtype,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
        dropout: float = 0.0,
        causal: bool = False,
        scale: float | None = None,
        **other: Any,
    ) -> Tensor:
        """Two products around a softmax; queries are scaled first, so that logits stay small."""
        assert not dropout and not causal, "what inference of our families never asks for"
        query, key, value = (self.cast(x, kind) for x in (query, key, value))
        scaled = self._once(_aten.mul.Tensor, query, scale or query.shape[-1] ** -0.5)
        turned = self._once(_aten.transpose.int, key, -2, -1)
        logits = self.cast(self._once(_aten.matmul.default, scaled, turned), torch.float32)
        if mask is not None:
            logits = self._once(_aten.add.Tensor, logits, self.cast(mask, torch.float32))
        weights = self._once(_aten.softmax.int, logits, -1)
        out: Tensor = self._once(_aten.matmul.default, self.cast(weights, kind), value)
        return out

    def _rms_norm(
        self,
        kind: torch.dtype,
        x: Tensor,
        shape: Sequence[int],
        gain: Tensor | None = None,
        eps: float | None = None,
    ) -> Tensor:
        """Written out, for compilers of several ages know it by different names."""
        assert len(shape) == 1 and eps is not None
        x = self.cast(x, torch.float32)
        square = self._once(_aten.mean.dim, self._once(_aten.mul.Tensor, x, x), [-1], True)
        shrink = self._once(_aten.rsqrt.default, self._once(_aten.add.Scalar, square, eps))
        normed = self.cast(self._once(_aten.mul.Tensor, x, shrink), kind)
        if gain is None:
            return normed  # type: ignore[no-any-return]
        out: Tensor = self._once(_aten.mul.Tensor, normed, self.cast(gain, kind))
        return out

    def _once(self, target: Any, *args: Any, **kwargs: Any) -> Any:
        key = repr((target, tree_map(_address, (args, kwargs))))
        if key not in self._known:
            self._known[key] = target(*args, **kwargs)
            self._alive.append((args, kwargs))
        return self._known[key]


def _address(value: Any) -> Any:
    return ("tensor", id(value)) if isinstance(value, Tensor) else value
