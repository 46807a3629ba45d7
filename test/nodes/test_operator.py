# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest
from support.waiting import patient, wait_until

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.nodes.operator import Operator

STRING = "std_msgs/msg/String"


class Simulation:
    """The part of the simulated robot that an operator meets."""

    def __init__(self, graph):
        from rcl_interfaces.srv import SetParameters
        from std_msgs.msg import String
        from std_srvs.srv import Trigger

        from quantvla_ros.nodes.qos import LATCHED

        self._string = String
        self.resets = 0
        self.works = True
        self._state = graph.node.create_publisher(String, "/sim/state", LATCHED)
        self.instructions = graph.listen(String, "/instruction", LATCHED)
        self._service = graph.node.create_service(Trigger, "/sim_robot_node/reset", self._reset)
        self.seeds: list[int] = []
        self._parameters = graph.node.create_service(
            SetParameters, "/sim_robot_node/set_parameters", self._set
        )
        self.publish()

    def _set(self, request, response):
        self.seeds += [p.value.integer_value for p in request.parameters if p.name == "seed"]
        from rcl_interfaces.msg import SetParametersResult

        response.results = [SetParametersResult(successful=self.works)]
        return response

    def publish(self):
        self._state.publish(self._string(data=json.dumps({"resets": self.resets, "seed": 3})))

    def _reset(self, request, response):
        response.success = self.works
        self.resets += self.works
        self.publish()
        return response


@pytest.fixture
def simulation(graph):
    return Simulation(graph)


def test_instructions_reach_the_robot_and_the_tap(simulation):
    with Operator({"/instruction": (STRING,)}) as operator:
        operator.instruct("put the milk in the basket")
        operator.tap.subscribe(patient(10))
        arrival = wait_until(lambda: operator.tap.next(0.1), 10, "the instruction")
        assert b"put the milk" in arrival.data
        wait_until(lambda: simulation.instructions, 10, "the instruction at the robot")


def test_the_scene_of_the_next_reset_can_be_chosen(simulation):
    with Operator({}) as operator:
        operator.choose_scene(42)
        assert simulation.seeds == [42]
        simulation.works = False
        with pytest.raises(QuantVLAError, match="refused a new value of 'seed'"):
            operator.choose_scene(43)


def test_a_reset_returns_the_state_of_the_new_scene(simulation):
    with Operator({}) as operator:
        wait_until(lambda: operator.state, 10, "the state")
        assert operator.reset_scene(patient(10))["resets"] == 1
        assert operator.reset_scene(patient(10))["resets"] == 2


def test_a_refused_reset_is_an_error(simulation):
    simulation.works = False
    with Operator({}) as operator, pytest.raises(QuantVLAError, match="did not reset"):
        operator.reset_scene(10.0)


def test_without_a_simulation_the_service_is_named(ros):
    with Operator({}) as operator:
        with pytest.raises(QuantVLAError, match="/sim_robot_node/reset within 1 s"):
            operator.reset_scene(1.0)
        with pytest.raises(QuantVLAError, match="'/sim/state' for 1 s"):
            operator.wait_for_state(lambda state: True, 1.0)
