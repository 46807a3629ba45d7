# SPDX-License-Identifier: Apache-2.0
"""A part of a report's page."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Section:
    """A table, figures as SVG, a sentence; each may be empty."""

    title: str
    text: str = ""
    head: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)
