# SPDX-License-Identifier: Apache-2.0
"""The report's sections of a quantized bundle: verdict first, then why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from calib_tools.common.tables import GATE_HEAD, gate_rows, listed_corrections
from calib_tools.report import quantization_plots as plots
from calib_tools.report.run_data import BundleData
from calib_tools.report.section import Section
from quantvla_ros.quantization.gate import failures

FITTED = 12  # inputs that the table of the fit to static ranges shows


def is_bundle(directory: Path) -> bool:
    """Whether a directory holds a bundle."""
    return (directory / "bundle.yaml").is_file()


def gate_section(data: BundleData) -> Section | None:
    """The verdict and its table; None for a bundle that was never judged."""
    gate = data.manifest.gate
    if gate is None:
        return None
    verdict = "passed" if gate.passed else f"failed: {'; '.join(failures(gate))}"
    text = f"The gate {verdict}. {gate.samples} held-out samples; kernel {gate.kernel}."
    return Section("Gate", text, GATE_HEAD, gate_rows(gate))


def quantization_sections(data: BundleData) -> list[Section]:
    """All sections but the gate's for which there is a record."""
    found = [_memory(data)]
    if data.layers is not None and data.layers["layers"]:
        found += [_errors(data.layers), _ranges(data.layers)]
        found += _not_transformed(data.layers["not_transformed"])
        found += _static_fit(data, data.layers.get("static_fit"))
        found += _corrections(data, data.layers.get("corrections"))
    if data.sensitivity is not None:
        found.append(_ranking(data.sensitivity))
    found.append(_layers(data))
    return found


def _memory(data: BundleData) -> Section:
    held, wide = sum(data.held.values()), sum(data.float_16.values())
    rows = [
        [role, *(f"{v / 1e6:.2f}" for v in (2 * data.float_16[role], data.float_16[role], size))]
        for role, size in data.held.items()
    ]
    rows.append(["all", f"{2 * wide / 1e6:.2f}", f"{wide / 1e6:.2f}", f"{held / 1e6:.2f}"])
    text = (
        f"Bytes of the tensors in the bundle: {100 * (1 - held / wide):.1f} % less than in fp16, "
        f"{100 * (1 - held / wide / 2):.1f} % less than in fp32."
    )
    head = ["component", "fp32, MB", "fp16, MB", "this bundle, MB"]
    figure = plots.memory_figure(data.held, data.float_16)
    return Section("Memory by component", text, head, rows, [figure])


def _errors(record: Mapping[str, Any]) -> Section:
    asked = record["recipe"]["rounding"]
    text = (
        f"What rounding ({asked}) lost in each layer, on the calibration buffer. The action "
        "error is measured for small networks and by the search of --layout auto."
    )
    others: dict[str, list[str]] = {}
    for row in record["layers"]:
        if row["rounding"] != asked:
            others.setdefault(row["rounding"], []).append(row["name"])
    for used, names in others.items():
        text += f" Where too few inputs were seen, the rounding is {used}: {_places(names)}."
    return Section("Error of each layer", text, figures=[plots.error_figure(record["layers"])])


def _ranges(record: Mapping[str, Any]) -> Section:
    seen = [row for row in record["layers"] if "tail_ratio" in row]
    worst = sorted(seen, key=lambda row: -row["tail_ratio"])[:8]
    rows = [
        [
            plots.short(row["name"]),
            f"{row['tail_ratio']:.1f}",
            f"{row['input_absmax']:.3g}",
            f"{row['clip']:.3g} ({row['range']})" if "range" in row else "per token",
        ]
        for row in worst
    ]
    text = "The layers with the longest tails: largest magnitude over the 99.9th percentile."
    figures = [plots.range_figure(seen)] if seen else []
    head = ["layer", "tail ratio", "largest", "clip"]
    return Section("Ranges of the inputs", text, head, rows, figures)


def _not_transformed(skipped: Mapping[str, Mapping[str, str]]) -> list[Section]:
    rows = []
    for transform, layers in skipped.items():
        reasons: dict[str, list[str]] = {}
        for name, reason in layers.items():
            reasons.setdefault(reason, []).append(name)
        rows += [[transform, _places(names), reason] for reason, names in reasons.items()]
    if not rows:
        return []
    text = "What each --transform left as it was, in how many blocks (*), and why."
    return [Section("Layers not transformed", text, ["transform", "layers", "reason"], rows)]


