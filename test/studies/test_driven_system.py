# SPDX-License-Identifier: Apache-2.0
"""What a study sees of the running system, with a made-up operator in its place."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from quantvla_ros.errors import QuantVLAError
from studies import driven_system
from studies.driven_system import DrivenSystem


class Child:
    def __init__(self):
        self.ended = False

    def check(self):
        if self.ended:
            raise QuantVLAError("policy ended with status -9")


@pytest.fixture
def system(monkeypatch):
    monkeypatch.setattr(driven_system, "WAIT_S", 0.05)
    monkeypatch.setattr(driven_system, "QUIET_S", 0.01)
    said = {"control": ("DRY_RUN", {"late": "3"})}
    operator = SimpleNamespace(
        policy=SimpleNamespace(diagnostics=said.__getitem__),
        tap=SimpleNamespace(next=lambda wait_s: None),
    )
    system = DrivenSystem(operator, [Child()])
    system.said = said
    return system


@pytest.mark.parametrize(
    ("message", "mode", "fault"),
    [
        ("DRY_RUN", "DRY_RUN", ""),
        ("ARMED: following", "ARMED", ""),
        ("STALE_CAMERA: nothing on /wrist for 0.3 s", "STALE_CAMERA", "STALE_CAMERA"),
        ("not configured", "not", ""),
    ],
)
def test_mode_and_fault(system, message, mode, fault):
    system.said["control"] = (message, {})
    assert (system.mode, system.fault) == (mode, fault)


def test_waiting_returns_what_came_or_names_what_did_not(system):
    values = iter([0, 0, 7])
    assert system.wait(lambda: next(values), "seven") == 7
    with pytest.raises(QuantVLAError, match="No motion within 0 s; the node says 'DRY_RUN'"):
        system.wait(lambda: False, "motion")
    system.until_quiet()


def test_waiting_ends_with_a_process(system):
    system.children[0].ended = True
    with pytest.raises(QuantVLAError, match="status -9"):
        system.wait(lambda: False, "motion")


def test_a_request_is_made_until_it_is_accepted(system):
    refused = []

    def request():
        if len(refused) < 2:
            refused.append(1)
            raise QuantVLAError("stale")

    system.until_accepted(request)
    assert len(refused) == 2
