# SPDX-License-Identifier: Apache-2.0
"""A bundle as a policy: observation and noise in, a chunk of joint positions out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from quantvla_ros.backends.cpu.compiled import CompiledNetwork, check_can_compile
from quantvla_ros.backends.cpu.packing import PackedLinear, pack_network, packed_kernel
from quantvla_ros.bundle.schema import BundleManifest, Interface
from quantvla_ros.bundle.storage import Bundle, load_bundle
from quantvla_ros.models.flow import integrate
from quantvla_ros.models.guidance import PrefixGuidance
from quantvla_ros.models.mini_pi05.network import Pi05, Prefix
from quantvla_ros.models.mini_pi05.roles import unused_layers
from quantvla_ros.quantization.network import load_network
from quantvla_ros.quantization.quantized_linear import QuantizedLinear, quantized_layers
from quantvla_ros.robot.action_prefix import ActionPrefix, check_prefix
from quantvla_ros.robot.chunk import Chunk
from quantvla_ros.robot.observation import Observation, check_observation, state_vector

BackendName = Literal["cpu", "reference"]


class Policy(Protocol):
    """What the worker, the gate and the evaluation need of a backend."""

    manifest: BundleManifest
    kernel: str
    integer_layers: int

    def infer(
        self,
        observation: Observation,
        noise: NDArray[np.float32],
        prefix: ActionPrefix | None = None,
    ) -> Chunk:
        """Compute one chunk; the same arguments give the same chunk.

        Args:
            observation: what the robot sees.
            noise: where the flow starts [horizon, actions].
            prefix: what the robot does meanwhile; the chunk continues it.
        """
        ...

    def weight_bytes(self) -> int:
        """Bytes of the weight tensors that the backend really holds."""
        ...


class Denoiser(Protocol):
    """The two halves of a network, plain or compiled."""

    def encode(self, images: Tensor, state: Tensor, tokens: Tensor, token_mask: Tensor) -> Prefix:
        """Run the prefix once."""
        ...

    def denoise(self, x_t: Tensor, t: Tensor, prefix: Prefix) -> Tensor:
        """Velocity of the flow."""
        ...


def blank_observation(interface: Interface) -> Observation:
    """An observation of the right shapes and no content, to compile with."""
    return Observation(
        images={c.name: np.zeros((c.height, c.width, 3), np.uint8) for c in interface.cameras},
        joints=np.zeros(len(interface.state.names), np.float32),
        instruction="compile",
        stamp=0.0,
    )


class TorchPolicy:
    """Preprocessing, the network's two halves, and the way back to joint positions."""

    def __init__(self, bundle: Bundle, network: Pi05, kernel: str, compiled: bool) -> None:
        self.manifest = bundle.manifest
        self.network, self.kernel = network, kernel
        self.integer_layers = _count(network)
        self._tokenize = bundle.tokenizer.encode
        norm = self.manifest.normalization
        self._state_mean = np.asarray(norm.state_mean, np.float32)
        self._state_std = np.asarray(norm.state_std, np.float32)
        self._action_mean = np.asarray(norm.action_mean, np.float64)
        self._action_std = np.asarray(norm.action_std, np.float64)
        action = self.manifest.interface.action
        self._relative = np.asarray(action.relative, dtype=bool)
        seen = self.manifest.interface.state.names
        self._observed = [
            seen.index(n)
            for n, relative in zip(action.names, action.relative, strict=True)
            if relative
        ]
        self._runner: Denoiser = network
        if compiled:
            example = self.inputs(blank_observation(self.manifest.interface))
            self._runner = CompiledNetwork(network, example)

    def inputs(self, observation: Observation) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Images, normalized state, tokens and token mask, each with a batch axis of one."""
        interface = self.manifest.interface
        check_observation(interface, observation)
        images = np.stack([observation.images[c.name] for c in interface.cameras])
        state = (state_vector(interface, observation.joints) - self._state_mean) / self._state_std
        ids, mask = self._tokenize(observation.instruction)
        return (
            torch.from_numpy(images)[None],
            torch.from_numpy(state.astype(np.float32))[None],
            torch.from_numpy(ids)[None],
            torch.from_numpy(mask)[None],
        )

    def to_robot(
        self, normalized: NDArray[np.float32], observation: Observation
    ) -> NDArray[np.float64]:
        """Joint positions in the robot's units from a normalized chunk."""
        actions = normalized.astype(np.float64) * self._action_std + self._action_mean
        result: NDArray[np.float64] = actions + self._offset(observation)
        return result

    def _offset(self, observation: Observation) -> NDArray[np.float64]:
        """What the relative actions are counted from: where the robot was seen, else zero."""
        offset = np.zeros(len(self._relative))
        offset[self._relative] = observation.joints[self._observed]
        return offset

    def guidance(self, prefix: ActionPrefix, observation: Observation) -> PrefixGuidance:
        """What draws the flow to a prefix, normalized as the network's own actions are."""
        interface = self.manifest.interface
        check_prefix(interface, prefix)
        known = len(prefix.actions)
        rows = prefix.actions - self._offset(observation)
        target = (rows - self._action_mean[:known]) / self._action_std[:known]
        return PrefixGuidance(
            torch.from_numpy(target.astype(np.float32))[None], prefix.committed, interface.horizon
        )

    def infer(
        self,
        observation: Observation,
        noise: NDArray[np.float32],
        prefix: ActionPrefix | None = None,
    ) -> Chunk:
        """Compute one chunk (see `Policy.infer`)."""
        marks = [time.perf_counter()]

        def mark() -> None:
            marks.append(time.perf_counter())

        with torch.inference_mode():
            inputs = self.inputs(observation)
            guidance = None if prefix is None else self.guidance(prefix, observation)
            mark()
            encoded = self._runner.encode(*inputs)
            mark()
            steps = self.manifest.denoise_steps
            start = torch.from_numpy(noise)[None]
            normalized = integrate(self._runner, start, encoded, steps, guidance, mark)
            actions = self.to_robot(normalized[0].numpy(), observation)
        mark()
        spans = (np.diff(marks) * 1e3).tolist()
        preprocess, encode, *denoise, postprocess = spans
        timings = {
            "preprocess": preprocess,
            "encode": encode,
            "denoise": sum(denoise),
            "postprocess": postprocess,
        }
        return Chunk(actions, observation.stamp, timings, tuple(denoise))

    def weight_bytes(self) -> int:
        """Bytes of the weight tensors held: parameters, buffers and packed integer weights."""
        tensors = [*self.network.parameters(), *self.network.buffers()]
        packed = [m.held_bytes for m in self.network.modules() if isinstance(m, PackedLinear)]
        return sum(t.nbytes for t in tensors) + sum(packed)

    def layer_bytes(self, names: list[str]) -> int:
        """Bytes held by the named linears, biases and scales included."""
        total = 0
        for name in names:
            module = self.network.get_submodule(name)
            total += sum(t.nbytes for t in [*module.parameters(), *module.buffers()])
            total += module.held_bytes if isinstance(module, PackedLinear) else 0
        return total


