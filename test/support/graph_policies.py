# SPDX-License-Identifier: Apache-2.0
"""A tiny policy of each family that describes its graphs, float or with static INT8 layers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from outside_family.network import ReachConfig, ReachNetwork
from support import imported_act, imported_groot_n15, smolvla, tiny_pi05
from support.imported_groot import imported, observation
from support.parity import golden
from support.spaces import ARM, action_space, state_space
from support.tiny_policy import WORDS, network_inputs, tiny_manifest, tiny_network

from quantvla_ros.backends.graphs.export import export_graphs, graphs_of
from quantvla_ros.backends.policy import policy_of
from quantvla_ros.bundle.schema import Normalization, TokenizerSpec, float_manifest
from quantvla_ros.bundle.storage import Bundle, load_bundle
from quantvla_ros.bundle.tokenizer import Tokenizer, build_word_tokenizer
from quantvla_ros.models.families import find_family
from quantvla_ros.models.family import Network
from quantvla_ros.models.flow import normalized_chunk
from quantvla_ros.models.graphs import NOISY_CHUNK, VELOCITY
from quantvla_ros.quantization.layouts import select_layers
from quantvla_ros.quantization.modules import replace_module
from quantvla_ros.quantization.network import load_network
from quantvla_ros.quantization.observe import observe_inputs
from quantvla_ros.quantization.quantized_linear import QuantizedLinear
from quantvla_ros.quantization.rounding.nearest import round_nearest
from quantvla_ros.quantization.schemes import Precision
from quantvla_ros.robot.interface import CameraSlot, Interface
from quantvla_ros.robot.observation import Observation

SIZE, HORIZON, JOINTS = 16, 6, ("a", "b", "c")
STATIC = Precision(8, None, "static")
FAMILIES = ("mini_pi05", "reach", "smolvla", "pi05", "groot_n17", "groot_n15", "act_policy")


@dataclass(frozen=True)
class GraphPolicy:
    """A policy in memory, and inputs of several observations."""

    bundle: Bundle
    network: Network
    inputs: list[dict[str, torch.Tensor]]

    @property
    def family(self):
        return find_family(self.bundle.manifest.family)

    @property
    def flow(self):
        return self.family.flow(self.bundle.manifest)

    def noise(self, seed: int = 0):
        shape = self.bundle.manifest.noise_shape
        return torch.randn((1, *shape), generator=torch.Generator().manual_seed(seed))

    def chunks(self, network=None):
        """A chunk of each input [n, HORIZON, actions]."""
        network = network or self.network
        with torch.no_grad():
            found = [
                normalized_chunk(network, self.noise(i), network.encode(one), self.flow)
                for i, one in enumerate(self.inputs)
            ]
        return torch.cat(found)

    def quantize(self, layout: str = "llm+dit", rotation: int | None = None) -> None:
        """Round to nearest with static ranges of `inputs`, in place."""
        unused = self.family.unused(self.network)
        names = select_layers(self.family.roles(self.network), layout)
        seen = observe_inputs(self.network, names, lambda: self.chunks(), hessian=False)
        for name in names:
            linear = self.network.get_submodule(name)
            assert (name in seen) == (name not in unused)
            largest = seen[name].absmax.max() if name in seen else torch.ones(())
            codes = round_nearest(linear.weight.float(), 8, None)
            layer = QuantizedLinear.from_codes(
                codes, linear.bias, STATIC, 8, largest / 127, rotation
            )
            replace_module(self.network, name, layer)


def graph_policy(family: str) -> GraphPolicy:
    """A float policy with random weights."""
    made = {
        "mini_pi05": _mini,
        "reach": _reach,
        "smolvla": _smolvla,
        "pi05": _pi05,
        "groot_n17": _groot,
        "groot_n15": _groot_n15,
        "act_policy": _act,
    }
    return made[family]()


def _mini() -> GraphPolicy:
    inputs = [network_inputs(seed) for seed in range(3)]
    for padding, one in zip((0, 2, 5), inputs, strict=True):
        one["token_mask"] = torch.arange(8)[None] < 8 - padding
    tokenizer = Tokenizer(build_word_tokenizer(WORDS), 8)
    bundle = Bundle(Path("tiny"), tiny_manifest(), {}, tokenizer)
    return GraphPolicy(bundle, tiny_network(), inputs)


def _reach() -> GraphPolicy:
    torch.manual_seed(3)
    pair, count = (-0.6, 0.9), len(JOINTS)
    config = ReachConfig(
        vocabulary=len(WORDS) + 2,
        cameras=2,
        image_size=SIZE,
        state_quantiles=[pair] * count,
        action_quantiles=[pair] * count,
    )
    arm = (ARM, "rad", JOINTS)
    slots = (CameraSlot("front", SIZE, SIZE), CameraSlot("wrist", SIZE, SIZE, optional=True))
    manifest = float_manifest(
        "reach",
        config.model_dump(mode="json"),
        Interface(slots, state_space(arm), action_space(arm), 0.1, HORIZON),
        Normalization(
            state_mean=[0.0] * count,
            state_std=[1.0] * count,
            action_mean=[[0.0] * count] * HORIZON,
            action_std=[[1.0] * count] * HORIZON,
        ),
        denoise_steps=4,
        tokenizer=TokenizerSpec(max_length=8),
    )
    bundle = Bundle(Path("reach"), manifest, {}, Tokenizer(build_word_tokenizer(WORDS), 8))
    network = ReachNetwork(config).eval().requires_grad_(False)
    inputs = [
        {
            "images": torch.randint(0, 256, (1, 2, SIZE, SIZE, 3), dtype=torch.uint8),
            "camera_mask": torch.tensor([[True, both]]),
            "state": torch.randn(1, count),
            "tokens": torch.randint(1, len(WORDS), (1, 8)),
            "token_mask": torch.arange(8)[None] >= padding,
        }
        for both, padding in ((True, 0), (False, 3), (True, 7))
    ]
    return GraphPolicy(bundle, network, inputs)


def _smolvla() -> GraphPolicy:
    """The golden checkpoint's, with a camera that may be missing."""
    made = smolvla.with_empty_camera()
    spec = made.manifest.tokenizer
    tokenizer = Tokenizer(made.tokenizer_json, spec.max_length, spec.pad, spec.room)
    seen = smolvla.inputs(made)
    inputs = [
        {
            **seen,
            "camera_mask": torch.tensor([[True, second, False]]),
            "token_mask": torch.arange(spec.max_length)[None] < words,
        }
        for second, words in ((True, 48), (False, 11), (True, 30))
    ]
    bundle = Bundle(Path("smolvla"), made.manifest, {}, tokenizer)
    return GraphPolicy(bundle, smolvla.network(made), inputs)


