# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import os
from dataclasses import replace

import numpy as np
import pytest
from support.example_bundle import HORIZON, JOINTS, example_interface

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.inference.channel import MAX_INSTRUCTION_BYTES, Channel, chunk_checksum
from quantvla_ros.robot.action_prefix import ActionPrefix
from quantvla_ros.robot.interface import CameraSlot
from quantvla_ros.robot.observation import Observation

INTERFACE = replace(
    example_interface(), cameras=(CameraSlot("front", 5, 7), CameraSlot("wrist", 3, 2))
)


@pytest.fixture
def sides():
    ours = Channel(INTERFACE)
    theirs = Channel(INTERFACE, os.dup(ours.fd))
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.fixture
def observation():
    rng = np.random.default_rng(1)
    return Observation(
        images={
            c.name: rng.integers(0, 256, (c.height, c.width, 3), np.uint8)
            for c in INTERFACE.cameras
        },
        joints=np.array([0.1, 0.04], np.float32),
        instruction="leg die Milch in den Körb",
        stamp=1.7e9 + 0.125,
    )


def test_pictures_arrive_as_large_as_the_robots_cameras_give_them(sides, observation):
    ours, theirs = sides
    rng = np.random.default_rng(2)
    for shape in ((480, 640), (5, 7), (1, 900)):
        images = {"front": rng.integers(0, 256, (*shape, 3), np.uint8)}
        ours.write_observation(dataclasses.replace(observation, images=images))
        got = theirs.read_observation().images
        assert list(got) == ["front"]  # the other one is missing, and stays so
        np.testing.assert_array_equal(got["front"], images["front"])


def test_an_observation_arrives_on_the_other_side(sides, observation):
    ours, theirs = sides
    ours.write_observation(observation)
    got = theirs.read_observation()
    for name, image in observation.images.items():
        np.testing.assert_array_equal(got.images[name], image)
    np.testing.assert_array_equal(got.joints, observation.joints)
    assert got.joints.dtype == np.float32
    assert (got.instruction, got.stamp) == (observation.instruction, observation.stamp)


def test_a_shorter_instruction_leaves_nothing_of_the_longer_one(sides, observation):
    ours, theirs = sides
    for text in ("x" * MAX_INSTRUCTION_BYTES, "short"):
        ours.write_observation(dataclasses.replace(observation, instruction=text))
        assert theirs.read_observation().instruction == text


def test_an_instruction_that_does_not_fit_is_refused(sides, observation):
    text = "ö" * (MAX_INSTRUCTION_BYTES // 2) + "x"
    with pytest.raises(QuantVLAError, match=f"513 bytes and at most {MAX_INSTRUCTION_BYTES}"):
        sides[0].write_observation(dataclasses.replace(observation, instruction=text))


def test_a_prefix_arrives_with_its_length_and_none_arrives_as_none(sides):
    ours, theirs = sides
    rows = np.random.default_rng(3).normal(size=(HORIZON, len(JOINTS)))
    for prefix in (ActionPrefix(rows, 2), ActionPrefix(rows[:1] + 1, 0)):
        ours.write_prefix(prefix)
        got = theirs.read_prefix()
        np.testing.assert_array_equal(got.actions, prefix.actions)
        assert got.committed == prefix.committed
    ours.write_prefix(None)
    assert theirs.read_prefix() is None
    assert got.actions[0, 0] == rows[0, 0] + 1  # a copy


def test_a_chunk_comes_back_with_what_is_not_a_number(sides):
    ours, theirs = sides
    actions = np.random.default_rng(2).normal(size=(HORIZON, len(JOINTS)))
    actions[1, 1] = np.nan
    theirs.write_chunk(actions, 12.5)
    got, stamp = ours.read_chunk()
    np.testing.assert_array_equal(got, actions)
    assert (got.dtype, stamp) == (np.float64, 12.5)


def test_chunk_and_observation_do_not_overlap(sides, observation):
    ours, theirs = sides
    ours.write_observation(observation)
    theirs.write_chunk(np.full((HORIZON, len(JOINTS)), -1.0), -1.0)
    got = ours.read_observation()
    np.testing.assert_array_equal(got.images["front"], observation.images["front"])
    np.testing.assert_array_equal(got.joints, observation.joints)
    assert got.stamp == observation.stamp


def test_what_was_read_does_not_change_with_the_next_write(sides, observation):
    ours, theirs = sides
    ours.write_observation(observation)
    got = theirs.read_observation()
    theirs.write_chunk(np.ones((HORIZON, len(JOINTS))), 1.0)
    actions, _ = ours.read_chunk()
    black = {name: np.zeros_like(image) for name, image in observation.images.items()}
    ours.write_observation(dataclasses.replace(observation, images=black))
    theirs.write_chunk(np.zeros((HORIZON, len(JOINTS))), 2.0)
    np.testing.assert_array_equal(got.images["wrist"], observation.images["wrist"])
    assert (actions == 1).all()


@pytest.mark.parametrize("shape", [(HORIZON - 1, 2), (HORIZON, 1), (2,), ()])
def test_actions_of_another_shape_are_refused_not_broadcast(sides, shape):
    with pytest.raises(QuantVLAError, match="the bundle says"):
        sides[0].write_chunk(np.zeros(shape), 0.0)


def test_close_gives_the_memory_back():
    channel = Channel(INTERFACE)
    fd = channel.fd
    channel.close()
    channel.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_checksum_knows_every_bit_of_a_chunk():
    actions = np.arange(12.0).reshape(4, 3)
    first = chunk_checksum(actions, 1.5)
    assert chunk_checksum(actions.copy(), 1.5) == first
    assert chunk_checksum(actions, np.nextafter(1.5, 2)) != first
    actions[3, 2] = np.nextafter(actions[3, 2], 99)
    assert chunk_checksum(actions, 1.5) != first
    actions[3, 2] = np.nan
    assert chunk_checksum(actions, 1.5) == chunk_checksum(actions.copy(), 1.5)
