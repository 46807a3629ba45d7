# SPDX-License-Identifier: Apache-2.0
"""Times peers in turn, in a process of its own: its threads and units are those of them all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from calib_tools.bench.measuring import percentiles, time_in_turn
from quantvla_ros.backends.base import Options, RunningPolicy
from quantvla_ros.backends.registry import find_backend
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.parent_process import tie_to_parent
from studies.peers.catalogue import LIMITED, NO_LIMIT, PEERS
from studies.peers.subject import Subject, observations


def timed(
    subject: Subject, keys: Sequence[str], limited: bool, threads: int, rounds: int
) -> dict[str, Any]:
    """Time peers in a child process.

    Args:
        subject: bundles and observations.
        keys: of peers.
        limited: without VNNI; leaves out who cannot be told so.
        threads: of an inference.
        rounds: timed inferences of each.

    Returns:
        By key: percentiles in ms of one chunk, kernel and bytes; or, as "refused", why not.
    """
    asked = {
        "subject": subject.as_json(),
        "keys": [key for key in keys if not (limited and key in NO_LIMIT)],
        "threads": threads,
        "rounds": rounds,
        "parent": os.getpid(),
    }
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), **(LIMITED if limited else {})}
    command = [sys.executable, "-m", __name__, json.dumps(asked)]
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, check=False)
    if done.returncode:
        raise QuantVLAError(f"the process that timed {len(keys)} runtimes ended by itself")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(
    subject: Subject, keys: Sequence[str], threads: int, rounds: int
) -> dict[str, dict[str, Any]]:
    """Load the peers and time them in turn."""
    policies: dict[str, RunningPolicy] = {}
    found: dict[str, dict[str, Any]] = {}
    for peer in (peer for peer in PEERS if peer.key in keys):
        path = subject.bundles[peer.bundle]
        try:
            policies[peer.key] = find_backend(peer.backend).policy(path, Options(threads))
        except QuantVLAError as error:
            found[peer.key] = {"refused": str(error)}
    samples, _ = time_in_turn(policies, observations(subject), rounds, lambda share: None)
    for key, policy in policies.items():
        found[key] = {
            "latency_ms": percentiles(samples[key]),
            "kernel": policy.kernel,
            "integer_layers": policy.integer_layers,
            "weight_bytes": policy.weight_bytes(),
            "samples_ms": [round(value, 3) for value in samples[key]],
        }
    return found


def _main(asked: Mapping[str, Any]) -> None:
    tie_to_parent(asked["parent"])
    subject = Subject.from_json(asked["subject"])
    print(json.dumps(measure(subject, asked["keys"], asked["threads"], asked["rounds"])))


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))
