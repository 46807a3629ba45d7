# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from calib_tools.demo.stages import Stages


def test_stages_are_numbered_named_and_timed(capsys):
    stages = Stages(2)
    with stages.stage("first", "Record [16 samples]") as say:
        say("one")
        say("16 kept")
    with stages.stage("second", "Quantize"):
        pass
    shown = capsys.readouterr().err
    assert "[1/2] Record [16 samples]" in shown
    assert "16 kept" in shown
    assert "[2/2] Quantize" in shown
    assert list(stages.durations_s) == ["first", "second"]
    assert all(seconds >= 0 for seconds in stages.durations_s.values())


def test_a_stage_that_fails_is_not_called_done(capsys):
    stages = Stages(1)
    with pytest.raises(ZeroDivisionError), stages.stage("first", "Record"):
        raise ZeroDivisionError
    assert "done" not in capsys.readouterr().err
    assert stages.durations_s == {}
