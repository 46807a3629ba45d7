# SPDX-License-Identifier: Apache-2.0
"""Log of a training run: one JSON object a line, and curves drawn from it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from quantvla_ros.whole_file import whole_file

FILE, CURVES = "log.jsonl", "curves.png"


def read(out: Path) -> list[dict[str, Any]]:
    """All lines of a run's log."""
    path = out / FILE
    if not path.exists():
        return []
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue  # cut off by a kill
    return lines


def append(out: Path, line: dict[str, Any]) -> None:
    """Add a line."""
    with (out / FILE).open("a") as stream:
        stream.write(json.dumps(line) + "\n")


def means(steps: Sequence[Mapping[str, Tensor]]) -> dict[str, float]:
    """Mean of each part of the loss over some steps."""
    return {key: round(float(sum(step[key] for step in steps)) / len(steps), 4) for key in steps[0]}


def rewind(out: Path, step: int) -> None:
    """Forget what came after the checkpoint of this step: it is done again."""
    if (out / FILE).exists():
        kept = [line for line in read(out) if line["step"] <= step]
        with whole_file(out / FILE) as temporary:
            temporary.write_text("".join(json.dumps(line) + "\n" for line in kept))


def draw(out: Path) -> None:
    """Draw `curves.png`: the losses, and success in closed loop: checks by family, and `played`."""
    import matplotlib.pyplot as plt
    from matplotlib.figure import Figure

    lines = read(out)
    losses = [line for line in lines if "flow" in line]
    checks = [line for line in lines if "success" in line]
    plt.switch_backend("agg")
    figure: Figure
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    for key in ("flow", "object_patch", "place_patch", "offset", "distance"):
        left.plot([line["step"] for line in losses], [line[key] for line in losses], label=key)
    left.set(xlabel="step", ylabel="loss", yscale="log", title="losses")
    for family in sorted({name for line in checks for name in line["success"]}):
        with_family = [line for line in checks if family in line["success"]]
        right.plot(
            [line["step"] for line in with_family],
            [100 * line["success"][family] for line in with_family],
            marker="o",
            label=family,
        )
    right.set(xlabel="step", ylabel="episodes solved, %", ylim=(-3, 103), title="closed loop")
    played = [line for line in lines if line.get("played")]
    if played:
        right.plot(
            [line["step"] for line in played],
            [100 * line["played"] for line in played],
            color="0.5",
            label="corrected episodes",
        )
    for axes in (left, right):
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend()
    with whole_file(out / CURVES) as temporary:
        figure.savefig(temporary, dpi=100, format="png")
    plt.close(figure)
