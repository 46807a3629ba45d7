# SPDX-License-Identifier: Apache-2.0
"""The command line of `quantvla demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calib_tools.common.simulated_robot import check_simulation


def demo(
    out: Annotated[
        Path, typer.Option("--out", help="Directory to write; an earlier demo is replaced.")
    ] = Path("demo_out"),
    episodes: Annotated[int, typer.Option("--episodes", min=1, help="Episodes a policy.")] = 4,
    quick: Annotated[bool, typer.Option("--quick", help="One episode of the INT8 policy.")] = False,
    policy: Annotated[
        Path | None, typer.Option("--policy", help="Float bundle; the bundled one by default.")
    ] = None,
) -> None:
    """Run the whole chain on the simulated robot, over real ROS topics, and report it."""
    check_simulation()
    from calib_tools.demo.run import run_demo

    run_demo(out, 1 if quick else episodes, policy)
