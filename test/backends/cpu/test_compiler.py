# SPDX-License-Identifier: Apache-2.0
"""A machine that cannot compile says so before it loads or makes anything."""

from __future__ import annotations

import stat

import pytest

from quantvla_ros.backends.cpu import compiler
from quantvla_ros.backends.cpu.compiled import check_can_compile
from quantvla_ros.backends.policy import load_policy
from quantvla_ros.errors import BackendError


@pytest.fixture(autouse=True)
def asked_anew():
    compiler.why_not_compiling.cache_clear()
    yield
    compiler.why_not_compiling.cache_clear()


def fake_compiler(path, text: str):
    path.write_text(f"#!/bin/sh\ncat >/dev/null\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_this_machine_compiles():
    assert not compiler.why_not_compiling()


def test_no_compiler_is_told_before_the_bundle_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(BackendError, match=r"'g\+\+' is not installed.*apt install.*CXX.*compiled"):
        load_policy(tmp_path / "nothing", compiled=True)


def test_the_compiler_is_the_one_that_inductor_takes(tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "'no-such-compiler' is not installed" in compiler.why_not_compiling()


def test_missing_headers_are_told_by_the_compilers_own_words(tmp_path, monkeypatch):
    said = "echo 'x:1:10: fatal error: Python.h: No such file or directory' >&2; exit 1"
    monkeypatch.setenv("CXX", fake_compiler(tmp_path / "c++", said))
    with pytest.raises(BackendError, match=r"cannot be used \(Python.h: No such file"):
        compiler.check_compiler()


def test_a_file_that_does_not_start_is_told(tmp_path, monkeypatch):
    path = tmp_path / "c++"
    path.write_bytes(b"\x7fELF no program")
    path.chmod(0o755)
    monkeypatch.setenv("CXX", str(path))
    assert "does not start" in compiler.why_not_compiling()


def test_a_folder_for_compiled_code_that_cannot_be_used_is_named(monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "/proc/nothing")
    with pytest.raises(BackendError, match="'/proc/nothing' of TORCHINDUCTOR_CACHE_DIR cannot"):
        check_can_compile()


def test_compiled_code_is_kept_with_the_other_files(tmp_path, monkeypatch):
    import os

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "")  # put back afterwards, whatever it was
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    check_can_compile()
    chosen = os.environ["TORCHINDUCTOR_CACHE_DIR"]
    assert chosen.startswith(str(tmp_path / "quantvla_ros" / "compiled" / "cpu-"))
    check_can_compile()
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == chosen
