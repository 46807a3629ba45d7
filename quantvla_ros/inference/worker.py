# SPDX-License-Identifier: Apache-2.0
"""The process that owns a backend; started by `quantvla_ros.inference.process`, never by hand."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import select
import signal
import time
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from quantvla_ros.backends.base import Options, RunningPolicy
from quantvla_ros.backends.registry import find_backend
from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.errors import BundleError, QuantVLAError
from quantvla_ros.inference.channel import Channel, chunk_checksum
from quantvla_ros.inference.messages import Done, Failed, Ready, Request, Start, receive, send
from quantvla_ros.processing.noise import draw_noise
from quantvla_ros.processing.trained_range import TrainedRange
from quantvla_ros.robot.observation import Observation
from quantvla_ros.robot.tip_pose import FarPoseError

NICENESS = 5
WARM_UPS = 3
STARTING = 0  # id of failures before the first request


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve one node until it goes away.

    Args:
        arguments: inherited descriptors: control connection, memory block, life line.
    """
    parser = argparse.ArgumentParser()
    for name in ("connection", "memory", "life"):
        parser.add_argument(f"--{name}", type=int, required=True)
    options = parser.parse_args(arguments)
    for fd in (options.connection, options.memory, options.life):
        os.set_inheritable(fd, False)  # a compiler that outlives this process must not hold them
    # Ctrl-C and a service manager's stop reach every process: the node decides when this one ends,
    # because it may still need chunks or be stopping the arm.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    end_with(options.life)
    yield_to_node()
    connection = Connection(options.connection)
    with contextlib.suppress(EOFError, OSError):  # the node is gone
        _work(connection, options.memory)
    os._exit(0)  # nothing is left to save, and unloading the backend's libraries takes seconds


def yield_to_node() -> None:
    """Run below the node, whose control loop must keep its rate on a busy machine."""
    # A node with real-time threads hands their priority on to the processes that they start.
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.nice(NICENESS)


def end_with(life: int) -> None:
    """Have the kernel end this process when the other end of the pipe `life` closes.

    The node holds that end, so this also works when the node was killed and when the backend hangs
    without returning to Python. (PR_SET_PDEATHSIG would fire when the node's *thread* that started
    the worker ends.)
    """
    # To the group, of which the compilers that the backend starts are too.
    fcntl.fcntl(life, fcntl.F_SETOWN, -os.getpgid(0))
    fcntl.fcntl(life, fcntl.F_SETFL, os.O_ASYNC)  # SIGIO, whose default is to terminate
    if select.select([life], [], [], 0.0)[0]:  # it closed before: no signal comes any more
        os._exit(0)


def _work(connection: Connection, memory: int) -> None:
    start = receive(connection)
    assert isinstance(start, Start)
    try:
        manifest = load_manifest(Path(start.bundle))
        channel = Channel(manifest.interface, memory)
        policy = _load(start)
        warmup_ms = _warm_up(policy, manifest)
    except Exception as error:
        send(connection, _failed(STARTING, error))
        return
    send(
        connection,
        Ready(
            kernel=policy.kernel,
            integer_layers=policy.integer_layers,
            weight_bytes=policy.weight_bytes(),
            warmup_ms=warmup_ms,
        ),
    )
    while True:
        request = receive(connection)
        assert isinstance(request, Request)
        send(connection, _answer(policy, manifest, channel, request))


def _load(start: Start) -> RunningPolicy:
    options = Options(start.threads, start.resident)
    return find_backend(start.backend).policy(Path(start.bundle), options)


def _warm_up(policy: RunningPolicy, manifest: BundleManifest) -> list[float]:
    """Run synthetic observations; the first ones compile and fill caches."""
    interface, times = manifest.interface, []
    joints = TrainedRange(manifest).mean_si.astype(np.float32)
    rng = np.random.default_rng(0)
    for counter in range(WARM_UPS):
        observation = Observation(
            images={
                c.name: rng.integers(0, 256, (c.height, c.width, 3), np.uint8)
                for c in interface.cameras
            },
            joints=joints,
            instruction="warm up",
            stamp=0.0,
        )
        begin = time.perf_counter()
        with contextlib.suppress(FarPoseError):  # such pictures may ask for anything
            policy.infer(observation, draw_noise(manifest, 0, counter))
        times.append((time.perf_counter() - begin) * 1e3)
    return times


def _answer(
    policy: RunningPolicy, manifest: BundleManifest, channel: Channel, request: Request
) -> Done | Failed:
    try:
        noise = draw_noise(manifest, request.seed, request.counter)
        chunk = policy.infer(channel.read_observation(), noise, channel.read_prefix())
        channel.write_chunk(chunk.actions, chunk.stamp)
    except Exception as error:
        return _failed(request.id, error)
    return Done(
        id=request.id,
        checksum=chunk_checksum(chunk.actions, chunk.stamp),
        timings_ms=chunk.timings_ms,
        steps_ms=chunk.steps_ms,
    )


def _failed(request_id: int, error: Exception) -> Failed:
    traceback.clear_frames(error.__traceback__)  # they may hold all the memory there was
    if isinstance(error, QuantVLAError):
        text = str(error)
    else:
        traceback.print_exception(error)  # to the node's log
        reason = (str(error).strip().splitlines() or ["no message"])[0]
        text = f"the backend raised {type(error).__name__}: {reason}"
    return Failed(id=request_id, text=text, bundle=isinstance(error, BundleError))


if __name__ == "__main__":
    main()
