# SPDX-License-Identifier: Apache-2.0
"""The command line of `quantvla check-robot`."""

from __future__ import annotations

from typing import Annotated

import typer

from calib_tools.common.options import Json, print_json


def check_robot(
    robot: Annotated[str, typer.Argument(help="robot.yaml, or the name of a preset.")],
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="To listen, s.")] = 5.0,
    as_json: Json = False,
) -> None:
    """Listen to a robot's live topics: what is missing, wrong or too slow; moves nothing.

    Exit status 1 when something must be mended.
    """
    from calib_tools.check_robot.command import check_robot as run
    from calib_tools.doctor import show_examination

    found = run(robot, seconds)
    checks = {"checks": [fact.__dict__ for fact in found]}
    print_json(checks) if as_json else show_examination(found)
    if any(fact.status == "bad" for fact in found):
        raise typer.Exit(1)
