# SPDX-License-Identifier: Apache-2.0
"""Plays jobs in local processes, one thread each; a process that dies is replaced."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing import connection
from typing import Any, Generic, cast

from calib_tools.common.failures import sentence
from calib_tools.common.work import AnyResult, AnyWork, MakePlayer, RetryCounter
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.parent_process import tie_to_parent

_DONE, _REFUSED, _FAILED = "done", "refused", "failed"


class _Worker(Generic[AnyWork, AnyResult]):
    """A process, the pipe to it, and the job it has."""

    def __init__(self, make_player: MakePlayer[AnyWork, AnyResult]) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=_serve, args=(theirs, make_player, os.getpid()), daemon=True
        )
        self.process.start()
        theirs.close()  # so that its end is seen as an end of file
        self.job: AnyWork | None = None

    def give(self, job: AnyWork) -> None:
        self.job = job
        try:
            self.pipe.send(job)
        except OSError:
            return  # it is dead, which `take` will find out

    def take(self) -> tuple[str, Any] | None:
        """Its answer; None when it has died."""
        try:
            answer: tuple[str, Any] = self.pipe.recv()
        except (EOFError, OSError):
            return None
        return answer

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def play_in_processes(
    jobs: Sequence[AnyWork], workers: int, make_player: MakePlayer[AnyWork, AnyResult]
) -> Iterator[tuple[AnyWork, AnyResult]]:
    """Play the jobs, begun in their order; closing the iterator ends the processes at once.

    A job whose process died is played again in a new one. No process outlives this one.

    Yields:
        Each job once, with its outcome, in the order of the ends.

    Raises:
        QuantVLAError: a player refused a job, or a job ended its process again and again.
        RuntimeError: a player failed; the text holds its traceback.
    """
    waiting = deque(jobs)
    lost = RetryCounter()
    crew: list[_Worker[AnyWork, AnyResult]] = []
    try:
        for _ in range(min(workers, len(jobs))):
            crew.append(_Worker(make_player))
        while waiting or any(worker.job for worker in crew):
            for worker in crew:
                if worker.job is None and waiting:
                    worker.give(waiting.popleft())
            busy = {worker.pipe: worker for worker in crew if worker.job}
            for pipe in connection.wait(list(busy)):
                worker = busy[pipe]  # type: ignore[index]
                job, worker_answer = worker.job, worker.take()
                assert job is not None
                worker.job = None
                if worker_answer is None:
                    worker.end()
                    lost.note(job, f"status {worker.process.exitcode}")
                    waiting.appendleft(job)
                    crew[crew.index(worker)] = _Worker(make_player)
                else:
                    yield job, cast(AnyResult, _outcome(worker_answer))
    finally:
        for worker in crew:
            worker.end()


def _outcome(answer: tuple[str, Any]) -> Any:
    kind, content = answer
    if kind == _REFUSED:
        raise QuantVLAError(content)
    if kind == _FAILED:
        raise RuntimeError(f"a worker failed:\n{content}")
    return content


def _serve(pipe: Any, make_player: MakePlayer[Any, Any], parent: int) -> None:
    """The worker's main function."""
    tie_to_parent(parent)
    player = None
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        try:
            player = player or make_player()
            pipe.send((_DONE, player.play(job)))
        except Exception as error:
            said = sentence(error)
            refused = (_REFUSED, said)
            pipe.send((_FAILED, traceback.format_exc()) if said is None else refused)