def _count(network: nn.Module) -> int:
    packed = sum(isinstance(m, PackedLinear) for m in network.modules())
    return packed + len(quantized_layers(network))


def _activations(layers: list[QuantizedLinear]) -> str:
    """The activation grid for the record of kernels; nothing where all activations are float."""
    bits = {m.activation_bits for m in layers if m.precision.activation != "float"}
    return f", {bits.pop()}-bit activations" if bits else ""


def policy_of(
    bundle: Bundle, network: Pi05, backend: BackendName = "reference", compiled: bool = False
) -> TorchPolicy:
    """A policy around a network that is already built; `network` is taken over.

    Args:
        bundle: where interface, normalization and tokenizer come from.
        network: float or with quantized layers.
        backend: "reference" computes on the integer grid in float32, "cpu" on integer units.
        compiled: compile the network now; takes a minute, or seconds from the compiler's cache.
    """
    layers = quantized_layers(network)
    kernel = "float32"
    if layers and backend == "cpu":
        pack_network(network, frozenset(unused_layers(network.config)))
        kernel = packed_kernel(network) + _activations(list(layers.values()))
    elif layers:
        kernel = "reference"
    return TorchPolicy(bundle, network, kernel, compiled)


def load_policy(
    path: Path, backend: BackendName = "cpu", compiled: bool = True, threads: int = 1
) -> TorchPolicy:
    """Load a float or quantized bundle and make it ready to run.

    Raises:
        BundleError: the bundle is damaged.
        BackendError: this CPU does not multiply the bundle's integers exactly, or nothing can be
            compiled here.
    """
    if compiled:
        check_can_compile()
    torch.set_num_threads(threads)
    bundle = load_bundle(path)
    return policy_of(bundle, load_network(bundle), backend, compiled)
