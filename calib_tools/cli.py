# SPDX-License-Identifier: Apache-2.0
"""The `quantvla` command line. Heavy modules are imported only by the command that needs them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Annotated

import typer

from calib_tools.bench.cli import bench
from calib_tools.build.cli import build
from calib_tools.check_robot.cli import check_robot
from calib_tools.common.failures import told
from calib_tools.common.options import BufferDir, BundleDir, Json, Residency, print_json
from calib_tools.common.stopping import Stopped, say, stops_on_signals
from calib_tools.demo.cli import demo
from calib_tools.evaluate.cli import evaluate
from calib_tools.import_.cli import import_, inspect
from calib_tools.quantize.cli import quantize
from calib_tools.record.cli import record, select
from calib_tools.report.cli import report

app = typer.Typer(
    name="quantvla",
    help="Calibrate, quantize, judge and show INT8 policies for ROS 2 robots.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Calibrate, quantize, judge and show INT8 policies for ROS 2 robots."""
    # `main` reads --debug from the command line: an error may come before this runs.


def gate(
    quantized: BundleDir,
    bundle: BundleDir,
    buffer: BufferDir,
    write: Annotated[
        bool, typer.Option("--write", help="Put the judgement into the INT8 bundle.")
    ] = False,
    backend: Annotated[
        str | None, typer.Option(help="What computes it; the bundle's own if none is given.")
    ] = None,
    resident: Residency = "all",
    as_json: Json = False,
) -> None:
    """Judge an INT8 bundle against its float bundle again; exit status 1 when it fails."""
    from calib_tools.common.tables import show_gate
    from calib_tools.gate import gate as run

    judged = run(quantized, bundle, buffer, write, backend, resident)
    print_json(judged.model_dump()) if as_json else show_gate(judged)
    if not judged.passed:
        raise typer.Exit(1)


def doctor(as_json: Json = False) -> None:
    """Show versions, device and ROS settings; exit status 1 when something must be mended."""
    from calib_tools.doctor import examine, show_examination

    findings = examine()
    checks = {"checks": [finding.__dict__ for finding in findings]}
    print_json(checks) if as_json else show_examination(findings)
    if any(finding.status == "bad" for finding in findings):
        raise typer.Exit(1)


_COMMANDS: tuple[tuple[Callable[..., None], str], ...] = (
    (demo, "demo --quick --out demo_out"),
    (record, "record --config config/calibration.yaml --out buffer"),
    (select, "select monday/ tuesday/ --config config/calibration.yaml --out buffer"),
    (import_, "import checkpoint/ --robot so101 --out float"),
    (quantize, "quantize policies/panda buffer --scheme w4a8 --out int4"),
    (gate, "gate int8 policies/panda buffer"),
    (build, "build int8"),
    (bench, "bench int8 --against policies/panda --buffer buffer --out bench.json"),
    (evaluate, "evaluate policies/panda int8 --task pick_place --episodes 100 --out evaluation"),
    (report, "report demo_out --out report.html"),
    (inspect, "inspect demo_out/int8"),
    (check_robot, "check-robot so101.yaml"),
    (doctor, "doctor --json"),
)
"""Every command with an example of its use."""
for _command, _example in _COMMANDS:
    app.command(
        _command.__name__.rstrip("_").replace("_", "-"), epilog=f"Example: quantvla {_example}"
    )(_command)


def main() -> None:
    """Run the command line; an error a user can cause is one sentence and exit status 1.

    A signal that stops it is a sentence too, and exit status 128 + its number.
    """
    debug = "--debug" in sys.argv[1:]
    try:
        with stops_on_signals(), nullcontext() if debug else told("quantvla"):
            app()
    except Stopped as stop:
        say(f"quantvla: {stop.text}.")
        raise
    except Exception as error:
        if debug:
            raise
        kind = type(error).__name__
        print(
            f"quantvla: an error inside the program ({kind}: {error}); `quantvla --debug ...` "
            "shows where.",
            file=sys.stderr,
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