def _pi05() -> GraphPolicy:
    """The golden checkpoint's, with prompts of several lengths and a camera that may be missing."""
    bundle = tiny_pi05.float_bundle("pi05")
    policy = tiny_pi05.float_policy("pi05")
    inputs = [
        {
            **policy.inputs(observation),
            "camera_mask": torch.tensor([[True, second]]),
            "token_mask": torch.arange(bundle.manifest.tokenizer.max_length)[None] < words,
        }
        for observation, second, words in zip(
            tiny_pi05.observations(3), (True, False, True), (120, 11, 40), strict=True
        )
    ]
    return GraphPolicy(bundle, policy.network, inputs)


def _groot() -> GraphPolicy:
    """The golden checkpoint's that computes more rows than a chunk has, with several prompts."""
    return _with_prompts(imported("groot_raw"), observation(golden("groot_raw")))


def _groot_n15() -> GraphPolicy:
    """The golden checkpoint's, with several prompts."""
    seen = imported_groot_n15.observation(golden(imported_groot_n15.NAME))
    return _with_prompts(imported_groot_n15.imported(), seen)


def _act() -> GraphPolicy:
    """The golden checkpoint's; what it is told changes nothing."""
    return _with_prompts(
        imported_act.imported(), imported_act.observation(golden(imported_act.NAME))
    )


def _with_prompts(path: Path, seen: Observation) -> GraphPolicy:
    """A bundle's policy that sees one thing and is told three."""
    bundle = load_bundle(path)
    policy = policy_of(bundle, load_network(bundle))
    told = ("open", "pick up the red cube and put it away", "close the drawer")
    inputs = [policy.inputs(replace(seen, instruction=words)) for words in told]
    return GraphPolicy(bundle, policy.network, inputs)


class GraphNetwork:
    """Runs two exported graphs as a network's halves."""

    def __init__(self, graphs, context, step):
        self.graphs, self._context, self._step = graphs, context, step

    def encode(self, inputs):
        host = self.graphs.host(inputs)
        found = self._context(*(host.context[name] for name in self.graphs.context.inputs))
        return {**host.step, **found}

    def velocity(self, x_t, time, context):
        given = {NOISY_CHUNK: x_t, **self.graphs.time(torch.tensor([time])), **context}
        return self._step(*(given[name] for name in self.graphs.step.inputs))[VELOCITY]


def lowered(policy, kind):
    graphs = graphs_of(policy.bundle, policy.network)
    precision = dict.fromkeys(graphs.part_names, kind)
    return graphs, export_graphs(policy.bundle, policy.network, precision)


def played(graphs, programs):
    return GraphNetwork(graphs, programs["context"].module(), programs["step"].module())
