# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from calib_tools.common.output import check_file_free, write_json
from quantvla_ros.errors import OutputExistsError
from quantvla_ros.whole_file import write_file


def test_a_file_is_written_whole_and_readable_by_others(tmp_path):
    path = tmp_path / "a" / "report.html"
    write_file(path, "one")
    write_file(path, b"two")
    assert path.read_text() == "two"
    assert path.stat().st_mode & 0o777 == 0o644
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


def test_a_number_that_json_lacks_leaves_the_old_file(tmp_path):
    path = tmp_path / "record.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": 1}


def test_an_interrupted_rename_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("os.replace", lambda a, b: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_file(tmp_path / "x", "text")
    assert not list(tmp_path.iterdir())


def test_existing_outputs_are_refused(tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(OutputExistsError, match="--force"):
        check_file_free(tmp_path / "x", force=False)
    check_file_free(tmp_path / "x", force=True)
    with pytest.raises(OutputExistsError, match="directory"):
        check_file_free(tmp_path, force=True)
