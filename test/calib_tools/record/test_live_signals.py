# SPDX-License-Identifier: Apache-2.0
"""Recording ends by a signal and keeps what it has."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

import pytest
import yaml
from support.streaming_robot import StreamingRobot
from support.waiting import patient

from calib_tools.buffer.store import load_buffer

ENOUGH = 40
"""Samples of a recording before it is ended; a buffer needs 32."""
LONG = 1000  # frames: longer than any recording here


class Recording:
    """`quantvla record` in a process, which would go on for long."""

    def __init__(self, folder, config, before=None, **streams):
        path = folder / "config.yaml"
        path.write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
        arguments = ["record", "--config", path, "--out", folder / "buffer", "--samples", "1000"]
        program = ["-m", "calib_tools.cli"] if before is None else ["-c", before]
        self.process = subprocess.Popen(
            [sys.executable, *program, *map(str, arguments)],
            start_new_session=True,
            # A shell starts what runs in the background, these tests perhaps, deaf to it.
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
            env=os.environ | {"COLUMNS": "200"},
            **streams,
        )

    def wait_for_samples(self, read):
        different, deadline = 0, time.monotonic() + patient(60)
        while different < ENOUGH and time.monotonic() < deadline:
            for shown in re.findall(r"(\d+) different, ", read()):
                different = int(shown)
        assert different >= ENOUGH


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_what_was_recorded(tmp_path, config, streams, number):
    with StreamingRobot(streams.robot(LONG)):
        recording = Recording(
            tmp_path, config, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        recording.wait_for_samples(recording.process.stderr.readline)
        os.killpg(recording.process.pid, number)
        _, errors = recording.process.communicate(timeout=patient(30))
    assert recording.process.returncode == 0, errors
    assert "keeping what was recorded" in errors
    assert len(load_buffer(tmp_path / "buffer").samples) >= ENOUGH


def test_a_terminal_that_is_closed_keeps_what_was_recorded(tmp_path, config, streams):
    ours, theirs = os.openpty()
    with StreamingRobot(streams.robot(LONG)), open(ours, "rb", buffering=0) as terminal:
        # The first terminal that a process without one opens becomes its own.
        take = f"import os, runpy; os.open({os.ttyname(theirs)!r}, os.O_RDWR); "
        run = "runpy.run_module('calib_tools.cli', run_name='__main__')"
        recording = Recording(
            tmp_path, config, stdin=theirs, stdout=theirs, stderr=theirs, before=take + run
        )
        os.close(theirs)
        # Redrawn in place: there is no line to wait for.
        recording.wait_for_samples(lambda: terminal.read(4096).decode(errors="replace"))
        terminal.close()
        recording.process.wait(patient(30))
    assert recording.process.returncode == 0
    assert len(load_buffer(tmp_path / "buffer").samples) >= ENOUGH


def test_nobody_who_reads_the_progress_keeps_what_was_recorded(tmp_path, config, streams):
    """Ctrl-C also ends a `tee` that shows and keeps what is printed."""
    with StreamingRobot(streams.robot(LONG)):
        recording = Recording(
            tmp_path, config, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        recording.wait_for_samples(recording.process.stderr.readline)
        recording.process.stderr.close()
        os.killpg(recording.process.pid, signal.SIGINT)
        recording.process.wait(patient(30))
    assert len(load_buffer(tmp_path / "buffer").samples) >= ENOUGH
