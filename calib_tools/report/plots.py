# SPDX-License-Identifier: Apache-2.0
"""The report's figures as SVG text."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from calib_tools.bench.floats import INT8, fastest_told

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FLOAT_COLOUR, INT8_COLOUR = "#1f6f8b", "#d1495b"
_COLUMNS = 4
_STYLE: Any = {
    "svg.hashsalt": "quantvla",  # the same record gives the same file
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
}


@contextmanager
def drawing() -> Iterator[None]:
    """Draw figures in the report's style, without a display."""
    import matplotlib

    matplotlib.use("svg")
    with matplotlib.rc_context(_STYLE):
        yield


def svg(figure: Figure) -> str:
    """The figure as an SVG element; it is closed."""
    from matplotlib import pyplot

    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    pyplot.close(figure)
    text = stream.getvalue()
    return text[text.index("<svg") :]


def _grid(names: Sequence[str], units: Sequence[str]) -> tuple[Figure, list[Axes]]:
    from matplotlib import pyplot

    rows = -(-len(names) // _COLUMNS)
    figure, axes = pyplot.subplots(
        rows, _COLUMNS, figsize=(11, 2.1 * rows + 0.3), sharex=True, squeeze=False
    )
    # Fixed margins: matplotlib's own layout engine draws every figure several times.
    edge = 0.5 / (2.1 * rows + 0.3)
    figure.subplots_adjust(0.05, edge, 0.99, 1 - edge / 2, wspace=0.25, hspace=0.3)
    flat = list(axes.flat)
    for axis, name, unit in zip(flat, names, units, strict=False):
        axis.set_title(f"{name}, {unit}", fontsize=9)
    for axis in flat[len(names) :]:
        axis.set_visible(False)
    return figure, flat


def chunk_figure(record: Mapping[str, Any], sample: int) -> str:
    """Every action of one sample over the horizon, INT8 over float."""
    pair = record["samples"][sample]
    reference, quantized = np.asarray(pair["float"]), np.asarray(pair["int8"])
    time = record["dt_s"] * np.arange(1, len(reference) + 1)
    with drawing():
        figure, axes = _grid(record["names"], record["units"])
        for i, axis in enumerate(axes[: len(record["names"])]):
            axis.plot(time, reference[:, i], color=FLOAT_COLOUR, linewidth=2.2, label="float")
            axis.plot(time, quantized[:, i], color=INT8_COLOUR, linewidth=1, ls="--", label="INT8")
            _at_least(axis, 0.01)
        axes[0].legend()
        figure.supxlabel("time after the observation, s", fontsize=9)
        return svg(figure)


def motion_figure(record: Mapping[str, Any]) -> str:
    """Measured joint positions over commanded ones."""
    measured, commanded = record["measured"], record["commanded"]
    start = min([*measured["time_s"][:1], *commanded["time_s"][:1]], default=0.0)
    names = record["joints"]
    with drawing():
        figure, axes = _grid(names, record["units"])
        for i, axis in enumerate(axes[: len(names)]):
            for curve, colour, width, label in (
                (commanded, INT8_COLOUR, 2.0, "commanded"),
                (measured, "black", 0.8, "measured"),
            ):
                times, values = _with_gaps(curve, i)
                axis.plot(times - start, values, color=colour, linewidth=width, label=label)
            _at_least(axis, 0.01)
        axes[0].legend()
        figure.supxlabel("simulation time, s", fontsize=9)
        return svg(figure)


def _with_gaps(curve: Mapping[str, Any], joint: int) -> tuple[Any, Any]:
    """Break the line where nothing was seen: between episodes."""
    times = np.asarray(curve["time_s"], dtype=float)
    values = np.asarray([row[joint] for row in curve["values"]], dtype=float)
    breaks = np.flatnonzero(np.diff(times) > 0.5) + 1
    return np.insert(times, breaks, np.nan), np.insert(values, breaks, np.nan)


def _at_least(axis: Axes, span: float) -> None:
    """Do not blow noise of a resting joint up to the axis's full height."""
    low, high = axis.get_ylim()
    if high - low < span:
        middle = (low + high) / 2
        axis.set_ylim(middle - span / 2, middle + span / 2)


def latency_figure(record: Mapping[str, Any]) -> str:
    """Distribution of the latency of INT8 and the fastest float, and its course over the run."""
    from matplotlib import pyplot

    samples = record["samples_ms"]
    series = (
        (record["fastest_float"], f"float, {fastest_told(record)}", FLOAT_COLOUR),
        (INT8, "INT8", INT8_COLOUR),
    )
    largest = max(np.percentile(samples[key], 99.5) for key, _, _ in series)
    smallest = min(np.min(samples[key]) for key, _, _ in series)
    bins = np.linspace(0.95 * smallest, 1.05 * largest, 50).tolist()
    with drawing():
        figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 2.8))
        figure.subplots_adjust(0.06, 0.18, 0.99, 0.97)
        for key, label, colour in series:
            left.hist(
                np.clip(samples[key], None, bins[-1]), bins, color=colour, alpha=0.6, label=label
            )
            left.axvline(float(np.median(samples[key])), color=colour, linewidth=1.5)
            right.plot(samples[key], color=colour, linewidth=0.8, label=label)
        left.set_xlabel("latency of one chunk, ms (line: median)")
        left.set_ylabel("inferences")
        right.set_xlabel("round (both measured in turn)")
        right.set_ylabel("latency, ms")
        right.set_ylim(0, None)
        left.legend()
        return svg(figure)


def jitter_figure(record: Mapping[str, Any]) -> str:
    """Distribution of the intervals between published trajectory windows."""
    from matplotlib import pyplot

    intervals = np.asarray(record["publish_intervals_ms"])
    period = 1e3 / record["control_rate_hz"]
    reach = max(1.0, float(np.percentile(np.abs(intervals - period), 99.9)) * 1.2)
    with drawing():
        figure, axis = pyplot.subplots(figsize=(5.5, 2.5))
        figure.subplots_adjust(0.11, 0.2, 0.98, 0.97)
        bins = np.linspace(period - reach, period + reach, 80).tolist()
        axis.hist(np.clip(intervals, bins[0], bins[-1]), bins, color=INT8_COLOUR)
        axis.set_yscale("log")
        axis.set_xlabel("interval between published windows, ms")
        axis.set_ylabel("windows")
        return svg(figure)
