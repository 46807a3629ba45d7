# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import signal
import time
from contextlib import closing

import numpy as np
import pytest
from support.driving import ANSWER_S, TIMEOUT_S, answer, make, next_result, observe
from support.example_bundle import HORIZON, JOINTS, example_manifest
from support.process_life import alive
from support.waiting import patient, wait_until

from quantvla_ros.errors import BackendError, QuantVLAError
from quantvla_ros.inference.client import ChunkResult, Failure
from quantvla_ros.processing.noise import draw_noise
from quantvla_ros.robot.action_prefix import ActionPrefix
from quantvla_ros.robot.observation import Observation


@pytest.fixture(scope="module")
def shared(bundle):
    with closing(make(bundle)) as client:
        yield client


@pytest.fixture(autouse=True)
def patient_with_the_system(monkeypatch):
    """A busy one is done with a killed process later than a control loop can wait."""
    monkeypatch.setattr("quantvla_ros.inference.client._END_S", 10.0)


@pytest.fixture
def client(shared):
    """One whose worker serves: a test that ended it leaves it to the next to start another."""
    if not shared.running:
        shared.start()
    return shared


def test_a_request_gives_a_chunk_with_stamp_timings_and_latency(client):
    assert client.ready is not None
    assert (client.ready.kernel, client.ready.weight_bytes) == ("fake", 123)
    assert len(client.ready.warmup_ms) == 3
    for value in (0.25, -1.5):
        begin = time.monotonic()
        result = answer(client, observe(value=value))
        elapsed = time.monotonic() - begin
        assert isinstance(result, ChunkResult)
        assert result.chunk.actions.shape == (HORIZON, len(JOINTS))
        np.testing.assert_allclose(result.chunk.actions[:, 0], value)
        assert result.chunk.stamp == 42.5
        assert result.chunk.timings_ms == {"encode": 1.0, "denoise": 2.0}
        assert result.chunk.steps_ms == (0.5, 1.5)
        assert 0 < result.latency_s <= elapsed


def test_the_worker_gets_the_observation_and_the_noise_of_seed_and_counter(bundle):
    with closing(make(bundle, "echo")) as client:
        client.start()
        actions = answer(client, observe("some words", value=0.5), seed=7, counter=11).chunk.actions
    assert actions[0, 0] == 3 * 6 * 8 * 3
    np.testing.assert_allclose(actions[1], [0.5, 0.02], rtol=1e-6)
    assert actions[2, 0] == len("some words")
    np.testing.assert_array_equal(actions[3], draw_noise(example_manifest(), 7, 11)[3])


def test_the_worker_gets_the_prefix_of_this_request_and_no_other(client):
    rows = np.arange(6.0).reshape(3, 2)
    client.request(observe(value=0.25), 1, 0, ActionPrefix(rows, 2))
    actions = next_result(client).chunk.actions
    np.testing.assert_array_equal(actions[:2], rows[:2])
    np.testing.assert_allclose(actions[2:, 0], 0.25)
    np.testing.assert_allclose(answer(client, observe(value=0.5)).chunk.actions[:, 0], 0.5)
    with pytest.raises(QuantVLAError, match="rows of 2"):
        client.request(observe(), 1, 0, ActionPrefix(np.zeros((9, 2)), 1))
    assert not client.busy


def test_one_request_is_in_flight_at_a_time(client):
    client.request(observe("slow"), 1, 0)
    assert client.busy
    assert client.poll() is None
    with pytest.raises(BackendError, match="in flight"):
        client.request(observe(), 1, 1)
    assert isinstance(next_result(client), ChunkResult)
    assert not client.busy


def test_poll_can_wait_for_the_result(client):
    client.request(observe("slow"), 1, 0)
    assert isinstance(client.poll(wait_s=patient(ANSWER_S)), ChunkResult)


def test_values_that_are_not_finite_are_delivered_not_hidden(client):
    result = answer(client, observe("nan"))
    assert np.isnan(result.chunk.actions[-1, 0])


