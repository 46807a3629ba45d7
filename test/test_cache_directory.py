# SPDX-License-Identifier: Apache-2.0
"""Where files are kept: at home, and beside the temporary files where there is no home."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from quantvla_ros.cache_directory import cache_directory, why_not_at_home
from quantvla_ros.errors import QuantVLAError


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """The folder for temporary files, an empty one."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def private(temporary: Path) -> Path:
    return temporary / f"quantvla_ros-{os.geteuid()}"


def no_home(monkeypatch) -> None:
    """As in a container whose user is in no list: not even the list of users knows a home."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)


def test_the_home_is_taken_where_there_is_one(tmp_path, temporary, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_directory("kernels", executable=True) == tmp_path / "cache/quantvla_ros/kernels"
    assert not why_not_at_home()
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("broken", ["none", "a file", "/proc/nothing"])
def test_without_a_home_that_can_be_written_a_private_folder_is_used(
    tmp_path, temporary, monkeypatch, broken
):
    if broken == "none":
        no_home(monkeypatch)
    elif broken == "a file":
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", broken)
    assert why_not_at_home()
    folder = cache_directory("kernels")
    assert folder == private(temporary) / "kernels" and folder.is_dir()
    assert private(temporary).stat().st_mode & 0o777 == 0o700
    assert cache_directory("kernels") == folder  # the next process finds it


@pytest.mark.parametrize("owned", ["writable by all", "a link"])
def test_a_folder_in_which_others_could_put_code_is_not_used(
    tmp_path, temporary, monkeypatch, owned
):
    no_home(monkeypatch)
    if owned == "a link":
        (tmp_path / "elsewhere").mkdir()
        private(temporary).symlink_to(tmp_path / "elsewhere")
    else:
        private(temporary).mkdir()
        private(temporary).chmod(0o777)
    with pytest.raises(QuantVLAError, match=r"another user.*set XDG_CACHE_HOME"):
        cache_directory("kernels")


def test_the_variable_is_named_where_nothing_can_be_written(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nothing")
    monkeypatch.setattr("tempfile.tempdir", "/proc/nothing_either")
    with pytest.raises(QuantVLAError, match=r"/proc/nothing.*set XDG_CACHE_HOME"):
        cache_directory()


def test_code_is_not_kept_where_it_cannot_be_executed(tmp_path, temporary, monkeypatch):
    mount = tmp_path / "noexec"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "noexec,size=64k", "tmpfs", str(mount)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        monkeypatch.setenv("XDG_CACHE_HOME", str(mount))
        assert cache_directory("scenes").is_relative_to(mount)
        assert cache_directory("kernels", executable=True).is_relative_to(temporary)
        assert "noexec" in why_not_at_home(executable=True)
    finally:
        subprocess.run(["umount", str(mount)], check=True)
