# SPDX-License-Identifier: Apache-2.0
"""`quantvla demo`: the stages of the whole chain, one after the other."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from calib_tools.bench.floats import fastest_told
from calib_tools.buffer.messages import RawMessage, decode
from calib_tools.buffer.sources import load_config
from calib_tools.buffer.store import load_buffer
from calib_tools.common.output import write_json
from calib_tools.common.panda_limits import panda_limits
from calib_tools.common.progress import Report
from calib_tools.common.ros_domain import own_ros_domain
from calib_tools.common.setpoints import Shares
from calib_tools.common.stopping import Stopped
from calib_tools.demo.stages import Stages
from calib_tools.demo.summary import CalibrationSize, Summary, summarize
from calib_tools.system.policy_run import FIRST_SEED, PolicyRun, System, run_policy
from calib_tools.system.processes import Processes
from calib_tools.system.trace import SETPOINTS, HeardSetpoints
from quantvla_ros.backends.base import Options
from quantvla_ros.backends.registry import DEFAULT, find_backend
from quantvla_ros.bundle.directory import prepare_output, written_directory
from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.errors import BundleError, OutputExistsError, QuantVLAError
from quantvla_ros.resources import shared_file
from quantvla_ros.whole_file import write_file

DEFAULT_POLICY = "policies/panda"
TASK = "pick_place"  # what a policy of the user's own is asked for
SAMPLES = 64
SCHEME, LAYOUT = "w8a8", "llm+dit_mlp"
_ROUNDS = 80
_CHUNKS = 2
_PICTURES = 4
_POLL_S = 0.2
_RECORDED_EPISODES = 4  # at least: one of each task, for what calibration never saw is cut off
_ENOUGH = 1000.0  # candidates a sample: the recording ends with the episodes, not before
_CURVE_STEP_S = 0.04


def run_demo(out: Path, episodes: int, policy: Path | None) -> None:
    """Run the chain and write its results to `out`, whole or not at all.

    Args:
        out: directory; an earlier demo there is replaced.
        episodes: of each policy; of the float one not fewer than its samples need.
        policy: float bundle; the bundled one, which knows every task, when None.

    Raises:
        QuantVLAError: `out` is something else than an earlier demo, or a stage failed; the
            sentence names the process and its log, which stays.
    """
    _check_replaceable(out)
    prepare_output(out, force=True)
    find_backend(DEFAULT).check(Options())
    bundle = policy or shared_file(DEFAULT_POLICY)
    if load_manifest(bundle, check_files=True).quantization is not None:
        raise BundleError(f"The bundle '{bundle}' is quantized; the demo needs a float bundle.")
    from simulation.tasks.registry import TASKS

    tasks = [TASK] if policy else list(TASKS)
    logs = Path(tempfile.mkdtemp(prefix="quantvla-demo-"))
    logs.chmod(0o755)  # it becomes a part of the output
    try:
        with (
            own_ros_domain() as environment,
            written_directory(out, force=True) as draft,
        ):
            summary = _run(draft, bundle, tasks, episodes, logs, environment)
            shutil.copytree(logs, draft / "logs")
    except Stopped:
        shutil.rmtree(logs)
        raise
    shutil.rmtree(logs)
    _show(out, summary)


def _run(
    draft: Path,
    bundle: Path,
    tasks: Sequence[str],
    episodes: int,
    logs: Path,
    environment: dict[str, str],
) -> Summary:
    stages = Stages(6)
    started = time.monotonic()
    places = {name: draft / name for name in ("float", "int8", "buffer", "records")}
    places["records"].mkdir()
    shutil.copytree(bundle, places["float"])
    config = logs / "calibration.yaml"
    _write_config(config)
    record: list[str | Path] = ["record", "--config", config]
    record += ["--out", places["buffer"], "--samples", str(SAMPLES)]
    runs: dict[str, PolicyRun] = {}
    with Processes(logs, environment) as processes:
        with stages.stage(
            "record", "The float policy moves the robot; samples are recorded"
        ) as report:
            runs["float"] = run_policy(
                processes,
                _system("float", places, tasks),
                max(episodes, _RECORDED_EPISODES),
                report,
                recorder_arguments=record,
            )
            report(_successes(runs["float"]))
        tool = _Tool(processes)
        with stages.stage("quantize", f"INT8: scheme {SCHEME}, layout {LAYOUT}") as report:
            what = [places["float"], places["buffer"], "--scheme", SCHEME, "--layout", LAYOUT]
            tool.run("quantize", [*what, "--out", places["int8"]], report)
            quantized = load_manifest(places["int8"])
            assert quantized.quantization is not None and quantized.gate is not None
            layers = sum(r.precision != "float" for r in quantized.quantization.layers)
            report(f"{layers} integer layers")
        with stages.stage("gate", "INT8 judged against float on held-out samples") as report:
            tool.run("gate", [places["int8"], places["float"], places["buffer"]], report)
            worst = quantized.gate.worst
            assert worst is not None  # the demonstration's policy moves an arm
            report(f"passed, mean difference {worst.chunk_mae:.5f} {worst.unit}")
        with stages.stage("bench", "Latency of INT8 beside the fastest float") as report:
            file = places["records"] / "bench.json"
            what = [places["int8"], "--against", places["float"], "--buffer", places["buffer"]]
            tool.run("bench", [*what, "--rounds", str(_ROUNDS), "--out", file], report)
            bench = json.loads(file.read_text(encoding="utf-8"))
            report(f"speedup {bench['speedup']:.2f} beside float {fastest_told(bench)}")
        with stages.stage("int8", "The INT8 policy moves the robot") as report:
            runs["int8"] = run_policy(processes, _system("int8", places, tasks), episodes, report)
            report(_successes(runs["int8"]))
    with stages.stage("report", "Report") as report:
        buffer = load_buffer(places["buffer"])
        size = CalibrationSize(samples=len(buffer.calibration), held_out=len(buffer.held_out))
        _write_records(draft, quantized, runs, report)
        summary = summarize(
            ", ".join(tasks),
            quantized,
            size,
            bench,
            {name: run.node_record for name, run in runs.items()},
            {name: run.episodes for name, run in runs.items()},
            _setpoint_shares(runs["int8"]),
            {**stages.durations_s, "total": time.monotonic() - started},
        )
        write_json(draft / "summary.json", summary.as_json())
        report("the page is made")
        from calib_tools.report.page import write_report

        write_report(draft, draft / "report.html", force=False)
    return summary


def _system(name: str, places: Mapping[str, Path], tasks: Sequence[str]) -> System:
    record = places["records"] / f"{name}_node.json"
    robot = {"seed": str(FIRST_SEED), "task": ",".join(tasks)}
    return System(name, places[name], record, robot=robot)


class _Tool:
    """Runs commands of `quantvla` as processes of their own, as a user would."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    def run(self, command: str, arguments: list[Any], report: Report) -> None:
        child = self._processes.start(command, "calib_tools.cli", command, *arguments)
        while child.status is None:  # it shows how far it is; a slow machine takes its time
            report(child.last_line)
            time.sleep(_POLL_S)
        child.wait(0.0)


