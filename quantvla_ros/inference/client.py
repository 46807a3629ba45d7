# SPDX-License-Identifier: Apache-2.0
"""The node's side of inference: ask for a chunk, look whether it has come."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.errors import BackendError
from quantvla_ros.inference.channel import chunk_checksum
from quantvla_ros.inference.messages import Done, Failed, Ready, Request, Start, receive, send
from quantvla_ros.inference.process import WorkerProcess
from quantvla_ros.robot.action_prefix import ActionPrefix, check_prefix
from quantvla_ros.robot.chunk import Chunk
from quantvla_ros.robot.observation import Observation, check_observation

_END_S = 0.02  # a killed process closes its pipe a moment before its status can be read


@dataclass(frozen=True)
class ChunkResult:
    """A chunk and the time from `request` to the `poll` that gave it, s, steady clock."""

    chunk: Chunk
    latency_s: float


@dataclass(frozen=True)
class Failure:
    """Why no chunk came; where `InferenceClient.running` is false only a new `start` helps."""

    code: Literal["WORKER_DIED", "INFERENCE_TIMEOUT", "BACKEND_ERROR"]
    text: str


Result = ChunkResult | Failure


@dataclass(frozen=True)
class _Flight:
    id: int
    since: float


class InferenceClient:
    """Owns a worker process; all methods may be called from any thread.

    Attributes:
        ready: what the worker said of its policy, None before the first `start`.
    """

    def __init__(
        self,
        bundle: Path,
        backend: str,
        threads: int,
        timeout_s: float,
        resident: str = "all",
    ) -> None:
        """Remember what to run; `start` runs it.

        Args:
            bundle: directory of the bundle.
            backend: name of the one that computes.
            threads: of the numerical libraries in the worker.
            timeout_s: an inference that takes longer ends the worker.
            resident: see `Options`.
        """
        self._start = Start(
            bundle=str(Path(bundle).absolute()),
            backend=backend,
            threads=threads,
            resident=resident,
        )
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._starting = threading.Lock()
        self._cancelled = threading.Event()
        self._worker: WorkerProcess | None = None
        self._flight: _Flight | None = None
        self._alive = False
        self._last_id = 0
        self.ready: Ready | None = None

    @property
    def busy(self) -> bool:
        """Whether a request is in flight."""
        return self._flight is not None

    @property
    def running(self) -> bool:
        """Whether a worker is warmed up and, as far as `poll` has seen, alive."""
        return self._alive

    @property
    def pid(self) -> int | None:
        """Process id of the worker, None without one."""
        worker = self._worker
        return worker.pid if worker else None

    def start(self, timeout_s: float = 300.0) -> None:
        """End the worker there is, start one and wait until it is warmed up.

        Args:
            timeout_s: for loading and warming up together.

        Raises:
            BundleError: the bundle is damaged.
            BackendError: the worker did not get ready, or `close` was called, even before.
        """
        with self._starting:
            self._end_worker()
            self._interface = load_manifest(Path(self._start.bundle)).interface
            worker = WorkerProcess(self._interface, self._start)
            self.ready = worker.wait_ready(timeout_s, self._cancelled.is_set)
            with self._lock:
                self._worker, self._flight, self._alive = worker, None, True

    def request(
        self,
        observation: Observation,
        seed: int,
        counter: int,
        prefix: ActionPrefix | None = None,
    ) -> None:
        """Ask for a chunk without waiting; one request at a time.

        Args:
            observation: copied before this returns.
            seed: of the noise, for the run.
            counter: of the noise, for this request.
            prefix: what the robot does until the chunk takes over, which the chunk continues.

        Raises:
            QuantVLAError: observation or prefix do not fit the bundle.
            BackendError: no worker runs, or a request is in flight.
        """
        with self._lock:
            worker = self._worker
            if worker is None or not self._alive:
                raise BackendError("no inference worker runs; start one first")
            if self._flight is not None:
                raise BackendError("an inference is in flight; ask again when it is done")
            check_observation(self._interface, observation)
            if prefix is not None:
                check_prefix(self._interface, prefix)
            worker.channel.write_observation(observation)
            worker.channel.write_prefix(prefix)
            self._last_id += 1
            self._flight = _Flight(self._last_id, time.monotonic())
            with contextlib.suppress(OSError):  # the worker is gone: the next poll says so
                send(worker.connection, Request(id=self._last_id, seed=seed, counter=counter))

    def poll(self, wait_s: float = 0.0) -> Result | None:
        """Look for a result, or for the end of the worker, which it reports once.

        Args:
            wait_s: wait at most this long for something to happen.

        Returns:
            None while there is nothing to tell.
        """
        with self._lock:
            worker = self._worker
            if worker is None or not self._alive:
                return None
            flight = self._flight
            deadline = flight.since + self._timeout_s if flight else float("inf")
            if worker.connection.poll(max(0.0, min(wait_s, deadline - time.monotonic()))):
                return self._received(worker)
            if time.monotonic() >= deadline:
                worker.kill()
                self._flight, self._alive = None, False
                return Failure(
                    "INFERENCE_TIMEOUT",
                    f"the inference took longer than {self._timeout_s:g} s; its worker was ended",
                )
            return None

    def _received(self, worker: WorkerProcess) -> Result:
        try:
            message = receive(worker.connection)
        except (EOFError, OSError):
            self._flight, self._alive = None, False
            return Failure("WORKER_DIED", worker.describe_end(_END_S))
        except ValueError:
            return self._give_up(worker, "sent something that is no message")
        flight, self._flight = self._flight, None
        if flight is None or not isinstance(message, Done | Failed) or message.id != flight.id:
            return self._give_up(worker, "sent an answer that nobody asked for")
        if isinstance(message, Failed):
            return Failure("BACKEND_ERROR", message.text)
        actions, stamp = worker.channel.read_chunk()
        if chunk_checksum(actions, stamp) != message.checksum:
            return self._give_up(worker, "left a damaged chunk in the shared memory")
        latency_s = time.monotonic() - flight.since
        chunk = Chunk(actions, stamp, message.timings_ms, message.steps_ms)
        return ChunkResult(chunk, latency_s)

    def _give_up(self, worker: WorkerProcess, what: str) -> Failure:
        """End a worker that cannot be trusted any more."""
        worker.kill()
        self._flight, self._alive = None, False
        return Failure(
            "BACKEND_ERROR", f"the inference worker (process {worker.pid}) {what}; it was ended"
        )

    def close(self) -> None:
        """End the worker, or the start of one in another thread, for good; may be called twice."""
        self._cancelled.set()
        with self._starting:
            self._end_worker()

    def _end_worker(self) -> None:
        with self._lock:
            worker, self._worker = self._worker, None
            self._flight, self._alive = None, False
        if worker is not None:
            worker.close()
