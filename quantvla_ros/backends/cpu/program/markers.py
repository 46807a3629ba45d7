# SPDX-License-Identifier: Apache-2.0
"""Names of what patterns become; nodes of a fused graph call them, and nothing else does."""

from __future__ import annotations

from typing import Any, NoReturn


def linear(
    x: Any, layers: tuple[int, ...], activation: str | None, gate: Any, residual: Any
) -> NoReturn:
    """The product of a tensor with linears of a `LinearTable`, their outputs side by side.

    Then, in this order: the activation, a row `gate` multiplies, `residual` is added; each may be
    None.
    """
    raise NotImplementedError


def gated_linear(x: Any, gate: int, up: int, activation: str) -> NoReturn:
    """``activation(gate(x)) * up(x)``."""
    raise NotImplementedError


def norm(x: Any, gain: Any, shift: Any, eps: float, centred: bool, offset: float) -> NoReturn:
    """A norm of the last axis, times offset plus gain, plus shift; centred: a layer norm."""
    raise NotImplementedError


def rotary(x: Any, cos: Any, sin: Any) -> NoReturn:
    """Rotary positions in the half-split form of [B, H, T, E]."""
    raise NotImplementedError


def attention(
    query: Any, keys: tuple[Any, ...], values: tuple[Any, ...], bias: Any, scale: float | None
) -> NoReturn:
    """Attention of [B, H, T, E] to one or two pieces of keys and values [B, G, S, E]."""
    raise NotImplementedError


def convolution(
    x: Any, weight: Any, bias: Any, stride: int, padding: int, activation: str | None
) -> NoReturn:
    """A convolution of [B, C, H, W] with square strides."""
    raise NotImplementedError


def group_norm(
    x: Any, groups: int, gain: Any, shift: Any, eps: float, activation: str | None
) -> NoReturn:
    """A group norm of [B, C, H, W]."""
    raise NotImplementedError


def embedding(table: Any, ids: Any, scale: float) -> NoReturn:
    """Rows of a table, times a number, as float32."""
    raise NotImplementedError
