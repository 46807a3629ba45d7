# SPDX-License-Identifier: Apache-2.0
"""Tables and figures in the documents, made from records and never by hand.

A document asks for the table of a record by a pair of marks, ``<!-- record FILE -->`` and
``<!-- end of record -->``; FILE is seen from the repository's root. ``<!-- headline DEMO
EVALUATION... -->`` asks for one small table of several, ``<!-- boards FOLDER -->`` for that of all
records of boards in a folder. Run as a module in the root:
without an option it rewrites what stands between the marks and draws anew what was drawn from
another record, ``--check`` only says whether all is up to date, ``--record FILE`` checks another
record and prints its table.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from calib_tools.evaluate import table
from calib_tools.evaluate.aggregate import ALL
from calib_tools.evaluate.record import RECORD as EVALUATION
from calib_tools.evaluate.record import read_record
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.whole_file import write_file
from studies import engine_build, stage_bounds, wheels
from studies import experts as expert_study
from studies.ablation import table as ablation_table
from studies.controller import table as controller_table
from studies.documents.demo_table import fastest_latency, read_summary, render
from studies.fault_study import table as fault_table
from studies.fits import table as fits_table
from studies.full_size import block_table as full_block_table
from studies.full_size import table as full_table
from studies.fuzz import table as fuzz_table
from studies.jetson_check import table as boards
from studies.language_model import table as language_table
from studies.peers import table as peers_table
from studies.scheme_bench import table as bench_table
from studies.study import grids_text, read_study
from studies.timing import table as timing_table
from training import make_policy

Row = Sequence[str]


def headline_rows(
    summary: Mapping[str, Any], evaluations: Sequence[Mapping[str, Any]]
) -> Iterable[Row]:
    """The head, and a row for each thing measured."""
    latency, weights = summary["latency_ms"], summary["weight_bytes"]
    fastest, int8 = fastest_latency(summary)["p50"], latency["int8"]["p50"]
    yield "", "float", "INT8", "INT8 beside float"
    yield ":---", "---:", "---:", ":---"
    yield (
        "one chunk, median", f"{fastest:.1f} ms", f"{int8:.1f} ms",
        f"{summary['speedup']:.2f}x as fast as the fastest float: {summary['fastest_float']}",
    )  # fmt: skip
    held = [weights[name] for name in ("float", "int8")]
    yield (
        "weights held in memory", *(f"{count / 1e6:.1f} MB" for count in held),
        f"{100 * held[1] / held[0]:.0f} %",
    )  # fmt: skip
    for record in evaluations:
        yield _success(record)


def _success(record: Mapping[str, Any]) -> Row:
    """Episodes solved of all tasks of an evaluation."""
    tasks = list(dict.fromkeys(row["task"] for row in record["aggregates"] if row["task"] != ALL))
    total = ALL if len(tasks) > 1 else tasks[0]
    (pair,) = (row for row in record["comparisons"] if row["task"] == total)
    solved = {
        row["variant"]: f"{row['successes']} of {row['episodes']}"
        for row in record["aggregates"]
        if row["task"] == total
    }
    low, high = (f"{100 * end:+.1f}" for end in pair["interval_95"])
    return (
        f"solved: {', '.join(f'`{task}`' for task in tasks)}",
        solved[pair["first"]],
        solved[pair["second"]],
        f"{100 * pair['difference']:+.1f} points, 95 % interval {low} to {high}",
    )


END = "<!-- end of record -->"
FIGURES = {"docs/images/stops.svg": "docs/records/fault-study.json"}
"""Figure -> its record; whether a document needs the record its marks say."""
_BEGIN = re.compile(r"<!-- (record|headline|boards) (\S+(?: \S+)*) -->\n")


_STUDIES = (
    ablation_table, bench_table, controller_table, engine_build, expert_study, fault_table,
    fits_table, full_block_table, full_table, fuzz_table, language_table, make_policy,
    peers_table, stage_bounds, timing_table, wheels,
)  # fmt: skip


def documents(root: Path) -> list[Path]:
    """Every document that may hold tables."""
    return [root / "README.md", root / "policies" / "README.md", *sorted(root.glob("docs/**/*.md"))]


def markdown(record: Path) -> str:
    """The tables of a record, by the end of its name: that of its kind, or a demo's.

    Raises:
        QuantVLAError: the record is missing or damaged.
    """
    for study in _STUDIES:
        if record.name.endswith(study.RECORD):
            made: str = study.markdown(read_study(record, study.KIND))
            return made
    if not record.name.endswith(EVALUATION):
        return render(read_summary(record))
    content = read_record(record)
    success = ("", table.SUCCESS_HEAD, table.success_rows(content))
    pairs = ("", table.PAIR_HEAD, table.pair_rows(content))
    return grids_text([table.summary_line(content)], [success, pairs])


def filled(text: str, name: str, root: Path) -> str:
    """The text with every table made anew.

    Raises:
        QuantVLAError: a mark lacks its other one, or a record cannot be read.
    """
    head, *rest = _BEGIN.split(text)
    if len(rest) // 3 != text.count(END):
        raise QuantVLAError(f"{name} needs '{END}' after every '<!-- record FILE -->'.")
    parts = [head]
    for kind, files, section in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
        mark = f"<!-- {kind} {files} -->"
        if END not in section:
            raise QuantVLAError(f"{name} needs '{END}' after '{mark}'.")
        made = _MAKERS[kind](*(root / file for file in files.split()))
        parts.append(f"{mark}\n{made}\n{END}{section.split(END, 1)[1]}")
    return "".join(parts)


def _boards(folder: Path) -> str:
    """A row for each record that an owner of a board sent."""
    return boards.table([read_study(path, boards.KIND) for path in sorted(folder.glob("*.json"))])


def _headline(demo: Path, *evaluations: Path) -> str:
    rows = headline_rows(read_summary(demo), [read_record(path) for path in evaluations])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


_MAKERS: dict[str, Callable[..., str]] = {
    "record": markdown,
    "headline": _headline,
    "boards": _boards,
}


def old_figures(root: Path) -> dict[Path, dict[str, Any]]:
    """The records of figures that were drawn from other curves, or not at all.

    Raises:
        QuantVLAError: a record cannot be read.
    """
    found = {}
    for name, record in FIGURES.items():
        if (root / record).exists():
            content, path = read_study(root / record, fault_table.KIND), root / name
            drawn = path.read_text(encoding="utf-8") if path.exists() else ""
            if fault_table.figure_source(content) not in drawn:
                found[path] = content
    return found


def main(arguments: list[str] | None = None) -> int:
    """Entry of ``python -m studies.documents.tables``; the exit status."""
    parser = argparse.ArgumentParser(
        prog="studies.documents.tables",
        description=__doc__,
        epilog="example: python -m studies.documents.tables --check",
    )
    parser.add_argument("--check", action="store_true", help="change nothing, only compare")
    parser.add_argument("--record", type=Path, help="check and show this record instead")
    options = parser.parse_args(arguments)
    root = Path()
    try:
        if options.record is not None:
            print(markdown(options.record))
            return 0
        for path in documents(root):
            text = path.read_text(encoding="utf-8")
            wanted = filled(text, str(path), root)
            if text == wanted:
                continue
            if options.check:
                raise QuantVLAError(
                    f"The tables in {path} are not those of its records: "
                    "run `python -m studies.documents.tables`."
                )
            write_file(path, wanted)
        for path, content in old_figures(root).items():
            if options.check:
                raise QuantVLAError(
                    f"The figure {path} is not that of its record: "
                    "run `python -m studies.documents.tables`."
                )
            write_file(path, fault_table.figure(content))
    except QuantVLAError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
