# SPDX-License-Identifier: Apache-2.0
"""Layouts: which linears become integer (QuantVLA, arXiv 2602.20309, section 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from quantvla_ros.errors import QuantVLAError

LAYOUTS: dict[str, frozenset[str]] = {
    "none": frozenset(),
    "llm": frozenset({"llm_attn", "llm_mlp"}),
    "dit": frozenset({"dit_attn", "dit_mlp"}),
    "llm+dit": frozenset({"llm_attn", "llm_mlp", "dit_attn", "dit_mlp"}),
    "llm+dit_mlp": frozenset({"llm_attn", "llm_mlp", "dit_mlp"}),
    "all": frozenset(
        {"llm_attn", "llm_mlp", "dit_attn", "dit_mlp", "condition", "vision", "projection"}
    ),
    "auto": frozenset({"llm_attn", "llm_mlp", "dit_attn", "dit_mlp"}),
}
ALL = "all"  # every linear there is: the naive baseline of the paper's tables, for studies
AUTO = "auto"  # its layers are candidates; a search on the calibration buffer chooses from them


def select_layers(
    roles: Mapping[str, str], layout: str, keep_float: Sequence[str] = ()
) -> list[str]:
    """Names of the linears that `layout` makes integer, in the network's order.

    Args:
        roles: role by module name, from the model family's `layer_roles`.
        layout: a key of `LAYOUTS`; of "auto" these are the candidates.
        keep_float: patterns as in a shell (``*.layers.0.*``) of layers that stay float.

    Raises:
        QuantVLAError: unknown layout.
    """
    if layout not in LAYOUTS:
        raise QuantVLAError(f"unknown layout '{layout}'; known layouts: {', '.join(LAYOUTS)}")
    return [
        name
        for name, role in roles.items()
        if role in LAYOUTS[layout] and not any(fnmatchcase(name, p) for p in keep_float)
    ]


def check_keep_float(roles: Mapping[str, str], layout: str, keep_float: Sequence[str]) -> None:
    """Refuse a pattern that keeps no layer of the layout float: it would do nothing.

    `select_layers` does not: bundles that were made with such a pattern can still be loaded.

    Raises:
        QuantVLAError: unknown layout, or a pattern that no layer of the layout matches.
    """
    names = select_layers(roles, layout)
    for pattern in keep_float:
        if not any(fnmatchcase(name, pattern) for name in names):
            example = next(iter(names or roles), "")
            raise QuantVLAError(
                f"no layer of the layout '{layout}' matches '{pattern}' to be kept float; names "
                f"look like '{example}', and layers outside the layout stay float anyway"
            )
