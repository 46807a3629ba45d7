# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os

import pytest

from quantvla_ros.bundle.directory import prepare_output, written_directory
from quantvla_ros.errors import OutputExistsError


def write(out, text, force=False):
    with written_directory(out, force) as fresh:
        (fresh / "file").write_text(text)


def test_a_directory_appears_with_its_missing_parents(tmp_path):
    out = tmp_path / "a" / "b"
    write(out, "new")
    assert (out / "file").read_text() == "new"
    assert os.listdir(out.parent) == ["b"]


def test_an_existing_directory_is_refused_and_kept(tmp_path):
    out = tmp_path / "out"
    write(out, "old")
    with pytest.raises(OutputExistsError, match="--force"):
        write(out, "new")
    assert (out / "file").read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]


def test_force_replaces_the_whole_directory(tmp_path):
    out = tmp_path / "out"
    write(out, "old")
    (out / "left over").write_text("x")
    write(out, "new", force=True)
    assert os.listdir(out) == ["file"]
    assert (out / "file").read_text() == "new"
    assert os.listdir(tmp_path) == ["out"]


def test_a_failure_while_writing_leaves_everything_as_it_was(tmp_path):
    out = tmp_path / "out"
    write(out, "old")
    with pytest.raises(KeyboardInterrupt), written_directory(out, force=True) as fresh:
        (fresh / "file").write_text("half")
        raise KeyboardInterrupt
    assert (out / "file").read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]


def test_a_failed_swap_puts_the_old_directory_back(tmp_path, monkeypatch):
    out = tmp_path / "out"
    write(out, "old")
    replace = os.replace

    def failing(source, target):
        if str(source).endswith(".new"):
            raise OSError("disk gone")
        replace(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(OSError, match="disk gone"):
        write(out, "new", force=True)
    assert (out / "file").read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]


def test_a_directory_made_meanwhile_is_not_overwritten(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(OutputExistsError), written_directory(out, force=False):
        out.mkdir()
    assert os.listdir(tmp_path) == ["out"]


def test_a_file_is_never_replaced(tmp_path):
    out = tmp_path / "out"
    out.write_text("precious")
    with pytest.raises(OutputExistsError, match="no directory"):
        prepare_output(out, force=True)


def test_the_working_directory_and_its_parents_are_never_replaced(tmp_path, monkeypatch):
    inner = tmp_path / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    for out in (inner, tmp_path):
        with pytest.raises(OutputExistsError, match="would delete"):
            prepare_output(out, force=True)
