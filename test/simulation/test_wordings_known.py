# SPDX-License-Identifier: Apache-2.0
"""The node follows every sentence that the simulated robot and the studies ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantvla_ros.bundle.storage import load_manifest, load_tokenizer
from quantvla_ros.processing.instruction import InstructionCheck, Judgement
from simulation.tasks.registry import TASKS, make_task
from studies.fault_study.wave_policy import INSTRUCTION

BUNDLE = Path(__file__).parents[2] / "policies" / "panda"


@pytest.fixture(scope="module")
def check():
    return InstructionCheck(load_tokenizer(BUNDLE, load_manifest(BUNDLE)))


@pytest.mark.parametrize("family", TASKS)
def test_bundled_policy_knows_every_wording(check, family):
    task = make_task(family)
    for goal in task.all_goals:
        for template in (*task.wordings, *task.held_out_wordings):
            text = template.format(object=goal.object, destination=goal.destination)
            assert check.judge(text) == Judgement(), text


def test_studies_ask_for_something_known(check):
    assert check.judge(INSTRUCTION) == Judgement()
    assert check.judge("wave").refusal  # as they once did
