# SPDX-License-Identifier: Apache-2.0
"""The public API: the page's examples run as they stand there."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest

import quantvla_ros

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/python-api.md"


@pytest.mark.filterwarnings("ignore")
def test_the_examples_give_what_the_page_says(tmp_path, monkeypatch, tiny_bundle, tiny_buffer):
    (tmp_path / "float").symlink_to(tiny_bundle)
    (tmp_path / "buffer").symlink_to(tiny_buffer)
    monkeypatch.chdir(tmp_path)
    found = doctest.testfile(str(PAGE), module_relative=False)
    assert found.attempted > 10 and not found.failed


def test_the_page_names_all_that_is_public():
    rows = re.findall(r"^\| (`.+?) \|", PAGE.read_text(encoding="utf-8"), re.M)
    named = [name for row in rows for name in re.findall(r"`(\w+)", row)]
    assert sorted(named) == sorted(quantvla_ros.__all__)
    for name in named:
        assert getattr(quantvla_ros, name).__name__ == name


def test_importing_the_package_imports_neither_torch_nor_ros():
    code = "import sys, quantvla_ros; print([n for n in ('torch', 'rclpy') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = quantvla_ros.nothing
