# SPDX-License-Identifier: Apache-2.0
"""The simulated robot in a process of its own, and its scene."""

from __future__ import annotations

import itertools
import signal

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("mujoco")

from diagnostic_msgs.msg import DiagnosticArray
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String
from std_srvs.srv import Trigger
from support.ros_graph import NodeProcess
from support.simulated_node import (
    MODULE,
    START,
    state_of,
)
from support.waiting import wait_until

from quantvla_ros.nodes import qos
from quantvla_ros.serving.stamps import seconds_of
from simulation.tasks.registry import make_task


def test_the_instruction_decides_what_success_means(graph, joint_states):
    states = graph.listen(String, "/sim/state", qos.LATCHED)
    state = wait_until(lambda: state_of(states), 20, "the simulation's state")
    assert len(state["objects"]) == 3
    assert state["instruction"] == f"put the {state['target']} in the basket"
    other = next(name for name in state["objects"] if name != state["target"])
    publisher = graph.publisher(String, "/instruction", qos.LATCHED)
    publisher.publish(String(data=f"put the {other} in the basket"))
    wait_until(lambda: state_of(states)["target"] == other, 20, "the other target")
    assert state_of(states)["success"] is False


def scene_without_all_of(objects):
    """Seed of a scene that lacks one of these, and that one."""
    task = make_task("pick_place")
    for seed in itertools.count():
        task.reset(seed)
        for name in objects:
            if name not in task.present:
                return seed, name


def test_an_instruction_for_an_object_that_is_not_there_is_warned_of_once(
    graph, joint_states, robot
):
    states = graph.listen(String, "/sim/state", qos.LATCHED)
    before = wait_until(lambda: state_of(states), 20, "the simulation's state")
    publisher = graph.publisher(String, "/instruction", qos.LATCHED)

    def instruct(text):
        publisher.publish(String(data=text))
        await_states()

    def await_states():
        seen = len(states)
        wait_until(lambda: len(states) >= seen + 2, 20, "two more states")

    def warnings():
        return [line for line in robot.output.splitlines() if "names no object" in line]

    for _ in range(3):
        instruct("put the teapot in the basket")
    wait_until(warnings, 20, "the warning")
    instruct("")
    (warning,) = warnings()
    assert "WARN" in warning and "'put the teapot in the basket'" in warning
    assert all(f"'{name}'" in warning for name in before["objects"])
    assert state_of(states)["target"] == before["target"]

    seed, gone = scene_without_all_of(set(before["objects"]) - {before["target"]})
    instruct(f"put the {gone} in the basket")
    wait_until(lambda: state_of(states)["target"] == gone, 20, "the other target")
    graph.set_parameter("sim_robot_node", "seed", seed)
    assert graph.call(Trigger, "/sim_robot_node/reset").success
    await_states()
    assert len(warnings()) == 1  # the sentence was for the scene before
    instruct(f"put the {gone} in the basket")
    wait_until(lambda: len(warnings()) == 2, 20, "the warning for the new scene")


def test_reset_takes_the_next_seed_and_the_clock_goes_on(graph, joint_states):
    states = graph.listen(String, "/sim/state", qos.LATCHED)
    clock = graph.listen(Clock, "/clock", qos.CLOCK)
    before = wait_until(lambda: clock and state_of(states), 20, "the simulation's state")
    response = graph.call(Trigger, "/sim_robot_node/reset")
    assert response.success and response.message.startswith(f"seed {before['seed'] + 1}: put the")
    after = wait_until(
        lambda: state_of(states)["resets"] > before["resets"] and state_of(states), 20, "a reset"
    )
    assert after["seed"] == before["seed"] + 1
    graph.set_parameter("sim_robot_node", "seed", 40)
    assert graph.call(Trigger, "/sim_robot_node/reset").message.startswith("seed 40:")
    count = len(clock)
    wait_until(lambda: len(clock) > count + 20, 20, "the clock")
    assert (np.diff([seconds_of(m.clock) for m in clock]) > 0).all()


def test_time_cannot_be_stepped_when_it_runs_by_itself(graph, joint_states):
    response = graph.call(Trigger, "/sim_robot_node/step")
    assert not response.success
    assert "stepped:=true" in response.message


def test_stepped_time_stands_still_until_a_step_of_one_control_period(graph, robots):
    robots.end()
    process = NodeProcess(MODULE, "stepped:=true")
    try:
        clock = graph.listen(Clock, "/clock", qos.CLOCK)
        times = [
            float(graph.call(Trigger, "/sim_robot_node/step", timeout=START).message.split()[1])
            for _ in range(3)
        ]
        np.testing.assert_allclose(np.diff(times), 0.02, atol=1e-9)
        diagnostics = graph.listen(DiagnosticArray, "/diagnostics", qos.DIAGNOSTICS)
        wait_until(lambda: len(diagnostics) >= 2, 20, "diagnostics")
        assert seconds_of(diagnostics[-1].header.stamp) == pytest.approx(times[-1])
        assert seconds_of(clock[-1].clock) == pytest.approx(times[-1])
        assert process.stop(signal.SIGTERM) == 0
    finally:
        process.close()


def test_an_unknown_task_is_one_sentence_and_a_failure(ros):
    process = NodeProcess(MODULE, "task:=pick_place,fold_laundry")
    try:
        wait_until(lambda: not process.alive, START, "the node's end")
        assert process.process.returncode == 1
        assert (
            "Unknown task 'fold_laundry'; choose one of: beside_plate, pick_place" in process.output
        )
        assert "Traceback" not in process.output
    finally:
        process.close()
