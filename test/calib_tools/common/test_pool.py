# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.evaluation_players import Broken, Doomed, Mortal, Quick, Refusing, jobs
from support.process_life import alive, import_path
from support.waiting import wait_until

from calib_tools.common.pool import play_in_processes
from quantvla_ros.errors import QuantVLAError


def processes_of(folder: Path) -> set[int]:
    return {int(path.name.split("_")[1]) for path in folder.glob("played_*")}


def test_every_job_comes_back_once_from_two_processes(tmp_path):
    played = list(play_in_processes(jobs(12, tmp_path), 2, Quick))
    assert sorted(job.episode.index for job, _ in played) == list(range(12))
    assert all(outcome.seconds == job.episode.index for job, outcome in played)
    assert 1 <= len(processes_of(tmp_path)) <= 2
    assert os.getpid() not in processes_of(tmp_path)


def test_the_episode_of_a_killed_worker_is_played_again_and_counted_once(tmp_path):
    played = list(play_in_processes(jobs(6, tmp_path), 2, Mortal))
    assert (tmp_path / "died").exists()
    assert sorted(job.episode.index for job, _ in played) == list(range(6))


def test_an_episode_that_always_ends_its_worker_is_named(tmp_path):
    with pytest.raises(QuantVLAError, match="Episode 1 of 'float' ended its worker 3 times"):
        list(play_in_processes(jobs(3, tmp_path), 1, Doomed))


def test_what_a_user_caused_is_their_sentence_and_a_mistake_is_a_traceback(tmp_path):
    with pytest.raises(QuantVLAError, match=r"^The bundle was changed\.$"):
        list(play_in_processes(jobs(1, tmp_path), 1, Refusing))
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        list(play_in_processes(jobs(1, tmp_path), 1, Broken))


def test_closing_early_ends_the_processes(tmp_path):
    iterator = play_in_processes(jobs(9, tmp_path), 2, Quick)
    next(iterator)
    iterator.close()
    assert not any(alive(pid) for pid in processes_of(tmp_path))
    assert len(list(tmp_path.glob("played_*"))) < 9


def test_workers_die_with_a_killed_parent(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from support.evaluation_players import Endless, jobs\n"
        "from calib_tools.common.pool import play_in_processes\n"
        "list(play_in_processes(jobs(2, Path(sys.argv[1])), 2, Endless))\n"
    )
    script = tmp_path / "parent.py"
    script.write_text(
        f"if __name__ == '__main__':\n    {code.replace(chr(10), chr(10) + '    ')}\n"
    )
    folder = tmp_path / "played"
    folder.mkdir()
    environment = {**os.environ, "PYTHONPATH": import_path()}
    parent = subprocess.Popen([sys.executable, script, folder], env=environment)
    try:
        wait_until(lambda: len(processes_of(folder)) == 2, 60)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    wait_until(lambda: not any(alive(pid) for pid in processes_of(folder)), 20)
