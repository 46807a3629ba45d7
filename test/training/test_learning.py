# SPDX-License-Identifier: Apache-2.0
"""The parts of the training that are arithmetic: flow pairs, Muon, chunk labels, tokens."""

import numpy as np
import pytest
import torch

from training.check import wilson
from training.dataset import HORIZON, Statistics, load_frames
from training.grounding import flow_pair, flow_times
from training.language import MAX_LENGTH, instruction_tokens, vocabulary_size
from training.muon import Muon, orthogonalize


def test_flow_goes_from_action_at_zero_to_noise_at_one():
    chunk, noise = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    at_zero, velocity = flow_pair(chunk, noise, torch.zeros(2))
    at_one, _ = flow_pair(chunk, noise, torch.ones(2))
    torch.testing.assert_close(at_zero, chunk)
    torch.testing.assert_close(at_one, noise)
    torch.testing.assert_close(at_zero + velocity, at_one)


def test_flow_times_are_dense_near_the_noise():
    times = flow_times(4000, torch.Generator().manual_seed(0))
    assert float(times.min()) > 0
    assert float(times.max()) <= 1.0
    assert float(times.mean()) == pytest.approx(0.6, abs=0.02)  # mean of Beta(1.5, 1)


def test_orthogonalized_matrices_have_singular_values_near_one():
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalize(torch.randn(3, 16, 40)))
    assert float(values.min()) > 0.6
    assert float(values.max()) < 1.3


def test_ranks_share_the_updates_of_one_rank():
    torch.manual_seed(0)
    weights = [torch.randn(6, 4), torch.randn(4, 6), torch.randn(4, 4)]
    for weight in weights:
        weight.grad = torch.randn_like(weight)
    whole = Muon(weights, 1e-3, 0.0).updates(0, 1)
    parts = [Muon(weights, 1e-3, 0.0).updates(rank, 2) for rank in (0, 1)]
    for expected, first, second in zip(whole, *parts, strict=True):
        torch.testing.assert_close(first + second, expected)
        assert bool((first == 0).all()) != bool((second == 0).all())


def test_instructions_fit_and_differ_by_object():
    tokens, mask = instruction_tokens([0, 1, 2, 3, 4], np.random.default_rng(0))
    assert tokens.shape == mask.shape == (5, MAX_LENGTH)
    assert int(tokens.max()) < vocabulary_size()
    assert not bool((tokens == 1).any())  # no unknown word
    assert len({tuple(row) for row in tokens.tolist()}) == 5


def test_wilson_interval_of_a_known_case():
    low, high = wilson(32, 40)
    assert (round(low, 3), round(high, 3)) == (0.652, 0.895)


@pytest.fixture
def demonstrations(tmp_path):
    """Two episodes of three frames; the second frame of the first one is a new instruction."""
    count = 6
    joints = np.arange(count * 8, dtype=np.float32).reshape(count, 8)
    np.savez(
        tmp_path / "demos_0000000.npz",
        images=np.zeros((count, 2, 4, 4, 3), np.uint8),
        joints=joints,
        tip=np.zeros((count, 3), np.float32),
        action=joints + 1.0,
        event=np.array([0, 1, 0, 0, 0, 0], bool),
        target=np.zeros(count, np.int8),
        positions=np.ones((count, 6, 3), np.float32),
        uv=np.full((count, 6, 2, 2), 0.5, np.float32),
        phase=np.array([0, 1, 2, 3, 4, 0]),
        disturbed=np.array([0, 0, 0, 0, 0, 1], bool),
        episode=np.array([1, 1, 1, 2, 2, 2]),
    )
    return tmp_path


def test_chunks_are_offsets_that_stop_at_events_and_episode_ends(demonstrations):
    frames = load_frames(demonstrations, None, 1.0)
    assert len(frames) == 5  # the disturbed frame is left out
    first = frames.chunk[0, :, 0].tolist()
    assert first[:3] == [1.0, 9.0, 17.0]
    assert set(first[2:]) == {17.0}  # the episode's last action repeats
    assert frames.chunk[0, 0, 7] == 8.0  # the finger's goal is absolute
    assert frames.valid[0].tolist() == [1.0] + [0.0] * (HORIZON - 1)
    assert frames.valid[1].tolist() == [1.0] * HORIZON
    assert frames.weight.tolist() == [1.0, 1.0, 0.5, 0.5, 0.5]


def test_normalized_finger_is_plus_or_minus_one(demonstrations):
    frames = load_frames(demonstrations, None, 1.0)
    frames.chunk[..., 7] = torch.tensor([0.0, 0.04] * (HORIZON // 2))
    Statistics.of(frames).apply(frames)
    torch.testing.assert_close(frames.chunk[0, :2, 7], torch.tensor([-1.0, 1.0]))
