# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from support.tiny_policy import CONFIG, HORIZON, JOINTS, STEPS, network_inputs, noise, tiny_network

from quantvla_ros.models.blocks import Attention
from quantvla_ros.models.flow import integrate
from quantvla_ros.models.mini_pi05.network import Pi05, Pi05Config
from quantvla_ros.models.mini_pi05.roles import layer_roles, unused_layers


@pytest.fixture(scope="module")
def network():
    return tiny_network()


def test_shapes_of_prefix_and_velocity(network):
    prefix = network.encode(*network_inputs())
    tokens = 2 * (32 // 16) ** 2 + 1 + 8
    assert [tuple(k.shape) for k in prefix.keys] == [(1, 2, tokens, 8)] * CONFIG.layers
    velocity = network.denoise(noise(), torch.ones(1), prefix)
    assert velocity.shape == (1, HORIZON, len(JOINTS))


def test_skipping_the_end_of_the_last_layer_changes_no_key(network):
    inputs = network_inputs()
    short = network.encode(*inputs)
    full, features = network.run_prefix(*network.embed_prefix(*inputs), features=True)
    for a, b in zip(short.keys + short.values, full.keys + full.values, strict=True):
        torch.testing.assert_close(a, b)
    assert features.shape[-1] == CONFIG.width


def test_unused_layers_are_exactly_those_without_influence(network):
    inputs, start = network_inputs(), noise()
    before = integrate(network, start, network.encode(*inputs), STEPS)
    for name in layer_roles(network):
        layer = network.get_submodule(name)
        saved = layer.weight.detach().clone()
        layer.weight.mul_(-1.0)
        after = integrate(network, start, network.encode(*inputs), STEPS)
        layer.weight.copy_(saved)
        assert torch.equal(before, after) == (name in unused_layers(CONFIG)), name


def test_padding_tokens_do_not_matter(network):
    images, state, tokens, mask = network_inputs()
    other = torch.where(mask, tokens, torch.full_like(tokens, 5))
    first = integrate(network, noise(), network.encode(images, state, tokens, mask), STEPS)
    second = integrate(network, noise(), network.encode(images, state, other, mask), STEPS)
    torch.testing.assert_close(first, second)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_every_input_matters(network, position):
    inputs = list(network_inputs())
    before = integrate(network, noise(), network.encode(*inputs), STEPS)
    changed = [255 - inputs[0], inputs[1] + 1.0, inputs[2].roll(2)]
    inputs[position] = changed[position]
    after = integrate(network, noise(), network.encode(*inputs), STEPS)
    assert (before - after).abs().max() > 1e-4


def test_repeated_prefix_gives_each_chunk_its_own_answer(network):
    prefix = network.encode(*network_inputs())
    both = torch.cat([noise(1), noise(2)])
    together = network.denoise(both, torch.tensor([0.9, 0.4]), prefix.repeat(2))
    for row, t in ((0, 0.9), (1, 0.4)):
        alone = network.denoise(both[row : row + 1], torch.tensor([t]), prefix)
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-5, rtol=1e-4)


def test_integration_is_euler_from_noise_to_action():
    class Constant:
        def denoise(self, x, t, prefix):
            self.times.append(float(t))
            return torch.full_like(x, 2.0)

        def __init__(self):
            self.times = []

    field = Constant()
    out = integrate(field, torch.zeros(1, 2, 2), None, 4)
    torch.testing.assert_close(out, torch.full((1, 2, 2), -2.0))
    assert field.times == [1.0, 0.75, 0.5, 0.25]


def test_pi05_has_the_papers_number_of_layers_in_the_papers_layout():
    config = Pi05Config(
        vocabulary=8, cameras=1, image_size=16, state_width=1, action_width=1, horizon=1,
        width=8, layers=18, heads=1, kv_heads=1, head_width=8, mlp=8, expert_width=8,
        expert_mlp=8, vision_width=8, vision_heads=1, stem_channels=(8, 8),
    )  # fmt: skip
    roles = list(layer_roles(Pi05(config)).values())
    assert roles.count("llm_attn") + roles.count("llm_mlp") == 126
    assert roles.count("dit_mlp") == 54


def test_without_qk_norm_the_architecture_is_written_as_before_there_was_any():
    """So bundles keep their hash, and earlier versions, which refuse unknown sizes, load them."""
    written = CONFIG.model_dump(mode="json")
    assert "qk_norm" not in written
    assert Pi05Config.model_validate(written) == CONFIG
    assert CONFIG.qk_norm is None


@pytest.mark.parametrize(
    ("kind", "gains"), [("shared", [(8,)] * 2), ("per_head", [(4, 8), (2, 8)])]
)
def test_qk_norm_is_on_the_experts_queries_and_own_keys_alone(kind, gains):
    config = CONFIG.model_copy(update={"qk_norm": kind})
    assert Pi05Config.model_validate(config.model_dump(mode="json")) == config
    for name, module in Pi05(config).named_modules():
        if isinstance(module, Attention):
            norms = [norm for norm in (module.q_norm, module.k_norm) if norm is not None]
            expected = gains if name.startswith("action_expert.") else []
            assert [tuple(norm.weight.shape) for norm in norms] == expected, name


def test_an_unknown_qk_norm_is_refused():
    with pytest.raises(ValueError, match="qk_norm"):
        Pi05Config.model_validate({**CONFIG.model_dump(), "qk_norm": "some"})
