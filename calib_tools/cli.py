# SPDX-License-Identifier: Apache-2.0
"""The `quantvla` command line. Heavy modules are imported only by the command that needs them."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from calib_tools.common.failures import told
from calib_tools.common.stopping import Stopped, say, stops_on_signals
from quantvla_ros.errors import QuantVLAError

app = typer.Typer(
    name="quantvla",
    help="Calibrate, quantize, judge and show INT8 policies for ROS 2 robots.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

Config = Annotated[
    Path, typer.Option("--config", help="Sources of the samples, as config/calibration.yaml.")
]
Out = Annotated[Path, typer.Option("--out", help="Directory to write.")]
Samples = Annotated[int, typer.Option("--samples", help="Samples wanted.")]
ForPolicy = Annotated[
    Path | None,
    typer.Option("--bundle", help="Policy: instructions that it cannot know are left out."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing output whole.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
BundleDir = Annotated[Path, typer.Argument(help="Directory of a bundle.")]
BufferDir = Annotated[Path, typer.Argument(help="Directory of a calibration buffer.")]


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Calibrate, quantize, judge and show INT8 policies for ROS 2 robots."""
    # `main` reads --debug from the command line: an error may come before this runs.


@app.command(epilog="Example: quantvla demo --quick --out demo_out")
def demo(
    out: Annotated[
        Path, typer.Option("--out", help="Directory to write; an earlier demo is replaced.")
    ] = Path("demo_out"),
    episodes: Annotated[int, typer.Option("--episodes", min=1, help="Episodes a policy.")] = 2,
    quick: Annotated[bool, typer.Option("--quick", help="One episode of the INT8 policy.")] = False,
    policy: Annotated[
        Path | None, typer.Option("--policy", help="Float bundle; the bundled one by default.")
    ] = None,
) -> None:
    """Run the whole chain on the simulated robot, over real ROS topics, and report it."""
    from calib_tools.demo.run import run_demo

    run_demo(out, 1 if quick else episodes, policy)


