# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from support.tiny_run import tiny_config

from quantvla_ros.models.flow import Flow, normalized_chunk
from quantvla_ros.models.mini_pi05.network import MiniPi05
from training.architectures.initial import large_words, open_gates
from training.grounding import GroundingHeads
from training.widening import DOUBLED, widen


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    narrow_config = tiny_config(narrow=True)
    config = tiny_config()
    narrow, wide = MiniPi05(narrow_config), MiniPi05(config)
    open_gates(narrow)
    large_words(narrow, narrow_config.width)
    with torch.no_grad():
        for parameter in narrow.parameters():  # norms and gates away from their start values
            parameter.add_(0.05 * torch.randn_like(parameter))
    state = widen(narrow.state_dict(), wide.state_dict(), seed=1)
    wide.load_state_dict(state)
    return narrow, wide


def observation(config):
    generator = torch.Generator().manual_seed(3)
    size = config.image_size
    images = torch.randint(0, 256, (2, 2, size, size, 3), generator=generator, dtype=torch.uint8)
    tokens = torch.randint(2, config.vocabulary, (2, 5), generator=generator)
    state = torch.randn(2, config.state_width, generator=generator)
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    return {"images": images, "state": state, "tokens": tokens, "token_mask": mask}


def test_a_narrow_config_is_half_of_the_wide_one_where_it_differs():
    narrow, wide = tiny_config(narrow=True), tiny_config()
    for name in type(wide).model_fields:
        half, whole = getattr(narrow, name), getattr(wide, name)
        if name == "stem_channels":
            assert tuple(2 * x for x in half) == whole
        elif name == "max_period":
            assert half < whole
        else:
            assert whole == (2 * half if name in DOUBLED else half), name


def test_the_wide_network_computes_what_the_narrow_one_does(networks):
    narrow, wide = networks
    inputs = observation(wide.config)
    noise = torch.randn(2, wide.config.horizon, wide.config.action_width)
    with torch.no_grad():
        expected, got = (
            normalized_chunk(n, noise, n.encode(inputs), Flow(5)) for n in (narrow, wide)
        )
    assert float((expected - noise).abs().max()) > 0.1
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


def test_auxiliary_heads_read_the_wide_features_alike(networks):
    narrow, wide = networks
    inputs = observation(wide.config)
    heads = [GroundingHeads(n.config.width) for n in (narrow, wide)]
    state = widen(heads[0].state_dict(), heads[1].state_dict(), seed=2)
    heads[1].load_state_dict(state)
    with torch.no_grad():
        for head, network in zip(heads, networks, strict=True):
            x, mask = network.embed(inputs)
            head.features = network.run_language_model(x, mask, features=False)[1]
        losses = [
            head.loss(head.features, 72, torch.full((2, 2, 2, 2), 0.4), torch.zeros(2, 6))[0]
            for head in heads
        ]
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-3, atol=1e-3)


def test_the_copies_of_a_channel_are_not_alike(networks):
    weight = networks[1].language_model.layers[0].mlp.down_proj.weight
    assert float((weight[:, 0::2] - weight[:, 1::2]).detach().abs().min()) > 0