def _static_fit(data: BundleData, fit: Mapping[str, Any] | None) -> list[Section]:
    quantization = data.manifest.quantization
    if fit is None or quantization is None:
        return []
    inputs, held = fit["inputs"], {layer.name: layer for layer in quantization.layers}
    rows = [
        [
            " ".join(plots.short(name) for name in one["layers"]),
            "none" if one["strength"] is None else f"{one['strength']:g}",
            _rotation(one),
            f"{one['plain_error']:.2g}",
            f"{one['error']:.2g}",
        ]
        for one in sorted(inputs, key=lambda one: -one["plain_error"])[:FITTED]
    ]
    online = [one for one in inputs if one["added"]]
    added = sum(one["added"] for one in online) / max(fit["products"], 1)
    names = [name for one in inputs for name in one["layers"]]
    kept = [name for name in names if held[name].precision == "float"]
    sizes = {name: held[name].rows * held[name].cols for name in names}
    share = sum(sizes[name] for name in kept) / max(sum(sizes.values()), 1)
    text = (
        f"Each input has one fixed range. {sum(one['strength'] is not None for one in inputs)} of "
        f"{len(inputs)} inputs are smoothed, which costs nothing; {len(online)} are rotated while "
        f"the policy runs, {100 * added:.1f} % more products. "
        f"Float stay {_places(kept) or 'none'}, {100 * share:.1f} % of these weights, because "
        "each alone costs the action most. The inputs with the largest errors without a transform:"
    )
    head = ["read by", "smoothing", "rotation", "expected error without", "with"]
    return [Section("Fit to static ranges", text, head, rows)]


def _rotation(one: Mapping[str, Any]) -> str:
    if one["block"] is None:
        return "none"
    return f"blocks of {one['block']}, {'online' if one['added'] else 'folded'}"


def _places(names: Iterable[str]) -> str:
    """Layers of the same place in all blocks (*) as one entry with their number."""
    places = Counter(re.sub(r"\b\d+\b", "*", plots.short(name)) for name in names)
    return ", ".join(f"{place} ({number})" for place, number in places.items())


def _corrections(data: BundleData, found: Mapping[str, Any] | None) -> list[Section]:
    quantization = data.manifest.quantization
    assert quantization is not None
    if not quantization.alpha:
        return []
    figures = [plots.correction_figure(quantization.alpha, quantization.beta)]
    text = f"Kept: {listed_corrections(quantization.corrections_kept)}."
    if found is not None:
        text += (
            f" Left the neutral band: {listed_corrections(found['fitted'])}. Action error on the "
            f"samples that decide: {found['error_plain']:.4g} without, "
            f"{found['error_corrected']:.4g} with (normalized)."
        )
        if found["logits"]:
            figures.append(plots.temperature_figure(found["logits"]))
            text += " The second figure: spread of the logits, before and after."
    return [Section("Attention temperature and output balance", text, figures=figures)]


def _ranking(record: Mapping[str, Any]) -> Section:
    rows = record["layers"]
    text = (
        f"In the unit: {record['unit']}. The worst first: {min(len(rows), plots.RANKED)} of "
        f"{len(rows)} pairs of a layer and its bits are shown."
    )
    if record["budget_bytes"] is not None:
        text += f" Budget: {record['budget_bytes']:,} bytes."
    return Section("Sensitivity", text, figures=[plots.ranking_figure(rows)])


def _layers(data: BundleData) -> Section:
    quantization = data.manifest.quantization
    assert quantization is not None
    totals: dict[tuple[str, str], list[int]] = {}
    for layer in quantization.layers:
        total = totals.setdefault((layer.role, layer.precision), [0, 0])
        total[0] += 1
        total[1] += layer.rows * layer.cols
    rows = [
        [role, precision, str(number), f"{weights:,}"]
        for (role, precision), (number, weights) in totals.items()
    ]
    text = (
        f"Scheme {quantization.scheme}, layout {quantization.layout}, activations of "
        f"{quantization.activation_bits} bits. Bundle {data.sha256[:16]}…"
    )
    return Section("Layers", text, ["role", "precision", "layers", "weights"], rows)
