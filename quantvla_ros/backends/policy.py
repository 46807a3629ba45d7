# SPDX-License-Identifier: Apache-2.0
"""A bundle as a policy: processing, flow and a backend's runner, the same for all backends."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from quantvla_ros.backends.base import Backend, Options, Runner, RunningPolicy
from quantvla_ros.backends.registry import DEFAULT, YARDSTICK, find_backend
from quantvla_ros.bundle.storage import Bundle, load_bundle
from quantvla_ros.errors import BackendError
from quantvla_ros.models.families import find_family
from quantvla_ros.models.family import Network
from quantvla_ros.models.flow import normalized_chunk
from quantvla_ros.models.guidance import Guidance
from quantvla_ros.processing.processing import blank_observation
from quantvla_ros.quantization.network import load_network
from quantvla_ros.robot.action_prefix import ActionPrefix, check_prefix
from quantvla_ros.robot.chunk import Chunk
from quantvla_ros.robot.observation import Observation


class Policy:
    """Runs a bundle (see `RunningPolicy`).

    Attributes:
        manifest: of the bundle.
        network: as the runner took it over; quantization observes and changes it.
    """

    def __init__(self, bundle: Bundle, network: Network, backend: Backend, options: Options):
        """Make it ready; `network` is taken over."""
        self.manifest, self.network = bundle.manifest, network
        family = find_family(self.manifest.family)
        self._flow, self._guidance = family.flow(self.manifest), family.guidance
        self.processing = family.processing(bundle.manifest, bundle.tokenizer)
        example = self.inputs(blank_observation(self.manifest.interface))
        self.runner: Runner = backend.load(bundle, network, options, example)
        self.kernel, self.integer_layers = self.runner.kernel, self.runner.integer_layers
        self.weight_bytes, self.layer_bytes = self.runner.weight_bytes, self.runner.layer_bytes

    def inputs(self, observation: Observation) -> dict[str, Tensor]:
        """What the network takes, each with a batch axis of one."""
        inputs = self.processing.inputs(observation)
        return {name: torch.from_numpy(value)[None] for name, value in inputs.items()}

    def guidance(self, prefix: ActionPrefix, observation: Observation) -> Guidance:
        """What draws the flow to a prefix, normalized as the network's own actions are."""
        check_prefix(self.manifest.interface, prefix)
        target = self.processing.normalized(prefix.actions, observation).astype(np.float32)
        given = torch.from_numpy(target)[None].to(self.runner.device)
        return self._guidance(given, prefix.committed, self.manifest)

    def draws(
        self, observation: Observation, noises: Sequence[NDArray[np.float32]]
    ) -> list[NDArray[np.float64]]:
        """The actions that `infer` gives for each noise; the observation is encoded once."""
        with torch.inference_mode():
            device, runner = self.runner.device, self.runner
            inputs = {name: value.to(device) for name, value in self.inputs(observation).items()}
            context = runner.encode(inputs)
            starts = [torch.from_numpy(noise)[None].to(device) for noise in noises]
            ends = [normalized_chunk(runner, start, context, self._flow) for start in starts]
        return [self.processing.actions(end[0].cpu().numpy(), observation) for end in ends]

    def infer(
        self,
        observation: Observation,
        noise: NDArray[np.float32],
        prefix: ActionPrefix | None = None,
    ) -> Chunk:
        """Compute one chunk (see `RunningPolicy.infer`)."""
        marks = [time.perf_counter()]

        def mark() -> None:
            marks.append(time.perf_counter())

        with torch.inference_mode():
            device = self.runner.device
            inputs = {name: value.to(device) for name, value in self.inputs(observation).items()}
            start = torch.from_numpy(noise)[None].to(device)
            guidance = None if prefix is None else self.guidance(prefix, observation)
            mark()
            context = self.runner.encode(inputs)
            mark()
            velocity = partial(self.runner.velocity, context=context)
            for step in self._flow.integrate(velocity, start, guidance):
                normalized = step.x_next
                mark()
            actions = self.processing.actions(normalized[0].cpu().numpy(), observation)
        mark()
        spans = (np.diff(marks) * 1e3).tolist()
        preprocess, encode, *denoise, postprocess = spans
        loading, loading_steps = self.runner.loading_ms
        denoise[0] -= loading_steps
        timings = {
            "preprocess": preprocess,
            "encode": encode - loading,
            "denoise": sum(denoise),
            "postprocess": postprocess,
        }
        if loading or loading_steps:
            timings["load"] = loading + loading_steps
        return Chunk(actions, observation.stamp, timings, tuple(denoise))


def policy_of(bundle: Bundle, network: Network, backend: str = YARDSTICK) -> Policy:
    """A policy around a network that is already built; `network` is taken over.

    Args:
        bundle: where interface, normalization and tokenizer come from.
        network: float or with quantized layers.
        backend: name of one that runs networks.
    """
    return Policy(bundle, network, find_backend(backend), Options())


def network_policy(path: Path, backend: Backend, options: Options) -> Policy:
    """Load a bundle and make its network ready on a backend (see `Backend.policy`)."""
    if options.resident not in backend.resident:
        raise BackendError(
            f"backend '{backend.name}' cannot run with `resident` {options.resident}; it knows: "
            f"{', '.join(backend.resident)}"
        )
    backend.prepare(options)
    torch.set_num_threads(options.threads)
    bundle = load_bundle(path)
    network = load_network(bundle)
    # The network alone holds its tensors, so that a layer which is widened or packed gives them up.
    bundle = replace(bundle, tensors={})
    return Policy(bundle, network, backend, options)


def load_policy(
    path: Path,
    backend: str = DEFAULT,
    threads: int = 1,
    resident: str = "all",
) -> RunningPolicy:
    """Load a float or quantized bundle and make it ready to run.

    Args:
        path: of the bundle.
        backend: its name in the registry.
        threads: of an inference.
        resident: see `Options`.

    Raises:
        BundleError: the bundle is damaged.
        BackendError: the backend is unknown, or the bundle cannot run on it here.
    """
    return find_backend(backend).policy(Path(path), Options(threads, resident))
