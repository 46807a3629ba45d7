# SPDX-License-Identifier: Apache-2.0
"""Instructions that the policy cannot know: the arm holds, and everybody is told why."""

from __future__ import annotations

import pytest
from diagnostic_msgs.srv import AddDiagnostics
from support.waiting import wait_until

from quantvla_ros.errors import QuantVLAError

UNUSABLE = {
    "schwinge": "the policy knows 0 of 1 words of the instruction 'schwinge'",
    "schwinge bitte nach links": "the policy knows 0 of 4 words",
    "swing swing swing swing left": "has 5 tokens and the policy reads 4, so that 'left' would be",
    "swing " * 100: "has 599 bytes and at most 512 are allowed",
    "左" * 171: "has 513 bytes and at most 512 are allowed",
    "?!": "the instruction '?!' holds no word",
}


@pytest.fixture
def instruct(policy, graph):
    """Call the node's service; returns its response."""

    def call(text):
        request = AddDiagnostics.Request(load_namespace=text)
        return graph.call(AddDiagnostics, f"/{policy.name}/instruct", request)

    return call


@pytest.mark.parametrize("text", UNUSABLE, ids=lambda text: text[:12])
def test_arming_is_refused_with_a_sentence(policy, robot, text):
    policy.bring_to_dry_run()
    robot.instruct(text)
    wait_until(
        lambda: UNUSABLE[text] in policy.client.diagnostics("inputs")[0], 10, "the diagnostics"
    )
    with pytest.raises(QuantVLAError, match="Cannot arm: the ") as error:
        policy.client.arm()
    assert UNUSABLE[text] in str(error.value)
    policy.bring_to_dry_run()
    policy.wait_for_inputs("fresh")


@pytest.mark.parametrize("way", ["topic", "service"])
def test_armed_arm_holds_and_goes_on_with_the_next_one(moving, robot, instruct, way):
    text = "schwinge bitte"
    if way == "topic":
        robot.instruct(text)
    else:
        answer = instruct(text)
        assert not answer.success
        assert answer.message.startswith("Not taken, the arm holds: the policy knows 0 of 2 words")
    moving.wait_for("ARMED: the arm holds: the policy knows 0 of 2 words")
    wait_until(lambda: robot.at_rest, 10, "rest")
    robot.assert_within_limits()
    held = robot.setpoints[-1][1].copy()
    windows = len(robot.windows)
    wait_until(lambda: len(robot.windows) > windows + 50, 20, "windows of the holding arm")
    assert robot.setpoints[-1][1] == pytest.approx(held, abs=1e-6)
    answer = instruct("left")  # the same as the topic's next one
    assert (answer.success, answer.message) == (True, "Taken: 'left'.")
    wait_until(lambda: not robot.at_rest, 10, "motion")
    moving.wait_for("ARMED")
    assert moving.message == "ARMED"
    robot.assert_within_limits()


def test_service_answers_what_becomes_of_an_instruction(policy, instruct):
    policy.bring_to_dry_run()
    answer = instruct("please swing")
    assert answer.success
    assert (
        answer.message == "Taken: 'please swing'; but the policy does not know these words: please."
    )
    policy.wait_for_inputs("the policy does not know these words: please")
    answer = instruct("  ")
    assert (answer.success, answer.message) == (True, "Taken: the arm holds.")
    policy.wait_for_inputs("waiting for an instruction")
    assert instruct("swing").success
    policy.wait_for_inputs("fresh")


def test_the_check_can_be_lowered_for_words_and_not_for_the_cut(policy, robot, graph, instruct):
    policy.bring_to_dry_run()
    try:
        for value in ("warn", "ignore"):
            graph.set_parameter(policy.name, "instruction_check", value)
            answer = instruct("schwinge")
            assert answer.success and ("knows 0 of 1 words" in answer.message) == (value == "warn")
            assert not instruct("swing swing swing swing left").success
        instruct("schwinge")
        policy.client.arm()
        wait_until(lambda: robot.speed > 0.05, 10, "motion")
        graph.set_parameter(policy.name, "instruction_check", "enforce")
        policy.wait_for("ARMED: the arm holds: the policy knows 0 of 1 words")
        wait_until(lambda: robot.at_rest, 10, "rest")  # and no fault
        assert policy.message.startswith("ARMED")
        robot.assert_within_limits()
    finally:
        policy.bring_to_dry_run()
        graph.set_parameter(policy.name, "instruction_check", "enforce")
