# SPDX-License-Identifier: Apache-2.0
"""Plays jobs as tasks of a Ray cluster; a task whose worker or node is lost runs again."""

from __future__ import annotations

import signal
import socket
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from calib_tools.common.failures import sentence
from calib_tools.common.work import AnyResult, AnyWork, MakePlayer, RetryCounter, WorkPlayer
from quantvla_ros.errors import QuantVLAError

LOCAL = "local"
_KNOCK_S = 5.0

_players: dict[
    MakePlayer[Any, Any], WorkPlayer[Any, Any]
] = {}  # of this process: Ray uses it for many tasks


def play_job(job: Any, make_player: MakePlayer[Any, Any]) -> Any:
    """In a Ray worker: play one job; what a user caused comes back as a value."""
    try:
        if make_player not in _players:
            _players[make_player] = make_player()
        return _players[make_player].play(job)
    except Exception as error:
        said = sentence(error)
        if said is None:
            raise
        return QuantVLAError(said)


def play_on_ray(
    jobs: Sequence[AnyWork],
    address: str,
    workers: int,
    make_player: MakePlayer[AnyWork, AnyResult],
) -> Iterator[tuple[AnyWork, AnyResult]]:
    """Play the jobs, begun in their order; closing the iterator leaves the cluster.

    The package and the bundles must lie at the same places on every node.

    Args:
        jobs: to play.
        address: of the cluster; "local" starts one of `workers` processes on this machine.
        workers: see `address`.
        make_player: called once in each process.

    Yields:
        Each job once, with its outcome, in the order of the ends.

    Raises:
        QuantVLAError: Ray is not installed, the cluster cannot be reached, a player refused a job,
            or a job ended its worker again and again.
    """
    ray = _connected(address, workers)
    try:
        remote = ray.remote(num_cpus=1, max_retries=0)(play_job)
        slots = max(1, int(ray.cluster_resources().get("CPU", 1)))
        waiting = deque(jobs)
        running: dict[Any, AnyWork] = {}
        lost = RetryCounter()
        while waiting or running:
            while waiting and len(running) < slots:
                job = waiting.popleft()
                running[remote.remote(job, make_player)] = job
            (ended,), _ = ray.wait(list(running), num_returns=1)
            job = running.pop(ended)
            try:
                outcome = ray.get(ended)
            except ray.exceptions.RayTaskError:
                raise  # the player's own error, with its traceback
            except ray.exceptions.RayError as error:
                lost.note(job, type(error).__name__)
                waiting.appendleft(job)
                continue
            if isinstance(outcome, QuantVLAError):
                raise outcome
            yield job, outcome
    finally:
        ray.shutdown()


def _connected(address: str, workers: int) -> Any:
    try:
        import ray
    except ImportError as error:
        raise QuantVLAError(
            "Ray is not installed; `pip install ray`, or leave out --ray."
        ) from error
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    before = signal.getsignal(signal.SIGTERM)
    try:
        if address == LOCAL:
            ray.init(address=LOCAL, num_cpus=workers, include_dashboard=False, **quiet)
        else:
            _knock(address)
            ray.init(address=address, **quiet)
    except Exception as error:  # Ray raises bare ones when it is slow to start
        raise QuantVLAError(
            f"No Ray cluster answers at '{address}' ({type(error).__name__}); start one with "
            f"`ray start --head`, or give '{LOCAL}'."
        ) from error
    finally:
        signal.signal(signal.SIGTERM, before)  # Ray's own would end the process at once
    return ray


def _knock(address: str) -> None:
    """Raise OSError when nothing listens at HOST:PORT: Ray itself tries for more than a minute."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), timeout=_KNOCK_S).close()
