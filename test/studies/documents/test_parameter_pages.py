# SPDX-License-Identifier: Apache-2.0
"""The texts made from the parameter model mean what the model says."""

from __future__ import annotations

import yaml

from quantvla_ros.serving.parameter_table import parameter_table, validate
from studies.documents.parameter_pages import config_text, page_text


def test_config_holds_the_defaults():
    values = yaml.safe_load(config_text())["/**"]["ros__parameters"]
    assert validate(values) == validate({})


def test_page_has_every_parameter():
    text = page_text()
    assert all(f"| `{info.name}` | {info.kind} |" in text for info in parameter_table())
