# SPDX-License-Identifier: Apache-2.0
"""The files made from the parameter model are up to date and mean what the model says."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from quantvla_ros.nodes.parameter_model import validate
from quantvla_ros.nodes.parameter_pages import (
    COMMAND,
    CONFIG,
    PAGE,
    config_text,
    page_text,
    write,
)

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("path", "text"), [(CONFIG, config_text()), (PAGE, page_text())])
def test_file_is_up_to_date(path, text):
    assert (ROOT / path).read_text(encoding="utf-8") == text, f"renew it: {COMMAND}"


def test_config_holds_the_defaults():
    values = yaml.safe_load(config_text())["/**"]["ros__parameters"]
    assert validate(values) == validate({})


def test_write_replaces_both_files(tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / CONFIG).write_text("old")
    write(tmp_path)
    assert (tmp_path / CONFIG).read_text() == config_text()
    assert (tmp_path / PAGE).read_text() == page_text()
    assert [p.name for p in (tmp_path / "config").iterdir()] == ["policy.yaml"]
