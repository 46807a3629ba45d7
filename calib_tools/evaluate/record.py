# SPDX-License-Identifier: Apache-2.0
"""`evaluation.json`: settings, machine, episodes and figures of one evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from calib_tools.common.circumstances import circumstances
from calib_tools.common.record_file import command_line, read_record_file
from calib_tools.evaluate.aggregate import aggregates, comparisons
from calib_tools.evaluate.outcome import Outcome
from calib_tools.evaluate.plan import PlannedEpisode
from calib_tools.evaluate.sequential import Look
from calib_tools.evaluate.settings import SCHEMA, Settings
from calib_tools.evaluate.store import Key

RECORD = "evaluation.json"
KIND = "quantvla evaluation"


def make_record(
    settings: Settings,
    latency_ms: Mapping[str, float],
    plan: Sequence[PlannedEpisode],
    finished: Mapping[Key, Outcome],
    last_look: Look | None,
    speed: Mapping[str, Any],
    failures: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Bring everything together.

    Args:
        settings: of the evaluation.
        latency_ms: label -> simulated latency; what the node measured where it ran over ROS.
        plan: the episodes that count: fewer than planned when the rule ended it early.
        finished: holds all of them for every variant.
        last_look: of the sequential rule; None when it was not used.
        speed: how fast it was.
        failures: variant, index and GIF of some failed episodes.
    """
    labels = [variant.label for variant in settings.variants]
    return {
        "schema": SCHEMA,
        "kind": KIND,
        "command": command_line(),
        "settings": settings.model_dump(mode="json"),
        "latency_ms": dict(latency_ms),
        **circumstances(),
        "speed": dict(speed),
        "decisions": asdict(last_look) if last_look is not None else None,
        "aggregates": aggregates(labels, plan, finished),
        "comparisons": comparisons(labels, plan, finished),
        "failures": list(failures),
        "episodes": [
            {"variant": label, **asdict(episode), **finished[(label, episode.index)].as_dict()}
            for episode in plan
            for label in labels
        ],
    }


def read_record(path: Path) -> dict[str, Any]:
    """Read a record.

    Raises:
        QuantVLAError: it is missing, damaged, something else, or of another version.
    """
    return read_record_file(
        path, KIND, SCHEMA, "quantvla evaluate", "use the package that wrote it, or evaluate again"
    )
