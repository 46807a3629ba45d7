# SPDX-License-Identifier: Apache-2.0
"""The report's sections of an ablation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calib_tools.report.evaluation_plots import forest_figure
from calib_tools.report.section import Section
from studies.ablation import table
from studies.ablation.table import RECORD

_STEPS = (
    "Success with a part less success without it, all else alike, on the same episodes, in points. "
    "Each p is of one comparison alone: of twenty parts that add nothing, one has p below 0.05."
)

_FRESH = (
    "Mean difference of a chunk's arm joints from the float policy's with the same noise, on "
    "samples of other recordings than the calibration buffer; intervals by bootstrap over samples. "
    "The last row is the float policy against itself with another noise."
)
_FRESH_STEPS = "Mean error with a part over that without it, all else alike, on the same samples."


def is_ablation(directory: Path) -> bool:
    """Whether a directory holds the record of an ablation."""
    return (directory / RECORD).is_file()


def ablation_sections(directory: Path) -> list[Section]:
    """All sections of the ablation in a directory.

    Raises:
        QuantVLAError: the record is damaged or of another version.
    """
    record = table.read_ablation(directory / RECORD)
    found = [_closed(record)] if record["float"] else []
    if parts := table.step_rows(record):
        found.append(Section("Each part's share of success", _STEPS, table.STEP_HEAD, parts))
    if fresh := table.fresh_rows(record):
        found.append(Section("Action error on fresh samples", _FRESH, table.FRESH_HEAD, fresh))
    if steps := table.fresh_step_rows(record):
        name = "Each part's share of the error"
        found.append(Section(name, _FRESH_STEPS, table.FRESH_STEP_HEAD, steps))
    text = table.summary_line(record) + " Fake: rounded values, held and computed in float."
    if same := table.same_networks(record):
        text += f" {same}"
    found.append(Section("Action error", text, table.OPEN_HEAD, table.open_rows(record)))
    return found


def _closed(record: Mapping[str, Any]) -> Section:
    rows = [
        (
            f"{variant['name']} · {setting}",
            *(100 * v for v in (found["difference"], *found["difference_interval_95"])),
        )
        for variant in record["variants"]
        for setting, found in variant.get("closed_loop", {}).items()
    ]
    text = (
        "Success less float's on the same episodes, in points, with Newcombe's interval for paired "
        "proportions. The gate agrees when it refuses exactly the variants that lie below float."
    )
    figures = [forest_figure(rows, "difference to float, points", zero=True)] if rows else []
    return Section(
        "Closed-loop success", text, table.CLOSED_HEAD, table.closed_rows(record), figures
    )
