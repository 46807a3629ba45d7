# SPDX-License-Identifier: Apache-2.0
"""One HTML file, readable offline, of an ablation: `python -m studies.ablation.page`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calib_tools.common.output import check_file_free
from calib_tools.report.evaluation_plots import forest_figure
from calib_tools.report.page import fill_page, prepare_plots
from calib_tools.report.section import Section
from quantvla_ros.whole_file import write_file
from studies.ablation import table
from studies.ablation.table import RECORD
from studies.study import read_study, study_command

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


def ablation_sections(directory: Path) -> list[Section]:
    """All sections of the ablation in a directory.

    Raises:
        QuantVLAError: the record is damaged or of another version.
    """
    record = read_study(directory / RECORD, table.KIND)
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


def write_page(ablation: Path, out: Path, force: bool) -> None:
    """Make the page of the ablation in a directory.

    Raises:
        QuantVLAError: `out` exists, or the record is damaged or of another version.
    """
    check_file_free(out, force)
    prepare_plots()
    write_file(out, fill_page("Ablation", ablation.resolve().name, ablation_sections(ablation)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page; the exit status is 0 when it is there."""
    kind = "studies.ablation.page"
    parser = argparse.ArgumentParser(
        prog=kind, description=__doc__, epilog=f"example: python -m {kind} ablation --out page.html"
    )
    parser.add_argument("ablation", type=Path, help="directory of an ablation")
    parser.add_argument("--out", type=Path, required=True, help="HTML file to write")
    parser.add_argument("--force", action="store_true", help="replace an older page")
    options = parser.parse_args(arguments)
    with study_command(kind):
        write_page(options.ablation, options.out, options.force)
    return 0


if __name__ == "__main__":
    sys.exit(main())
