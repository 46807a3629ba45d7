# SPDX-License-Identifier: Apache-2.0
"""The page of a run or of a bundle: one HTML file without outside references."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from calib_tools.bench.floats import fastest_told, heads
from calib_tools.buffer.store import HELD_OUT_EVERY, BufferDescription
from calib_tools.common.output import check_file_free
from calib_tools.report import plots
from calib_tools.report.evaluation import evaluation_sections, is_evaluation
from calib_tools.report.quantization import gate_section, is_bundle, quantization_sections
from calib_tools.report.run_data import Record, RunData, read_bundle, read_run
from calib_tools.report.section import Section
from quantvla_ros.cache_directory import cache_directory, why_not_at_home
from quantvla_ros.whole_file import write_file

_TEMPLATE = "page.html.j2"


def write_report(run: Path, out: Path, force: bool) -> None:
    """Make the page.

    Raises:
        QuantVLAError: `out` exists, or the run directory holds nothing to report.
    """
    check_file_free(out, force)
    prepare_plots()
    if is_evaluation(run):
        title = "Closed-loop evaluation"
        page = fill_page(title, run.resolve().name, evaluation_sections(run))
    elif is_bundle(run):
        page = _of_bundle(run)
    else:
        page = render(read_run(run))
    write_file(out, page)


def prepare_plots() -> None:
    """Let figures be drawn quietly; before the first one."""
    if why_not_at_home():  # matplotlib would print a paragraph about it
        os.environ.setdefault("MPLCONFIGDIR", str(cache_directory("matplotlib")))


def _of_bundle(path: Path) -> str:
    data = read_bundle(path)
    verdict = gate_section(data)
    parts = [*([verdict] if verdict else []), *quantization_sections(data)]
    return fill_page("Quantized policy", path.resolve().name, parts)


def render(data: RunData) -> str:
    """The page of a demo as HTML."""
    title = "From live camera topics to an INT8 policy"
    return fill_page(title, data.name, sections(data), data.summary, data.pictures)


def fill_page(
    title: str,
    name: str,
    parts: Sequence[Section],
    summary: dict[str, Any] | None = None,
    pictures: Sequence[bytes] = (),
) -> str:
    """A page as HTML: its title, the name of what it is about, GIFs and sections."""
    from jinja2 import Environment

    template = resources.files("calib_tools.report").joinpath(_TEMPLATE).read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(
        title=title,
        name=name,
        summary=summary,
        pictures=[base64.b64encode(picture).decode() for picture in pictures],
        sections=parts,
    )


def sections(data: RunData) -> list[Section]:
    """All sections for which there is a record, in the page's order."""
    verdict = gate_section(data.bundle) if data.bundle else None
    made: list[tuple[Any, Callable[[Any], Section]]] = [
        (data.episodes, _episodes), (data.chunks, _chunks), (data.bench, _latency),
        (data.bench, _memory), (data.motion, _motion), (data.node, _control),
        (data.buffer, _calibration),
    ]  # fmt: skip
    found = [section(record) for record, section in made if record]
    return [
        *([verdict] if verdict else []),
        *found,
        *(quantization_sections(data.bundle) if data.bundle else []),
        *([_circumstances(data.summary)] if data.summary else []),
    ]


def _episodes(record: Record) -> Section:
    labels = {"float": "float", "int8": "INT8"}
    rows = [
        [
            labels.get(policy, policy),
            str(episode["seed"]),
            episode["instruction"],
            episode["first_lifted"] or "nothing",
            "yes" if episode["success"] else "no",
            f"{episode['seconds']:.1f}",
            episode["fault"] or "none",
        ]
        for policy, episodes in record.items()
        for episode in episodes
    ]
    head = ["policy", "scene", "instruction", "lifted first", "success", "time, s", "fault"]
    text = (
        "Success is judged from the state of the simulation. So few episodes are no success rate."
    )
    return Section("Episodes", text, head, rows)


def _chunks(record: Record) -> Section:
    texts = "; ".join(f"“{sample['instruction']}”" for sample in record["samples"])
    figures = [plots.chunk_figure(record, i) for i in range(len(record["samples"]))]
    text = (
        f"Held-out observations, the same noise for both policies. Instructions: {texts}. Largest "
        f"difference: {_largest_difference(record['samples']):.4f} (rad or m)."
    )
    return Section("Chunks, INT8 against float", text, figures=figures)


