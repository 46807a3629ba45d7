# SPDX-License-Identifier: Apache-2.0
"""The report's sections of an evaluation: tables with intervals, forest plots, failures."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calib_tools.evaluate import table
from calib_tools.evaluate.record import RECORD, read_record
from calib_tools.report.plots import FLOAT_COLOUR, INT8_COLOUR, drawing, svg
from calib_tools.report.section import Section

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


_COLUMNS = 4


def forest_figure(rows: Sequence[tuple[str, float, float, float]], label: str, zero: bool) -> str:
    """Estimates with their intervals, one above the other.

    Args:
        rows: name, estimate, lower and upper end, each in per cent or points.
        label: of the axis.
        zero: draw the line of no difference.
    """
    from matplotlib import pyplot

    with drawing():
        height = 0.9 + 0.32 * len(rows)
        figure, axis = pyplot.subplots(figsize=(9, height))
        figure.subplots_adjust(0.36, 0.55 / height, 0.98, 1 - 0.15 / height)
        for place, (_, value, low, high) in enumerate(reversed(rows)):
            axis.plot([low, high], [place, place], color=FLOAT_COLOUR, linewidth=2)
            axis.plot([value], [place], "o", color=INT8_COLOUR, markersize=5)
        axis.set_yticks(range(len(rows)), [name for name, *_ in reversed(rows)])
        axis.set_ylim(-0.6, len(rows) - 0.4)
        if zero:
            axis.axvline(0, color="black", linewidth=0.8)
        axis.set_xlabel(label)
        return svg(figure)


def failure_figure(failures: Sequence[Mapping[str, Any]], folder: Path) -> str:
    """The last picture of each failed episode, with what was asked and what was moved.

    Args:
        failures: variant, index and GIF, and the episode's instruction and first moved thing.
        folder: that the GIFs' names begin from.
    """
    from matplotlib import pyplot

    rows = -(-len(failures) // _COLUMNS)
    with drawing():
        figure, axes = pyplot.subplots(rows, _COLUMNS, figsize=(12, 2.3 * rows), squeeze=False)
        figure.subplots_adjust(0.01, 0.01, 0.99, 1 - 0.45 / (2.3 * rows), 0.05, 0.35)
        for axis in axes.flat:
            axis.set_axis_off()
        for axis, failure in zip(axes.flat, failures, strict=False):
            axis.imshow(last_frame(folder / failure["gif"]))
            moved = failure["fault"] or f"moved {failure['first_moved'] or 'nothing'}"
            title = f"{failure['variant']}, {failure['index']}: {moved}, {failure['seconds']:.1f} s"
            axis.set_title(f"{title}\n{failure['instruction']}", fontsize=6.5)
        return svg(figure)


def last_frame(path: Path) -> NDArray[np.uint8]:
    """The last picture of a GIF, uint8 [height, width, 3]."""
    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(path.read_bytes())) as picture:
        picture.seek(getattr(picture, "n_frames", 1) - 1)
        return np.asarray(picture.convert("RGB"))


def is_evaluation(directory: Path) -> bool:
    """Whether a directory holds the record of an evaluation."""
    return (directory / RECORD).is_file()


def evaluation_sections(directory: Path) -> list[Section]:
    """All sections of the evaluation in a directory.

    Raises:
        QuantVLAError: the record is damaged or of another version.
    """
    record = read_record(directory / RECORD)
    sections = [_success(record)]
    if record["comparisons"]:
        sections.append(_comparisons(record))
    sections.append(_motion(record))
    failures = _shown_failures(record, directory)
    if failures:
        text = "The last picture of failed episodes; their GIFs lie beside the record."
        sections.append(
            Section("Moments of failure", text, figures=[failure_figure(failures, directory)])
        )
    sections.append(_circumstances(record))
    return sections


def _success(record: Mapping[str, Any]) -> Section:
    rows = [
        (_name(row, row["variant"]), *(100 * v for v in (row["success"], *row["interval_95"])))
        for row in record["aggregates"]
    ]
    text = table.summary_line(record) + " Intervals: Wilson, 95 %."
    figure = forest_figure(rows, "success, %", zero=False)
    head, body = table.SUCCESS_HEAD, table.success_rows(record)
    return Section("Closed-loop success", text, head, body, [figure])


def _comparisons(record: Mapping[str, Any]) -> Section:
    rows = [
        (
            _name(row, f"{row['second']} less {row['first']}"),
            *(100 * v for v in (row["difference"], *row["interval_95"])),
        )
        for row in record["comparisons"]
    ]
    text = (
        "Second less first on the same episodes, in points, with Newcombe's interval for paired "
        "proportions; the exact McNemar test looks at the episodes that only one of the two solved."
    )
    figure = forest_figure(rows, "difference, points", zero=True)
    return Section("Differences", text, table.PAIR_HEAD, table.pair_rows(record), [figure])


def _name(row: Mapping[str, Any], who: str) -> str:
    return f"{who} · {row['task']} · {row['shift']}"


def _motion(record: Mapping[str, Any]) -> Section:
    text = (
        "Jerk: root mean square over the arm's joints, mean of the episodes. Boundary jump: "
        "largest step of the command where chunks switch, rad or m. Clamped and limited: ticks."
    )
    return Section("Smoothness", text, table.MOTION_HEAD, table.motion_rows(record))


def _shown_failures(record: Mapping[str, Any], directory: Path) -> list[dict[str, Any]]:
    episodes = {(e["variant"], e["index"]): e for e in record["episodes"]}
    return [
        {**episodes[(failure["variant"], failure["index"])], **failure}
        for failure in record["failures"]
        if (directory / failure["gif"]).is_file()
    ]


def _circumstances(record: Mapping[str, Any]) -> Section:
    cpu, settings = record["cpu"], record["settings"]
    rows = [["processor", f"{cpu['model']}, {cpu['cores']} cores"]]
    rows += [[f"bundle of {v['label']}", v["bundle_sha256"]] for v in settings["variants"]]
    rows += [[name, str(settings[name])] for name in ("first_seed", "episodes", "denoise_steps")]
    rows += [[name, version] for name, version in record["versions"].items()]
    return Section("Circumstances", "", [], rows)
