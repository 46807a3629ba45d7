# SPDX-License-Identifier: Apache-2.0
"""The command lines of `quantvla record` and `quantvla select`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calib_tools.common.options import Force, Json, Out, print_json

Config = Annotated[
    Path | None,
    typer.Option("--config", help="Sources of the samples, as config/calibration.yaml."),
]
Robot = Annotated[
    str, typer.Option("--robot", help="In place of --config: a robot.yaml, or a preset's name.")
]
Samples = Annotated[int, typer.Option("--samples", help="Samples wanted.")]
ForPolicy = Annotated[
    Path | None,
    typer.Option("--bundle", help="Policy: instructions that it cannot know are left out."),
]


def record(
    out: Out,
    config: Config = None,
    robot: Robot = "",
    samples: Samples = 64,
    timeout: Annotated[
        float, typer.Option("--timeout", min=1, help="Longest recording, s.")
    ] = 300.0,
    bundle: ForPolicy = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Record a calibration buffer from live topics; Ctrl-C or SIGTERM keeps what was recorded."""
    from calib_tools.record.live import record as run
    from calib_tools.record.robot_sources import read_sources
    from calib_tools.record.table import show_selection

    description = run(read_sources(config, robot), out, samples, timeout, force, bundle)
    print_json(description.model_dump(mode="json")) if as_json else show_selection(out, description)


def select(
    bags: Annotated[list[Path], typer.Argument(help="rosbag2 or LeRobot directories.")],
    out: Out,
    config: Config = None,
    robot: Robot = "",
    samples: Samples = 64,
    bundle: ForPolicy = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Make a calibration buffer of bags or LeRobot data sets, as if they were recorded."""
    from calib_tools.record.robot_sources import read_sources
    from calib_tools.record.select import select as run
    from calib_tools.record.table import show_selection
    from quantvla_ros.resources import shared_file
    from quantvla_ros.robot.robot_file import PRESETS, read_robot

    known = read_sources(config, robot)
    found = read_robot(robot, shared_file(PRESETS)) if robot else None
    description = run(bags, known, out, samples, force, bundle, found)
    print_json(description.model_dump(mode="json")) if as_json else show_selection(out, description)
