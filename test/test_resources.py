# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from quantvla_ros import resources
from quantvla_ros.errors import QuantVLAError


def test_files_of_the_source_tree():
    assert resources.shared_file("config/policy.yaml").is_file()


def test_files_of_an_installation(tmp_path, monkeypatch):
    share = tmp_path / "install" / "share" / "quantvla_ros"
    (share / "config").mkdir(parents=True)
    (share / "config" / "policy.yaml").write_text("")
    monkeypatch.setattr(resources, "__file__", str(tmp_path / "lib" / "quantvla_ros" / "r.py"))
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"/nowhere:{tmp_path / 'install'}")
    assert resources.shared_file("config/policy.yaml") == share / "config" / "policy.yaml"


def test_a_missing_file_says_where_it_was_looked_for(monkeypatch):
    monkeypatch.setenv("AMENT_PREFIX_PATH", "/nowhere")
    with pytest.raises(QuantVLAError, match=r"'policies/none'.*/nowhere/share/quantvla_ros"):
        resources.shared_file("policies/none")
