# SPDX-License-Identifier: Apache-2.0
"""Make the variants, judge them in open and in closed loop, write the record."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from calib_tools.common.circumstances import circumstances
from calib_tools.common.output import claim_directory, write_json
from calib_tools.common.progress import Bar
from calib_tools.common.record_file import command_line
from calib_tools.common.stopping import goes_on
from calib_tools.evaluate.run import evaluate
from calib_tools.evaluate.settings import Asked, make_settings
from calib_tools.evaluate.statistics import Paired, Rate
from calib_tools.evaluate.variants import parse_variants
from calib_tools.quantize.command import fitting_buffer
from quantvla_ros.bundle.directory import check_writable
from quantvla_ros.bundle.storage import bundle_hash, load_manifest
from quantvla_ros.errors import BundleError, QuantVLAError
from studies.ablation.catalogue import (
    FLOAT,
    AblationVariant,
    budget_between,
    catalogue,
    choose,
)
from studies.ablation.fresh_samples import FreshSamples, Show, summarized
from studies.ablation.making import VariantStore
from studies.ablation.steps import written
from studies.ablation.table import KIND, RECORD
from studies.fake_quantization.changes import read_change
from studies.study import SCHEMA

CLOSED_LOOP = "closed_loop"

Row = dict[str, Any]


@goes_on()
def ablate(
    bundle: Path,
    buffer: Path,
    patterns: Sequence[str],
    settings: Sequence[str],
    tasks: Sequence[str],
    episodes: int,
    workers: int | None,
    out: Path,
    fresh: Sequence[Path] = (),
) -> dict[str, Any]:
    """Do what is missing in `out`, and write the record there.

    Raises:
        QuantVLAError: what the user can mend.
    """
    check_writable(out / RECORD)
    manifest = load_manifest(bundle, check_files=True)
    if manifest.quantization is not None:
        raise BundleError(f"bundle {bundle} is already quantized; give the float bundle")
    chosen = choose(catalogue(budget_between(manifest)), patterns)
    samples = fitting_buffer(bundle, manifest, buffer)
    more = FreshSamples.of(bundle, manifest, samples.sha256, fresh, out) if fresh else None
    closed = _ClosedLoop(bundle, list(dict.fromkeys(settings)), tasks, episodes, workers, out)
    plan = {"kind": KIND, "bundle": bundle_hash(bundle), "buffer": samples.sha256}
    claim_directory(out, plan)
    store = VariantStore(bundle, samples, out)
    rows = _made(store, chosen)
    spread = None if more is None else _measured(store, chosen, rows, more)
    floats = closed.play(FLOAT, str(bundle))
    for variant, row in zip(chosen, rows, strict=True):
        if "refused" not in row:
            played = closed.play(variant.name, store.argument(variant))
            passed = row["gate"]["passed"]
            row["closed_loop"] = {s: _against(floats[s], won, passed) for s, won in played.items()}
    record = {
        "schema": SCHEMA,
        "kind": KIND,
        "command": command_line(),
        **plan,
        "samples": {"calibration": len(samples.calibration), "held_out": len(samples.held_out)},
        "fresh": spread,
        **circumstances(),
        "tasks": closed.tasks,
        "episodes": episodes,
        "float": {setting: _alone(won) for setting, won in floats.items()},
        "variants": rows,
    }
    write_json(out / RECORD, record)
    return record


def _made(store: VariantStore, chosen: Sequence[AblationVariant]) -> list[Row]:
    rows = []
    with Bar("making variants", float(len(chosen))) as bar:
        for place, variant in enumerate(chosen):
            rows.append(store.made(variant, _shown(bar, place, variant)))
            if "refused" in rows[-1]:
                bar.note(f"{variant.name} cannot be made: {rows[-1]['refused']}")
    return rows


def _measured(
    store: VariantStore, chosen: Sequence[AblationVariant], rows: Sequence[Row], fresh: FreshSamples
) -> Row:
    """Give every row its errors on the fresh samples; returns the float policy's own spread."""
    with Bar("fresh samples", float(len(chosen))) as bar:

        def shown(text: str, share: float) -> None:
            bar.show(0.0, f"float: {text}")

        spread = fresh.own_spread(shown)
        for place, (variant, row) in enumerate(zip(chosen, rows, strict=True)):
            if "refused" not in row:
                path, show = store.path(variant), _shown(bar, place, variant)
                errors = fresh.errors(variant.name, path, row["sha256"], show)
                row["fresh"] = summarized(errors, spread)
        return summarized(fresh.spread(shown), spread)


def _shown(bar: Bar, place: int, variant: AblationVariant) -> Show:
    """A function that shows the progress of one variant among all."""
    return lambda text, share: bar.show(place + share, f"{variant.name}: {text}")


class _ClosedLoop:
    """Plays one variant at a time, all on the same episodes, so that each can be added later."""

    def __init__(
        self,
        bundle: Path,
        settings: list[str],
        tasks: Sequence[str],
        episodes: int,
        workers: int | None,
        out: Path,
    ) -> None:
        """Check everything before long work begins."""
        from simulation.tasks.registry import TASKS

        self.tasks = list(tasks) or list(TASKS)
        self._settings = settings if episodes else []
        self._episodes, self._workers, self._out = episodes, workers, out
        if self._settings:
            float_variants = parse_variants([str(bundle)])
            for setting in self._settings:
                make_settings(float_variants, Asked(self.tasks, episodes, setting=setting))

    def play(self, name: str, argument: str) -> dict[str, list[bool]]:
        """By setting, whether each episode of the plan was solved."""
        won = {}
        for setting in self._settings:
            variants = parse_variants([argument], read_change)
            wanted = make_settings(variants, Asked(self.tasks, self._episodes, setting=setting))
            place = self._out / CLOSED_LOOP / setting / f"{name}-{self._episodes}"
            try:
                record = evaluate(variants, wanted, place, self._workers, None, 0)
            except QuantVLAError as error:
                raise QuantVLAError(f"{name}, {setting}: {error}") from error
            won[setting] = [episode["success"] for episode in record["episodes"]]
        return won


def _alone(won: Sequence[bool]) -> Row:
    """A variant's success; its outcomes stay, so that any two variants can be paired later."""
    rate = Rate(sum(won), len(won))
    return {
        "episodes": rate.count,
        "successes": rate.successes,
        "success": round(rate.value, 5),
        "interval_95": [round(end, 5) for end in rate.interval],
        "won": written(won),
    }


def _against(reference: Sequence[bool], won: Sequence[bool], gate_passed: bool) -> Row:
    """A variant's success, paired with float's; the gate agrees when it refuses what is below."""
    pairs = Paired.of(zip(reference, won, strict=True))
    low, high = pairs.interval()
    below = high < 0
    return {
        **_alone(won),
        "difference": round(pairs.difference, 5),
        "difference_interval_95": [round(low, 5), round(high, 5)],
        "mcnemar_p": float(f"{pairs.p_value:.3g}"),
        "below_float": below,
        "gate_agrees": gate_passed != below,
    }
