# SPDX-License-Identifier: Apache-2.0
"""The command line of `quantvla import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calib_tools.common.options import Force, Json, Out, print_json

CheckpointDir = Annotated[Path, typer.Argument(help="Directory of a checkpoint.")]
Robot = Annotated[str, typer.Option("--robot", help="robot.yaml, or the name of a preset.")]
Rate = Annotated[
    float | None,
    typer.Option("--rate", min=0.1, help="Rows of a chunk a second, Hz; else the robot's."),
]
FamilyName = Annotated[
    str | None, typer.Option("--family", help="The family; else read from the checkpoint.")
]
NormStats = Annotated[
    Path | None, typer.Option("--norm-stats", help="Statistics in place of the checkpoint's.")
]
TokenizerPath = Annotated[
    Path | None, typer.Option("--tokenizer", help="tokenizer.json, a .model, or their folder.")
]
Embodiment = Annotated[
    str | None, typer.Option("--embodiment", help="Which of the checkpoint's robots this is.")
]
Sizes = Annotated[
    Path | None, typer.Option("--sizes", help="JSON with sizes other than the published ones.")
]
Base = Annotated[
    Path | None, typer.Option("--base", help="Weights that a LoRA adapter was trained on.")
]


def import_(
    directory: CheckpointDir,
    robot: Robot,
    out: Out,
    rate: Rate = None,
    family: FamilyName = None,
    norm_stats: NormStats = None,
    tokenizer: TokenizerPath = None,
    embodiment: Embodiment = None,
    sizes: Sizes = None,
    base: Base = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Make a float bundle of a checkpoint of LeRobot, openpi or NVIDIA.

    Prints and stores what was understood: cameras, state and actions on the robot, prompt.
    """
    from calib_tools.import_.command import ImportSettings, import_checkpoint, the_contract
    from calib_tools.import_.table import show_contract

    settings = ImportSettings(robot, rate, norm_stats, tokenizer, embodiment, sizes, family, base)
    report = the_contract(import_checkpoint(directory, out, settings, force))
    print_json(report.model_dump()) if as_json else show_contract(report)


def inspect(
    directory: Annotated[Path, typer.Argument(help="Directory of a bundle or a checkpoint.")],
    robot: Annotated[
        str | None, typer.Option("--robot", help="robot.yaml or preset, for a checkpoint.")
    ] = None,
    rate: Rate = None,
    family: FamilyName = None,
    norm_stats: NormStats = None,
    tokenizer: TokenizerPath = None,
    embodiment: Embodiment = None,
    sizes: Sizes = None,
    base: Base = None,
    as_json: Json = False,
) -> None:
    """Show what is inside a bundle, or how a checkpoint would fit a robot; writes nothing."""
    if robot is not None:
        from calib_tools.import_.command import ImportSettings, read_checkpoint, the_contract
        from calib_tools.import_.table import show_contract

        settings = ImportSettings(
            robot, rate, norm_stats, tokenizer, embodiment, sizes, family, base
        )
        report = the_contract(read_checkpoint(directory, settings).manifest)
        print_json(report.model_dump()) if as_json else show_contract(report)
        return
    from calib_tools.inspect_bundle import inspect_bundle, show_inspection

    found = inspect_bundle(directory)
    print_json(found) if as_json else show_inspection(found)
