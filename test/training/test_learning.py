# SPDX-License-Identifier: Apache-2.0
"""The parts of the training that are arithmetic: flow pairs, Muon, chunk labels, tokens."""

import numpy as np
import pytest
import torch
from support.made_up_frames import episodes

from quantvla_ros.bundle.tokenizer import Tokenizer
from simulation.tasks.registry import TASKS
from training import language
from training.data.finish import finish
from training.data.parts import part_path, write_part
from training.dataset import HORIZON, Statistics, load_frames, sampling_probability
from training.expert_labels import episode_chunks
from training.grounding import GRID, GroundingHeads, flow_pair, flow_times
from training.language import (
    MAX_LENGTH,
    GoalName,
    Sentences,
    all_goals,
    templates,
    tokenizer_json,
    told_by_destination,
    vocabulary_size,
    wording,
)
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


@pytest.mark.parametrize("shape", [(2, 16, 20), (2, 16, 64)])
def test_short_way_for_wide_matrices_is_the_same_iteration(shape):
    torch.manual_seed(1)
    x = torch.randn(shape) * torch.logspace(0, -2, shape[1])[:, None]
    expected = x / x.norm(dim=(1, 2), keepdim=True)
    for _ in range(5):
        gram = expected @ expected.mT
        expected = 3.4445 * expected + (-4.7750 * gram + 2.0315 * gram @ gram) @ expected
    torch.testing.assert_close(orthogonalize(x), expected, rtol=1e-3, atol=1e-4)


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


GOALS = [
    GoalName(name, goal.object, goal.destination)
    for name, factory in TASKS.items()
    for goal in factory().all_goals
]


def test_every_training_sentence_fits_has_known_words_only_and_is_not_held_out():
    tokenizer = Tokenizer(tokenizer_json(), MAX_LENGTH + 1)
    rng = np.random.default_rng(0)
    for goal in GOALS:
        named = {"object": goal.object, "destination": goal.destination}
        held_out = {t.format(**named) for t in TASKS[goal.family]().held_out_wordings}
        for sentence in (wording(goal, rng) for _ in range(60)):
            ids, mask = tokenizer.encode(sentence)
            assert mask.sum() <= MAX_LENGTH, sentence
            assert not (ids == 1).any(), sentence
            assert sentence not in held_out
            assert sentence.index(goal.object) < sentence.index(goal.destination)


def test_wordings_are_drawn_anew_and_often_garbled():
    rng = np.random.default_rng(0)
    known = {t.format(object=GOALS[0].object, destination=GOALS[0].destination)
             for t in templates(GOALS[0].family)}  # fmt: skip
    drawn = [wording(GOALS[0], rng) for _ in range(400)]
    assert known < set(drawn)
    assert 0.45 < np.mean([sentence in known for sentence in drawn]) < 0.7


def test_words_are_kept_where_they_tell_one_family_from_another(monkeypatch):
    assert told_by_destination(GOALS[0].family)
    monkeypatch.setattr(language, "told_by_destination", lambda family: False)
    rng = np.random.default_rng(0)
    drawn = {wording(GOALS[0], rng) for _ in range(100)}
    assert len(drawn) == len(templates(GOALS[0].family))


def test_sentences_ask_for_their_goals():
    sentences = Sentences(np.random.default_rng(0))
    goals = np.arange(len(all_goals())).repeat(5)
    tokens, mask = sentences.draw(goals, np.random.default_rng(1))
    assert tokens.shape == mask.shape == (len(goals), MAX_LENGTH)
    assert int(tokens.max()) < vocabulary_size()
    assert len({tuple(row) for row in tokens.tolist()}) > 2 * len(all_goals())
    encode = Tokenizer(tokenizer_json(), MAX_LENGTH).encode
    for number, row in zip(goals, tokens.tolist(), strict=True):
        for thing in (all_goals()[number].object, all_goals()[number].destination):
            ids, known = encode(thing)
            assert set(ids[known]) <= set(row), thing