def _write_records(
    draft: Path, quantized: BundleManifest, runs: dict[str, PolicyRun], report: Report
) -> None:
    from calib_tools.demo.chunk_pairs import chunk_pairs
    from calib_tools.system.animation import animation, compose
    from calib_tools.system.trace import read_trace, thinned

    records = draft / "records"
    episodes = {name: [asdict(episode) for episode in run.episodes] for name, run in runs.items()}
    write_json(records / "episodes.json", episodes)
    report("pictures")
    trace = read_trace(runs["int8"].arrivals, quantized.interface.action.names)
    if not any(frame.instruction for frame in trace.frames):
        raise QuantVLAError("No pictures arrived while the INT8 policy moved the robot.")
    motion = {
        "joints": trace.joints,
        "units": quantized.interface.action.units,
        "measured": thinned(trace.measured, _CURVE_STEP_S),
        "commanded": thinned(trace.commanded, _CURVE_STEP_S),
    }
    write_json(records / "motion.json", motion)
    frames = [frame for frame in trace.frames if frame.instruction]
    write_file(draft / "demo.gif", animation(frames))
    pictures = draft / "pictures"
    pictures.mkdir()
    last = len(frames) - 1
    for i in range(_PICTURES):
        compose(frames[i * last // (_PICTURES - 1)]).save(pictures / f"{i + 1}.png")
    report("chunks")
    held_out = load_buffer(draft / "buffer", quantized.interface.state.names).held_out
    pairs = chunk_pairs(draft / "float", draft / "int8", held_out[:_CHUNKS])
    write_json(records / "chunks.json", pairs)


def _setpoint_shares(run: PolicyRun) -> Shares:
    limits = panda_limits()
    heard = HeardSetpoints(limits.names)
    for arrival in run.arrivals:
        if arrival.topic == SETPOINTS:
            heard.take(decode(RawMessage(arrival.topic, arrival.msgtype, arrival.data)))
    return heard.shares(limits)


def _write_config(path: Path) -> None:
    config = load_config(shared_file("config/calibration.yaml"))
    changed = config.model_copy(update={"candidates_per_sample": _ENOUGH})
    path.write_text(yaml.safe_dump(changed.model_dump(mode="json"), sort_keys=False))


def _successes(run: PolicyRun) -> str:
    return f"{sum(e.success for e in run.episodes)} of {len(run.episodes)} episodes solved"


def _check_replaceable(out: Path) -> None:
    if not out.exists():
        return
    try:
        found = json.loads((out / "summary.json").read_text(encoding="utf-8"))
        ours = isinstance(found, dict) and "calibration" in found and "schema" in found
    except (OSError, ValueError):
        ours = False
    if not ours:
        raise OutputExistsError(
            f"'{out}' exists and is no earlier demo (it has no summary.json of one); choose "
            "another --out."
        )


def _show(out: Path, summary: Summary) -> None:
    episodes, control = summary.episodes, summary.control
    print(
        f"Gate {'passed' if summary.gate.passed else 'failed'}, speedup {summary.speedup:.2f} "
        f"beside float {summary.fastest_float}, "
        f"episodes solved: float {episodes.float.success} of {episodes.float.n}, INT8 "
        f"{episodes.int8.success} of {episodes.int8.n}; jitter p99 {control.jitter_ms.p99:.2f} ms"
    )
    for name, count in summary.faults.items():
        print(f"The node stopped {count} times with {name}; see docs/reference/faults.md.")
    print(f"Open {out / 'report.html'}")
