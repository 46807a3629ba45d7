# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from support.tiny_policy import CONFIG, FLOW, HORIZON, JOINTS, network_inputs, noise, tiny_network

from quantvla_ros.models.blocks import Attention
from quantvla_ros.models.flow import normalized_chunk
from quantvla_ros.models.joint.roles import layer_roles, unused_layers
from quantvla_ros.models.mini_pi05.config import MiniPi05Config
from quantvla_ros.models.mini_pi05.graphs import graphs
from quantvla_ros.models.mini_pi05.network import MiniPi05


@pytest.fixture(scope="module")
def network():
    return tiny_network()


def test_shapes_of_context_and_velocity(network):
    context = network.encode(network_inputs())
    tokens = 2 * (32 // 16) ** 2 + 1 + 8
    assert [tuple(k.shape) for k in context.keys] == [(1, 2, tokens, 8)] * CONFIG.layers
    velocity = network.velocity(noise(), 1.0, context)
    assert velocity.shape == (1, HORIZON, len(JOINTS))


def test_skipping_the_end_of_the_last_layer_changes_no_key(network):
    inputs = network_inputs()
    short = network.encode(inputs)
    full, features = network.run_language_model(*network.embed(inputs), features=True)
    for a, b in zip(short.keys + short.values, full.keys + full.values, strict=True):
        torch.testing.assert_close(a, b)
    assert features.shape[-1] == CONFIG.width


def test_unused_layers_are_exactly_those_without_influence(network):
    inputs, start = network_inputs(), noise()
    before = normalized_chunk(network, start, network.encode(inputs), FLOW)
    for name in layer_roles(network):
        layer = network.get_submodule(name)
        saved = layer.weight.detach().clone()
        layer.weight.mul_(-1.0)
        after = normalized_chunk(network, start, network.encode(inputs), FLOW)
        layer.weight.copy_(saved)
        assert torch.equal(before, after) == (name in unused_layers(CONFIG)), name


def test_padding_tokens_do_not_matter(network):
    inputs = network_inputs()
    tokens = torch.where(inputs["token_mask"], inputs["tokens"], 5)
    first = normalized_chunk(network, noise(), network.encode(inputs), FLOW)
    other = network.encode({**inputs, "tokens": tokens})
    second = normalized_chunk(network, noise(), other, FLOW)
    torch.testing.assert_close(first, second)


@pytest.mark.parametrize(
    ("name", "change"),
    [("images", lambda x: 255 - x), ("state", lambda x: x + 1.0), ("tokens", lambda x: x.roll(2))],
)
def test_every_input_matters(network, name, change):
    inputs = network_inputs()
    before = normalized_chunk(network, noise(), network.encode(inputs), FLOW)
    inputs[name] = change(inputs[name])
    after = normalized_chunk(network, noise(), network.encode(inputs), FLOW)
    assert (before - after).abs().max() > 1e-4


def test_repeated_context_gives_each_chunk_its_own_answer(network):
    context = network.encode(network_inputs())
    both = torch.cat([noise(1), noise(2)])
    constants = network.time_constants(torch.tensor([0.9, 0.4]))
    together = network.step(both, constants, context.repeat(2))
    for row, t in ((0, 0.9), (1, 0.4)):
        alone = network.velocity(both[row : row + 1], t, context)
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-5, rtol=1e-4)


def test_a_deep_network_has_the_papers_number_of_layers_in_the_papers_layout():
    config = MiniPi05Config(
        vocabulary=8, cameras=1, image_size=16, state_width=1, action_width=1, horizon=1,
        width=8, layers=18, heads=1, kv_heads=1, head_width=8, mlp=8, expert_width=8,
        expert_mlp=8, vision_width=8, vision_heads=1, stem_channels=(8, 8),
    )  # fmt: skip
    roles = list(layer_roles(MiniPi05(config)).values())
    assert roles.count("llm_attn") + roles.count("llm_mlp") == 126
    assert roles.count("dit_mlp") == 54


def test_without_qk_norm_the_architecture_is_written_as_before_there_was_any():
    """So bundles keep their hash, and earlier versions, which refuse unknown sizes, load them."""
    written = CONFIG.model_dump(mode="json")
    assert "qk_norm" not in written
    assert MiniPi05Config.model_validate(written) == CONFIG
    assert CONFIG.qk_norm is None


@pytest.mark.parametrize(
    ("kind", "gains"), [("shared", [(8,)] * 2), ("per_head", [(4, 8), (2, 8)])]
)
def test_qk_norm_is_on_the_experts_queries_and_own_keys_alone(kind, gains):
    config = CONFIG.model_copy(update={"qk_norm": kind})
    assert MiniPi05Config.model_validate(config.model_dump(mode="json")) == config
    for name, module in MiniPi05(config).named_modules():
        if isinstance(module, Attention):
            norms = [norm for norm in (module.q_norm, module.k_norm) if norm is not None]
            expected = gains if name.startswith("action_expert.") else []
            assert [tuple(norm.weight.shape) for norm in norms] == expected, name


def test_an_unknown_qk_norm_is_refused():
    with pytest.raises(ValueError, match="qk_norm"):
        MiniPi05Config.model_validate({**CONFIG.model_dump(), "qk_norm": "some"})


def test_places_follow_the_mask_of_each_observation(network):
    inputs = network_inputs()
    longer = {**inputs, "token_mask": torch.ones_like(inputs["token_mask"])}
    kept = graphs(network)
    for given in (inputs, longer, inputs):
        fresh, known = graphs(network).host(given), kept.host(given)
        for name, value in {**fresh.context, **fresh.step}.items():
            assert torch.equal({**known.context, **known.step}[name], value), name
    assert not torch.equal(
        kept.host(inputs).step["action_bias"], kept.host(longer).step["action_bias"]
    )