def test_chunks_stop_at_events_and_episode_ends():
    actions = np.arange(24, dtype=np.float32).reshape(3, 8)
    chunk, valid = episode_chunks(actions, np.array([False, True, False]))
    assert chunk[0, :4, 0].tolist() == [0.0, 8.0, 16.0, 16.0]
    assert set(chunk[0, 3:, 0]) == {16.0}  # the episode's last action repeats
    assert valid[0].tolist() == [True] + [False] * (HORIZON - 1)
    assert valid[1].all()


@pytest.fixture
def demonstrations(tmp_path):
    """Six frames of `pick_place` and two of `push`; the last of the first family is disturbed."""
    first = episodes(0, [3, 3])
    first[1][2]["disturbed"] = True
    first[0][1]["weight"] = np.float32(0.5)
    second = episodes(1, [2])
    for row in second[0]:
        row |= {"goal.family": "push", "goal.destination": "red square"}
    write_part(part_path(tmp_path, "a"), first, 10)
    write_part(part_path(tmp_path, "b"), second, 10)
    finish(tmp_path, 10)
    return tmp_path, first, second


def test_frames_are_offsets_from_the_observation(demonstrations):
    path, first, _ = demonstrations
    frames = load_frames([path])
    assert len(frames) == 7  # the disturbed frame is left out
    row = first[0][1]
    expected = row["chunk"] - np.append(row["observation.state"][:7], 0.0)
    np.testing.assert_allclose(frames.chunk[1], expected, atol=1e-6)  # the finger is absolute
    place = row["scene.place"] - row["scene.object"]
    np.testing.assert_allclose(frames.relative[1, 3:], place, atol=1e-6)
    pictures = frames.pictures.take(np.array([1, 6]))
    assert np.array_equal(pictures[0, 1], row["observation.images.wrist"])
    assert all_goals()[frames.goal[6]] == GoalName("push", "butter", "red square")


def test_families_are_drawn_equally_often(demonstrations):
    frames = load_frames([demonstrations[0]])
    probability = sampling_probability(frames)
    assert probability[:5].sum() == pytest.approx(0.5)
    assert probability[5:].tolist() == pytest.approx([0.25, 0.25])
    assert probability[1] == pytest.approx(probability[0] / 2)


def test_corrections_weigh_more(demonstrations):
    path = demonstrations[0]
    frames = load_frames([path], [path], correction_weight=4.0)
    assert len(frames) == 14
    assert frames.weight[7:].tolist() == (4 * frames.weight[:7]).tolist()
    assert frames.pictures.source.tolist() == [0] * 7 + [1] * 7


def test_normalized_finger_is_plus_or_minus_one(demonstrations):
    frames = load_frames([demonstrations[0]])
    frames.chunk[..., 7] = torch.tensor([0.0, 0.04] * (HORIZON // 2))
    Statistics.of(frames).apply(frames)
    torch.testing.assert_close(frames.chunk[0, :2, 7], torch.tensor([-1.0, 1.0]))


def test_grounding_heads_find_the_patch_of_each_thing():
    """With features that mark the right patches, right heads have no loss and others do."""
    uv = torch.tensor([[[[0.25, 0.25], [0.75, 0.4]], [[0.9, 0.6], [2.0, -9.0]]]])
    features = torch.zeros(1, 2 * GRID * GRID + 1, 4)
    features[0, :, 3] = 1e-6
    features[0, 1 * GRID + 1, 0] = features[0, GRID * GRID + 2 * GRID + 4, 0] = 1.0
    features[0, 3 * GRID + 5, 1] = 1.0
    heads = GroundingHeads(4)
    with torch.no_grad():
        for parameter in heads.parameters():
            parameter.zero_()
        heads.patch.weight[0, 0] = heads.patch.weight[3, 1] = 50.0
    row = 2 * GRID * GRID
    _, right = heads.loss(features, row, uv, torch.zeros(1, 6))
    assert right["object_patch"] < 1e-3
    assert right["place_patch"] < 1e-3  # out of view in the second picture: not asked for
    _, wrong = heads.loss(features, row, uv.flip(1), torch.zeros(1, 6))
    assert wrong["object_patch"] > 5
