# SPDX-License-Identifier: Apache-2.0
"""Makes what is missing, times it, and has the gate and the simulator judge it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from calib_tools.common.circumstances import circumstances
from calib_tools.common.progress import Report
from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.processor import has_vnni
from studies.peers.catalogue import PEERS
from studies.peers.files import quantize_graphs, write_graphs
from studies.peers.subject import LIMITED_W8A8, Subject, observations
from studies.peers.timing import timed

PLAYED = ("float", "float@nncf_ptq", "float@nncf_groups", "static@openvino", "w8a8")
FILED = ("ort_dynamic", "nncf_ptq", "nncf_groups")


def make_graphs(subject: Subject, keys: Sequence[str], report: Report) -> None:
    """The graphs of all runtimes that need files."""
    for name in ("float", "static"):
        write_graphs(subject.bundles[name], report)
    if any(peer.key in keys and peer.backend in FILED for peer in PEERS):
        quantize_graphs(subject.bundles["float"], observations(subject, held_out=False), report)


def timings(
    subject: Subject, keys: Sequence[str], threads: Sequence[int], rounds: int, report: Report
) -> list[dict[str, Any]]:
    """All peers by every number of threads, with and without the processor's VNNI."""
    without = {**subject.bundles, "w8a8": subject.bundles[LIMITED_W8A8]}
    found = []
    for limited in (False, True) if has_vnni() else (False,):
        given = replace(subject, bundles=without) if limited else subject
        for count in threads:
            report(f"timing{' without VNNI' if limited else ''} on {count} thread(s)")
            peers = timed(given, keys, limited, count, rounds)
            found.append({"vnni": has_vnni() and not limited, "threads": count, "peers": peers})
    return found


def judged(subject: Subject, keys: Sequence[str], report: Report) -> dict[str, dict[str, Any]]:
    """What the gate says of every peer that is not float32, on the buffer's held-out samples."""
    from calib_tools.quantize.judging import chunks_of, draws_of, judge_chunks
    from quantvla_ros.backends.base import Options
    from quantvla_ros.backends.policy import load_policy
    from quantvla_ros.backends.registry import find_backend
    from quantvla_ros.quantization.gate import load_thresholds

    seen = observations(subject)
    reference = load_policy(subject.bundles["float"])
    draws = draws_of(reference, seen)
    found = {}
    for peer in (peer for peer in PEERS if peer.key in keys and not peer.float):
        report(f"gate: {peer.key}")
        path = subject.bundles[peer.bundle]
        policy = find_backend(peer.backend).policy(path, Options())
        chunks = chunks_of(policy, seen)
        gate = judge_chunks(
            reference.manifest, draws, chunks, seen, load_thresholds(), policy.kernel, peer.backend
        )
        worst = gate.worst
        assert worst is not None
        found[peer.key] = {
            "passed": gate.passed, "error_share": worst.error_share, "chunk_mae": worst.chunk_mae,
        }  # fmt: skip
    return found


def played(subject: Subject, episodes: int, work: Path, workers: int | None) -> dict[str, Any]:
    """The same episodes of all tasks by float and by INT8 of several makers; goes on after a stop.

    Args:
        subject: bundles with their graphs.
        episodes: of each task.
        work: directory of the evaluation.
        workers: processes; one a core if None.
    """
    from calib_tools.evaluate.command import run_evaluation
    from calib_tools.evaluate.settings import Asked
    from simulation.tasks.registry import TASKS

    place = subject.bundles["float"].parent
    variants = [str(place / name) for name in PLAYED]
    asked = Asked(tasks=list(TASKS), episodes=episodes)
    record = run_evaluation(variants, asked, work, workers, None, 0)
    return {key: record[key] for key in ("settings", "speed", "aggregates", "comparisons")}


def about(subject: Subject) -> dict[str, Any]:
    """Network, processor and versions."""
    manifest = load_manifest(subject.bundles["float"])
    return {
        "network": {"family": manifest.family, "random": subject.buffer is None},
        **circumstances(),
    }