def _largest_difference(samples: list[Record]) -> float:
    largest: float = max(
        abs(a - b)
        for sample in samples
        for row_a, row_b in zip(sample["float"], sample["int8"], strict=True)
        for a, b in zip(row_a, row_b, strict=True)
    )
    return largest


def _latency(bench: Record) -> Section:
    latency = bench["latency_ms"]
    shown = heads(bench["kernels"])
    rows = [
        [key, *(f"{latency[name][key]:.2f}" for name in shown)] for key in ("p50", "p95", "p99")
    ]
    text = (
        f"Whole inference of one chunk with {bench['cpu']['threads']} thread(s), all in turn. "
        f"Speedup of the median beside the fastest float, {fastest_told(bench)}: "
        f"{bench['speedup']:.2f}."
    )
    head = ["latency, ms", *shown.values()]
    return Section("Latency", text, head, rows, [plots.latency_figure(bench)])


def _memory(bench: Record) -> Section:
    weights = bench["weight_bytes"]
    rows = [
        ["all weights", *_pair(weights["float"], weights["int8"])],
        [
            "layers that are quantized",
            *_pair(weights["quantized_part_float"], weights["quantized_part_int8"]),
        ],
    ]
    text = f"Bytes of the tensors that the loaded policies hold; {bench['integer_layers']} layers "
    text += "run in integers."
    return Section("Memory", text, ["weights", "float", "INT8", "ratio"], rows)


def _pair(reference: int, quantized: int) -> list[str]:
    ratio = f"{reference / quantized:.2f}" if quantized else ""
    return [f"{reference / 1e6:.2f} MB", f"{quantized / 1e6:.2f} MB", ratio]


def _motion(record: Record) -> Section:
    text = "First point of every published trajectory window, and the joint states, under the INT8 "
    text += "policy."
    return Section("Joint positions against commands", text, figures=[plots.motion_figure(record)])


def _control(node: Record) -> Section:
    motion, jitter = node["motion"], node["jitter_ms"]
    rows = [
        ["windows published", str(node["published"])],
        ["rate", f"{node['control_rate_hz']:g} Hz"],
        *[[f"jitter {key}", f"{jitter[key]:.2f} ms"] for key in ("p50", "p99", "max")],
        ["setpoints, largest velocity over its limit", f"{motion['max_velocity_ratio']:.3f}"],
        ["setpoints, largest acceleration", f"{motion['max_acceleration_ratio']:.3f}"],
        ["setpoints, largest jerk", f"{motion['max_jerk_ratio']:.3f}"],
        ["largest step of the command where chunks meet", f"{motion['boundary_jump']:.2g} rad"],
        ["faults", _counts(node["faults"])],
    ]
    figures = [plots.jitter_figure(node)] if node["publish_intervals_ms"] else []
    return Section("Control", "Written by the node that ran the INT8 policy.", [], rows, figures)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{code} {n}" for code, n in counts.items() if n) or "none"


def _calibration(buffer: BufferDescription) -> Section:
    counts = buffer.selection
    held_out = counts.kept // HELD_OUT_EVERY
    rows = [
        ["synchronised groups", str(counts.groups)],
        *[[f"rejected: {reason}", str(number)] for reason, number in counts.rejected.items()],
        ["near-duplicates dropped", str(counts.near_duplicates)],
        ["left out by the spread over the task", str(counts.surplus)],
        ["samples kept", str(counts.kept)],
        ["of these held out", str(held_out)],
    ]
    return Section("Calibration", f"From {', '.join(buffer.origin)}.", ["groups", "number"], rows)


def _circumstances(summary: dict[str, Any]) -> Section:
    cpu = summary["cpu"]
    rows = [["processor", f"{cpu['model']}, {'with' if cpu['vnni'] else 'without'} VNNI"]]
    rows += [[name, version] for name, version in summary["versions"].items()]
    rows += [[f"time of {name}", f"{s:.1f} s"] for name, s in summary["durations_s"].items()]
    return Section("Circumstances", "", [], rows)
