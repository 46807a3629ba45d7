# SPDX-License-Identifier: Apache-2.0
"""The report's sections of an evaluation: tables with intervals, forest plots, failures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calib_tools.evaluate import table
from calib_tools.evaluate.record import RECORD, read_record
from calib_tools.report.evaluation_plots import failure_figure, forest_figure
from calib_tools.report.section import Section


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
