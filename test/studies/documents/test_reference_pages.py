# SPDX-License-Identifier: Apache-2.0
"""Files that are made from the code are up to date, whole, and mean what the code says."""

from __future__ import annotations

import pytest
import yaml

from quantvla_ros.control.faults import FAULTS, REFUSALS, FaultCode, RefusalCode
from quantvla_ros.serving.joint_limit_texts import JOINT_LIMIT_TEXTS
from quantvla_ros.serving.parameter_table import parameter_table, validate
from studies.documents.reference_pages import (
    COMMAND,
    CONFIG,
    REPOSITORY,
    config_text,
    faults_text,
    main,
    outdated,
    pages,
    parameters_text,
)


@pytest.mark.parametrize("code", [*FaultCode, *RefusalCode])
def test_every_name_has_a_row(code):
    assert f"\n| `{code.value}` | " in faults_text()


def test_tables_know_every_name():
    assert set(FAULTS) == set(FaultCode)
    assert set(REFUSALS) == set(RefusalCode)


def test_thresholds_are_parameters_of_the_node():
    known = {info.name for info in parameter_table()}
    known |= {f"joint_limits.<joint>.{key}" for key in JOINT_LIMIT_TEXTS}
    for entry in FAULTS.values():
        assert set(entry.parameters) <= known
        assert entry.condition and entry.remedy


def test_config_holds_the_defaults():
    values = yaml.safe_load(config_text())["/**"]["ros__parameters"]
    assert validate(values) == validate({})


def test_page_has_every_parameter():
    text = parameters_text()
    assert all(f"| `{info.name}` | {info.kind} |" in text for info in parameter_table())


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
