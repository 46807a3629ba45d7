# SPDX-License-Identifier: Apache-2.0
"""How a study's command ends, and what its record holds."""

from __future__ import annotations

import os
import signal

import pytest

from calib_tools.common.stopping import Stopped
from quantvla_ros.errors import QuantVLAError
from studies.study import read_study, run_study, study_parser

KIND = "calib_tools.some_study"


def options(path, *more):
    return study_parser(KIND, "text", "example").parse_args(["--out", str(path), *more])


def test_record_is_written_whole_and_read_again(tmp_path, capsys):
    chosen = options(tmp_path / "r.json")
    assert chosen.logs.name == "some_study_logs"

    def measure(say):
        say("half of it")
        return {"rows": [1]}

    record = run_study(KIND, chosen, ["--out", str(tmp_path / "r.json")], measure)
    assert record["rows"] == [1]
    assert record["command"] == ["python", "-m", KIND, "--out", "r.json"]
    assert read_study(tmp_path / "r.json", KIND) == record
    assert capsys.readouterr().err == "half of it\n"


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (QuantVLAError("No robot."), 1, "some_study: No robot.\n"),
        (Stopped(signal.SIGINT), 130, "some_study: Stopped by SIGINT; nothing was written.\n"),
    ],
)
def test_study_that_ends_early_writes_nothing(tmp_path, capsys, error, status, said):
    def measure(say):
        raise error

    with pytest.raises(SystemExit) as ended:
        run_study(KIND, options(tmp_path / "r.json"), [], measure)
    assert ended.value.code == status
    assert capsys.readouterr().err == said
    assert not list(tmp_path.iterdir())


def test_study_stops_on_sigterm(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        run_study(
            KIND,
            options(tmp_path / "r.json"),
            [],
            lambda say: os.kill(os.getpid(), signal.SIGTERM) or {},
        )
    assert ended.value.code == 128 + signal.SIGTERM
    assert capsys.readouterr().err == "some_study: Stopped by SIGTERM; nothing was written.\n"


def test_older_record_stays_without_force(tmp_path):
    (tmp_path / "r.json").write_text("old")
    with pytest.raises(SystemExit):
        run_study(KIND, options(tmp_path / "r.json"), [], lambda say: {})
    assert (tmp_path / "r.json").read_text() == "old"
    run_study(KIND, options(tmp_path / "r.json", "--force"), [], lambda say: {})
    assert read_study(tmp_path / "r.json", KIND)["schema"] == 1