@pytest.mark.parametrize(
    ("instruction", "text"),
    [
        ("raise", "the backend raised ValueError: the disk is full"),
        ("refuse", "this kernel does not run here"),
        ("shape", "the backend gave actions of shape"),
    ],
)
def test_an_exception_is_one_sentence_and_the_worker_goes_on(client, instruction, text):
    result = answer(client, observe(instruction))
    assert isinstance(result, Failure)
    assert result.code == "BACKEND_ERROR"
    assert result.text.startswith(text)
    assert "\n" not in result.text
    assert isinstance(answer(client, observe(), counter=1), ChunkResult)


@pytest.mark.parametrize("in_flight", [False, True])
def test_a_killed_worker_is_noticed_without_a_time_out(client, in_flight):
    if in_flight:
        client.request(observe("hang"), 1, 0)
    os.kill(client.pid, signal.SIGKILL)
    begin = time.monotonic()
    result = next_result(client)
    assert time.monotonic() - begin < TIMEOUT_S / 2
    assert result.code == "WORKER_DIED"
    assert "SIGKILL" in result.text
    assert not client.busy
    assert not client.running
    assert client.poll() is None  # told once
    with pytest.raises(BackendError, match="start one first"):
        client.request(observe(), 1, 0)


def test_a_worker_that_ends_itself_tells_its_status(client):
    result = answer(client, observe("exit"))
    assert result == Failure("WORKER_DIED", result.text)
    assert "status 3" in result.text


@pytest.mark.parametrize(
    ("instruction", "text"),
    [("garbage", "left a damaged chunk in the shared memory"), ("noise", "that is no message")],
)
def test_a_worker_that_answers_garbage_is_ended(client, instruction, text):
    pid = client.pid
    result = answer(client, observe(instruction))
    assert result.code == "BACKEND_ERROR"
    assert text in result.text
    assert not client.running
    assert not client.busy
    wait_until(lambda: not alive(pid), ANSWER_S, "the end of the worker")
    client.start()
    assert isinstance(answer(client, observe()), ChunkResult)


def test_a_slow_inference_is_a_timeout_and_ends_the_worker(bundle):
    with closing(make(bundle, timeout_s=2.0)) as client:
        client.start()
        pid = client.pid
        client.request(observe("hang"), 1, 0)
        begin = time.monotonic()
        result = next_result(client)
        assert time.monotonic() - begin > 1.9
        assert result.code == "INFERENCE_TIMEOUT"
        assert "2 s" in result.text
        assert not client.running
        assert client.poll() is None
        wait_until(lambda: not alive(pid), ANSWER_S, "the end of the worker")
        client.start()
        assert client.pid != pid
        assert isinstance(answer(client, observe()), ChunkResult)


def test_start_after_a_death_serves_again(client):
    first = client.pid
    os.kill(first, signal.SIGKILL)
    next_result(client)
    client.start()
    assert client.pid != first
    assert isinstance(answer(client, observe()), ChunkResult)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_worker_leaves_signals_to_the_node(client, number):
    os.kill(client.pid, number)
    assert isinstance(answer(client, observe()), ChunkResult)


@pytest.mark.parametrize(
    ("observation", "text"),
    [
        (observe("x" * 600), "600 bytes"),
        (Observation({}, np.zeros(2, np.float32), "hold", 0.0), "camera 'front' is missing"),
    ],
)
def test_an_observation_that_does_not_fit_is_refused_before_it_is_sent(client, observation, text):
    with pytest.raises(QuantVLAError, match=text):
        client.request(observation, 1, 0)
    assert not client.busy
    assert isinstance(answer(client, observe()), ChunkResult)


def test_a_signal_without_a_name_is_told_by_its_number(client):
    os.kill(client.pid, 40)
    result = next_result(client)
    assert result.code == "WORKER_DIED"
    assert "was ended by signal 40" in result.text
