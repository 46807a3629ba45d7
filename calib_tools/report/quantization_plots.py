# SPDX-License-Identifier: Apache-2.0
"""Figures of a quantization as SVG text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from calib_tools.report.plots import FLOAT_COLOUR, INT8_COLOUR, drawing, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Rows = Sequence[Mapping[str, Any]]
RANKED = 40  # layers that a ranking shows at most
_ROW = 0.17  # inches a layer
_ERRORS = (
    ("weight_error", "weight: squared error, relative"),
    ("output_error", "output: squared error, relative"),
    ("action_error", "action: mean error of this layer alone, normalized"),
)


def short(name: str) -> str:
    """A layer's name without what all names have."""
    return re.sub(r"\b(layers|self_attn|mlp)\.|_proj\b", "", name).replace(".", " ")


def _tall(names: Sequence[str], columns: int) -> tuple[Figure, list[Axes]]:
    """Panels side by side with one row a name, the first on top."""
    from matplotlib import pyplot

    height = 0.9 + _ROW * len(names)
    figure, axes = pyplot.subplots(1, columns, figsize=(11, height), sharey=True, squeeze=False)
    figure.subplots_adjust(0.16, 0.6 / height, 0.99, 1 - 0.15 / height, wspace=0.08)
    panels = list(axes.flat)
    panels[0].set_yticks(range(len(names)), [short(name) for name in names], fontsize=7)
    panels[0].set_ylim(len(names) - 0.4, -0.6)
    return figure, panels


def error_figure(layers: Rows) -> str:
    """Error of weight, output and action of each layer, on logarithmic scales."""
    names = [row["name"] for row in layers]
    with drawing():
        figure, panels = _tall(names, len(_ERRORS))
        for panel, (key, label) in zip(panels, _ERRORS, strict=True):
            known = [(i, row[key]) for i, row in enumerate(layers) if row.get(key)]
            if known:
                panel.plot(
                    [v for _, v in known], [i for i, _ in known], "o", color=INT8_COLOUR, ms=4
                )
                panel.set_xscale("log")
            else:
                panel.text(0.5, 0.5, "not measured", ha="center", transform=panel.transAxes)
            panel.set_xlabel(label, fontsize=8)
        return svg(figure)


def range_figure(layers: Rows) -> str:
    """Magnitudes of each observed layer's input: median to largest, and the chosen clip."""
    with drawing():
        figure, (panel,) = _tall([row["name"] for row in layers], 1)
        for i, row in enumerate(layers):
            marks = row["input_percentiles"]
            panel.plot([marks["0.5"], row["input_absmax"]], [i, i], color="#b9c7cc", lw=3)
            panel.plot([marks["0.99"], marks["0.999"]], [i, i], color=FLOAT_COLOUR, lw=3)
            panel.plot([row["input_absmax"]], [i], "|", color="black", ms=7)
            if "clip" in row:
                panel.plot([row["clip"]], [i], "d", color=INT8_COLOUR, ms=5)
        panel.set_xscale("log")
        panel.set_xlabel(
            "magnitude of the input: grey from the median, dark from 99 % to 99.9 %, bar: largest, "
            "diamond: clip of the static range"
        )
        return svg(figure)


def correction_figure(alpha: Mapping[str, Sequence[float]], beta: Mapping[str, float]) -> str:
    """Alpha of every head as a heat map, beta of every attention as bars."""
    from matplotlib import pyplot

    table, names = np.asarray(list(alpha.values())), list(alpha)
    height = 1.2 + 0.25 * len(names)
    with drawing():
        figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, height), sharey=True)
        figure.subplots_adjust(0.16, 0.7 / height, 0.99, 1 - 0.15 / height, wspace=0.1)
        spread = max(0.05, float(np.abs(table - 1).max()))
        picture = left.imshow(table, "RdBu_r", aspect="auto", vmin=1 - spread, vmax=1 + spread)
        for (row, head), value in np.ndenumerate(table):
            left.text(head, row, "1" if value == 1 else f"{value:.2f}", ha="center", va="center")
        left.grid(False)
        left.set_xticks(range(table.shape[1]))
        left.set_yticks(range(len(names)), [short(name) for name in names])
        left.set_xlabel("alpha (temperature), by head")
        figure.colorbar(picture, ax=left, pad=0.02)
        values = np.asarray([beta[name] for name in names])
        right.barh(range(len(names)), values - 1, left=1, color=INT8_COLOUR)
        right.axvline(1, color="black", lw=0.8)
        reach = max(0.05, float(np.abs(values - 1).max())) * 1.1
        right.set_xlim(1 - reach, 1 + reach)
        right.set_xlabel("beta (output factor)")
        return svg(figure)


def temperature_figure(logits: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Spread of the logits against the float policy's, head by head, before and after."""
    from matplotlib import pyplot

    with drawing():
        figure, axis = pyplot.subplots(figsize=(11, 2.8))
        figure.subplots_adjust(0.07, 0.3, 0.99, 0.95)
        start, ticks = 0, []
        for found in logits.values():
            target = np.asarray(found["float"])
            places = start + np.arange(len(target))
            for kind, marker, colour in (
                ("plain", "o", "#8a8a8a"),
                ("corrected", "x", INT8_COLOUR),
            ):
                ratio = np.asarray(found[kind]) / np.maximum(target, 1e-12)
                axis.plot(
                    places, ratio, marker, color=colour, ms=5, label=kind if not start else None
                )
            ticks.append(float(places.mean()))
            start += len(target) + 1
        axis.axhline(1, color=FLOAT_COLOUR, lw=1)
        axis.set_xticks(
            ticks, [short(name) for name in logits], rotation=30, ha="right", fontsize=7
        )
        axis.set_ylabel("spread / float's")
        axis.legend()
        return svg(figure)


def ranking_figure(rows: Rows) -> str:
    """The first layers by what each alone does to the action; the colour says what was chosen."""
    shown = list(rows)[:RANKED]
    names = [f"{row['name']} {row['bits']} bit" for row in shown]
    with drawing():
        figure, (panel,) = _tall(names, 1)
        colours = [INT8_COLOUR if row["chosen"] else "#c9c9c9" for row in shown]
        panel.barh(range(len(shown)), [row["action_error"] for row in shown], color=colours)
        panel.set_xlabel("mean error of the normalized action, this layer alone (red: chosen)")
        return svg(figure)


def memory_figure(held: Mapping[str, int], float_16: Mapping[str, int]) -> str:
    """Bytes of each component as 32-bit and 16-bit floats and as they are."""
    from matplotlib import pyplot

    names = list(held)
    height = 0.9 + 0.5 * len(names)
    with drawing():
        figure, axis = pyplot.subplots(figsize=(11, height))
        figure.subplots_adjust(0.2, 0.6 / height, 0.99, 1 - 0.15 / height)
        for shift, label, values, colour in (
            (-0.27, "fp32", [2 * float_16[n] for n in names], "#c9d8de"),
            (0.0, "fp16", [float_16[n] for n in names], FLOAT_COLOUR),
            (0.27, "this bundle", [held[n] for n in names], INT8_COLOUR),
        ):
            places = [i + shift for i in range(len(names))]
            axis.barh(places, [v / 1e6 for v in values], 0.25, color=colour, label=label)
        axis.set_yticks(range(len(names)), names)
        axis.invert_yaxis()
        axis.set_xlabel("MB on disk")
        axis.legend()
        return svg(figure)
