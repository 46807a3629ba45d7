# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import resource

import pytest

from quantvla_ros.bundle.directory import check_writable, prepare_output, written_directory
from quantvla_ros.errors import OutputExistsError, QuantVLAError


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


def test_a_place_that_can_be_written_is_left_as_it_was(tmp_path):
    check_writable(tmp_path / "a" / "b" / "out")
    prepare_output(tmp_path / "out", force=False)
    assert os.listdir(tmp_path) == []
    (tmp_path / "a").mkdir()
    check_writable(tmp_path / "a" / "b" / "out")
    assert os.listdir(tmp_path / "a") == []


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("file/out", "file: Not a directory"),
        ("file/a/out", "file/a: Not a directory"),
        ("/proc/nothing/out", "/proc/nothing: No such file"),  # as root, too
        ("x" * 250, "File name too long"),
        ("x" * 260 + "/out", "File name too long"),
        ("gone/out", "gone: No such file"),
    ],
)
def test_a_place_that_cannot_be_written_is_named_before_the_work(tmp_path, place, why):
    (tmp_path / "file").write_text("")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    for refuse in (check_writable, lambda out: prepare_output(out, force=True)):
        with pytest.raises(QuantVLAError, match=rf"cannot be written.*{why}.*another place"):
            refuse(tmp_path / place)
    assert sorted(os.listdir(tmp_path)) == ["file", "gone"]


def test_a_disk_that_is_full_already_is_told_before_the_work(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))  # no file may grow
    try:
        with pytest.raises(QuantVLAError, match=r"cannot be written.*File too large"):
            check_writable(tmp_path / "a" / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(tmp_path) == []
