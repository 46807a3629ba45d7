# SPDX-License-Identifier: Apache-2.0
"""The page of faults has them all, with parameters that the node really has."""

from __future__ import annotations

import pytest

from quantvla_ros.control.faults import FAULTS, REFUSALS, FaultCode, RefusalCode
from quantvla_ros.serving.joint_limit_texts import JOINT_LIMIT_TEXTS
from quantvla_ros.serving.parameter_table import parameter_table
from studies.documents.fault_page import page_text


@pytest.mark.parametrize("code", [*FaultCode, *RefusalCode])
def test_every_name_has_a_row(code):
    assert f"\n| `{code.value}` | " in page_text()


def test_tables_know_every_name():
    assert set(FAULTS) == set(FaultCode)
    assert set(REFUSALS) == set(RefusalCode)


def test_thresholds_are_parameters_of_the_node():
    known = {info.name for info in parameter_table()}
    known |= {f"joint_limits.<joint>.{key}" for key in JOINT_LIMIT_TEXTS}
    for entry in FAULTS.values():
        assert set(entry.parameters) <= known
        assert entry.condition and entry.remedy
