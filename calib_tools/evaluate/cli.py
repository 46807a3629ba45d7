# SPDX-License-Identifier: Apache-2.0
"""The command line of `quantvla evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calib_tools.common.options import Json, print_json
from calib_tools.common.simulated_robot import check_simulation


def evaluate(
    context: typer.Context,
    bundles: Annotated[
        list[str],
        typer.Argument(help="Bundles; BUNDLE@rtc: real-time chunking, BUNDLE@BACKEND."),
    ],
    out: Annotated[Path, typer.Option("--out", help="Directory; an evaluation there goes on.")],
    tasks: Annotated[list[str] | None, typer.Option("--task", help="Family; all if none.")] = None,
    episodes: Annotated[int, typer.Option(help="Of each task and shift; even.")] = 100,
    seeds: Annotated[int, typer.Option(help="First seed of the scenes.")] = 5_000_000,
    shift: Annotated[list[str] | None, typer.Option(help="Condition; A+B joins some.")] = None,
    setting: Annotated[str, typer.Option(help="normal or hard.")] = "normal",
    wordings: Annotated[str, typer.Option(help="held-out or training.")] = "held-out",
    latency: Annotated[str, typer.Option(help="From image to chunk, ms, or: measured.")] = "120",
    stop_when_decided: Annotated[
        bool, typer.Option("--stop-when-decided", help="End early by the sequential rule.")
    ] = False,
    backend: Annotated[str | None, typer.Option(help="What computes; cpu if not given.")] = None,
    over_ros: Annotated[bool, typer.Option("--over-ros", help="Through the real node.")] = False,
    controller_rate: Annotated[
        float, typer.Option(help="Cycles a second of the robot's trajectory controller.")
    ] = 500.0,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; one a CPU core if not given.")
    ] = None,
    ray: Annotated[str | None, typer.Option(help="Address of a Ray cluster, or: local.")] = None,
    gifs: Annotated[int, typer.Option(min=0, help="GIFs of failures of each variant.")] = 3,
    as_json: Json = False,
) -> None:
    """Measure success in closed loop, all variants on the same episodes; goes on after a stop."""
    check_simulation()
    from calib_tools.evaluate.command import run_evaluation
    from calib_tools.evaluate.plan import NO_SHIFT
    from calib_tools.evaluate.settings import Asked
    from calib_tools.evaluate.table import show_evaluation
    from simulation.tasks.registry import TASKS

    asked = Asked(
        tasks=tasks or list(TASKS),
        episodes=episodes,
        first_seed=seeds,
        shifts=shift or [NO_SHIFT],
        wordings=wordings,
        latency=latency,
        setting=setting,
        stop_when_decided=stop_when_decided,
        way="ros" if over_ros else "in process",
        controller_rate_hz=controller_rate,
    )
    record = run_evaluation(bundles, asked, out, workers, ray, gifs, context.obj, backend)
    print_json(record) if as_json else show_evaluation(record, out)
