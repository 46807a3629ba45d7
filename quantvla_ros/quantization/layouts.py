# SPDX-License-Identifier: Apache-2.0
"""Layouts: which linears become integer (QuantVLA, arXiv 2602.20309, section 3)."""

from __future__ import annotations

from collections.abc import Mapping

from quantvla_ros.errors import QuantVLAError

LAYOUTS: dict[str, frozenset[str]] = {
    "none": frozenset(),
    "llm": frozenset({"llm_attn", "llm_mlp"}),
    "dit": frozenset({"dit_attn", "dit_mlp"}),
    "llm+dit": frozenset({"llm_attn", "llm_mlp", "dit_attn", "dit_mlp"}),
    "llm+dit_mlp": frozenset({"llm_attn", "llm_mlp", "dit_mlp"}),
}
SCHEMES = ("w8a8",)


def check_scheme(scheme: str) -> None:
    """Raise QuantVLAError for a scheme that this package does not know."""
    if scheme not in SCHEMES:
        raise QuantVLAError(f"unknown scheme '{scheme}'; known schemes: {', '.join(SCHEMES)}")


def select_layers(roles: Mapping[str, str], layout: str) -> list[str]:
    """Names of the linears that `layout` makes integer, in the network's order.

    Args:
        roles: role by module name, from the model family's `layer_roles`.
        layout: a key of `LAYOUTS`.

    Raises:
        QuantVLAError: unknown layout.
    """
    if layout not in LAYOUTS:
        raise QuantVLAError(f"unknown layout '{layout}'; known layouts: {', '.join(LAYOUTS)}")
    return [name for name, role in roles.items() if role in LAYOUTS[layout]]