@app.command(epilog="Example: quantvla record --config config/calibration.yaml --out buffer")
def record(
    config: Config,
    out: Out,
    samples: Samples = 64,
    timeout: Annotated[
        float, typer.Option("--timeout", min=1, help="Longest recording, s.")
    ] = 300.0,
    bundle: ForPolicy = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Record a calibration buffer from live topics; Ctrl-C or SIGTERM keeps what was recorded."""
    from calib_tools.buffer.sources import load_config
    from calib_tools.common.tables import show_selection
    from calib_tools.record.live import record as run

    description = run(load_config(config), out, samples, timeout, force, bundle)
    _print(description.model_dump(mode="json")) if as_json else show_selection(out, description)


@app.command(
    epilog="Example: quantvla select monday/ tuesday/ --config config/calibration.yaml --out buffer"
)
def select(
    bags: Annotated[list[Path], typer.Argument(help="rosbag2 directories (mcap or sqlite3).")],
    config: Config,
    out: Out,
    samples: Samples = 64,
    bundle: ForPolicy = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Make a calibration buffer from bags, through the code that records live."""
    from calib_tools.buffer.sources import load_config
    from calib_tools.common.tables import show_selection
    from calib_tools.record.select import select as run

    description = run(bags, load_config(config), out, samples, force, bundle)
    _print(description.model_dump(mode="json")) if as_json else show_selection(out, description)


@app.command(epilog="Example: quantvla quantize policies/panda buffer --scheme w4a8 --out int4")
def quantize(
    bundle: BundleDir,
    buffer: BufferDir,
    out: Out,
    scheme: Annotated[str, typer.Option(help="w8a8, w4a8, w8a16 or w4a16.")] = "w8a8",
    layout: Annotated[
        str, typer.Option(help="none, llm, dit, llm+dit, llm+dit_mlp; auto measures and chooses.")
    ] = "llm+dit_mlp",
    base: Annotated[str, typer.Option(help="Rounding: rtn, clip or gptq.")] = "gptq",
    condition: Annotated[
        list[str] | None, typer.Option(help="smoothquant or hadamard; repeat it for both.")
    ] = None,
    activations: Annotated[str, typer.Option(help="dynamic or static ranges.")] = "dynamic",
    static_range: Annotated[
        str, typer.Option("--range", help="Static ranges: absmax, percentile or mse.")
    ] = "mse",
    group: Annotated[int | None, typer.Option(help="Inputs a scale of 4-bit weights.")] = None,
    keep_float: Annotated[
        list[str] | None, typer.Option(help="Pattern of layers that stay float; repeatable.")
    ] = None,
    budget: Annotated[
        int | None, typer.Option(min=1, help="Bytes of all weights: mixes 8, 4 bits and float.")
    ] = None,
    sequential: Annotated[
        bool, typer.Option("--sequential", help="Fit each layer behind the quantized ones.")
    ] = False,
    target: Annotated[str, typer.Option(help="Backend that the bundle is made for.")] = "cpu",
    ray: Annotated[str | None, typer.Option(help="Ray cluster for auto, or: local.")] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Make a quantized bundle of a float bundle and judge it; goes on after a stop.

    Exit status 1 when it fails its gate.
    """
    from calib_tools.common.tables import show_gate
    from calib_tools.quantize.command import quantize as run
    from calib_tools.quantize.recipe import Recipe
    from quantvla_ros.quantization.gate import failures

    recipe = Recipe(
        scheme=scheme,
        layout=layout,
        base=base,
        condition=tuple(condition or ()),
        activations=activations,
        range=static_range,
        group=group,
        keep_float=tuple(keep_float or ()),
        budget=budget,
        sequential=sequential,
        target=target,
    )
    gate = run(bundle, buffer, recipe, out, force, ray)
    _print(gate.model_dump()) if as_json else show_gate(gate)
    if not gate.passed:
        raise QuantVLAError(
            f"The bundle '{out}' is written, but it failed its gate ({'; '.join(failures(gate))}); "
            "policy_node refuses it. Take another scheme or layout, or more samples."
        )


@app.command(epilog="Example: quantvla gate int8 policies/panda buffer")
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
    as_json: Json = False,
) -> None:
    """Judge an INT8 bundle against its float bundle again; exit status 1 when it fails."""
    from calib_tools.common.tables import show_gate
    from calib_tools.gate import gate as run

    judged = run(quantized, bundle, buffer, write, backend)
    _print(judged.model_dump()) if as_json else show_gate(judged)
    if not judged.passed:
        raise typer.Exit(1)


@app.command(
    epilog="Example: quantvla bench int8 --against policies/panda --buffer buffer --out bench.json"
)
def bench(
    quantized: BundleDir,
    against: Annotated[Path, typer.Option("--against", help="Its float bundle.")],
    buffer: Annotated[Path, typer.Option("--buffer", help="Calibration buffer with real inputs.")],
    out: Annotated[Path | None, typer.Option("--out", help="File for the JSON record.")] = None,
    rounds: Annotated[int, typer.Option("--rounds", min=10, help="Timed inferences each.")] = 200,
    threads: Annotated[int, typer.Option("--threads", min=1, help="CPU threads.")] = 1,
    backend: Annotated[str, typer.Option(help="What computes both.")] = "cpu",
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Measure latency and memory of INT8 beside compiled float, in turn, in one run."""
    from calib_tools.bench.command import bench as run
    from calib_tools.common.tables import show_bench

    measured = run(quantized, against, buffer, rounds, threads, backend, out, force)
    _print(measured) if as_json else show_bench(measured)


@app.command(
    "bench-schemes",
    epilog="Example: quantvla bench-schemes policies/panda buffer --threads 2 --out schemes; "
    "without a bundle: a random network of SmolVLA's size",
)
def bench_schemes(
    out: Annotated[Path, typer.Option("--out", help="Directory; a bench there goes on.")],
    bundle: Annotated[Path | None, typer.Argument(help="Float bundle.")] = None,
    buffer: Annotated[Path | None, typer.Argument(help="Its calibration buffer.")] = None,
    schemes: Annotated[
        list[str] | None, typer.Option("--scheme", help="Of quantize; all if none.")
    ] = None,
    base: Annotated[str, typer.Option(help="Rounding: rtn, clip or gptq.")] = "gptq",
    rounds: Annotated[int, typer.Option("--rounds", min=3, help="Timed inferences each.")] = 50,
    threads: Annotated[int, typer.Option("--threads", min=1, help="CPU threads.")] = 1,
    as_json: Json = False,
) -> None:
    """Measure every scheme beside compiled float in one run, and how each is made."""
    from calib_tools.common.tables import show_bench_schemes
    from studies.scheme_bench.command import bench_schemes as run

    record = run(bundle, buffer, schemes or [], base, rounds, threads, out)
    _print(record) if as_json else show_bench_schemes(record, out)


@app.command(
    epilog="Example: quantvla ablate policies/panda buffer --variant 'w4a8-gptq*' --out ablation"
)
def ablate(
    bundle: BundleDir,
    buffer: BufferDir,
    out: Annotated[Path, typer.Option("--out", help="Directory; an ablation there goes on.")],
    patterns: Annotated[
        list[str] | None, typer.Option("--variant", help="Name or pattern; all if none.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--setting", help="normal or hard; both if none.")
    ] = None,
    tasks: Annotated[list[str] | None, typer.Option("--task", help="Family; all if none.")] = None,
    episodes: Annotated[
        int, typer.Option(min=0, help="Of each task and setting, even; 0: open loop alone.")
    ] = 50,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; one a CPU core if not given.")
    ] = None,
    fresh: Annotated[
        list[Path] | None, typer.Option(help="Further buffer to measure action errors on.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare the method's parts: make all variants, judge them in open and closed loop."""
    from calib_tools.common.tables import show_ablation
    from studies.ablation.run import ablate as run

    presets = settings or ["normal", "hard"]
    record = run(
        bundle, buffer, patterns or [], presets, tasks or [], episodes, workers, out, fresh or []
    )
    _print(record) if as_json else show_ablation(record, out)


@app.command(
    epilog="Example: quantvla evaluate policies/panda int8 --task pick_place --episodes 100 "
    "--out evaluation_out"
)
def evaluate(
    bundles: Annotated[
        list[str],
        typer.Argument(
            help="Bundles; BUNDLE@rtc runs with real-time chunking, BUNDLE@rtn4-all or @STUDY_FILE "
            "is fake-quantized."
        ),
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
    from calib_tools.common.tables import show_evaluation
    from calib_tools.evaluate.command import run_evaluation

    record = run_evaluation(
        bundles, out, tasks or [], episodes, seeds, shift or [], setting, wordings, latency,
        stop_when_decided, over_ros, controller_rate, workers, ray, gifs,
    )  # fmt: skip
    _print(record) if as_json else show_evaluation(record, out)


@app.command(epilog="Example: quantvla report demo_out --out report.html")
def report(
    run_directory: Annotated[
        Path,
        typer.Argument(
            metavar="RUN", help="A demo, an evaluation, an ablation, or a quantized bundle."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="HTML file to write.")],
    force: Force = False,
) -> None:
    """Make one HTML file, readable offline, from the records of a run."""
    from calib_tools.report.page import write_report

    write_report(run_directory, out, force)
    print(out)


@app.command(epilog="Example: quantvla inspect demo_out/int8")
def inspect(bundle: BundleDir, as_json: Json = False) -> None:
    """Show what is inside a bundle: interface, layers, bytes, gate, hash."""
    from calib_tools.common.tables import show_inspection
    from calib_tools.inspect_bundle import inspect_bundle

    found = inspect_bundle(bundle)
    _print(found) if as_json else show_inspection(found)


@app.command(epilog="Example: quantvla doctor --json")
def doctor(as_json: Json = False) -> None:
    """Show versions, device and ROS settings; exit status 1 when something must be mended."""
    from calib_tools.common.tables import show_examination
    from calib_tools.doctor import examine

    findings = examine()
    _print({"checks": [f.__dict__ for f in findings]}) if as_json else show_examination(findings)
    if any(finding.status == "bad" for finding in findings):
        raise typer.Exit(1)


def _print(content: dict[str, Any]) -> None:
    print(json.dumps(content, indent=2))


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
