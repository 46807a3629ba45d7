# SPDX-License-Identifier: Apache-2.0
"""Files that are made from the code are up to date, and the check says when they are not."""

from __future__ import annotations

from studies.documents.parameter_pages import COMMAND, CONFIG
from studies.documents.reference_pages import REPOSITORY, main, outdated, pages


def test_files_are_up_to_date():
    assert outdated(REPOSITORY) == [], f"renew them: {COMMAND}"


def test_writing_then_checking_agrees(tmp_path, capsys):
    (tmp_path / CONFIG).parent.mkdir()
    (tmp_path / CONFIG).write_text("old")
    assert main(["--check"], tmp_path) == 1
    assert f"{CONFIG} is not what the code says" in capsys.readouterr().err
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0
    assert {p.relative_to(tmp_path) for p in tmp_path.rglob("*.*")} == set(pages())
    assert main([], tmp_path) == 0
    assert capsys.readouterr().out.count("config") == 1, "what is right is left alone"
