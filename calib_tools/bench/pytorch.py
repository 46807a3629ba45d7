# SPDX-License-Identifier: Apache-2.0
"""The float policy by compiled PyTorch on the GPU, which engines are measured against.

It runs as policies are served there: products in bfloat16 (autocast), both halves compiled with
CUDA graphs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from quantvla_ros.backends.base import Backend, Options, RunningPolicy
from quantvla_ros.backends.policy import network_policy
from quantvla_ros.backends.runner import NetworkRunner
from quantvla_ros.errors import BackendError

if TYPE_CHECKING:
    from quantvla_ros.bundle.storage import Bundle
    from quantvla_ros.models.family import Network
    from quantvla_ros.quantization.schemes import Precision


def pytorch_policy(path: Path, threads: int) -> RunningPolicy:
    """A float bundle as PyTorch runs it on the GPU, compiled.

    Raises:
        QuantVLAError: the bundle is damaged, or this PyTorch sees no GPU.
    """
    if not torch.cuda.is_available():
        raise BackendError(
            "this PyTorch sees no GPU; install the build for this machine's CUDA, and bench again"
        )
    return network_policy(path, OnGpu("cuda"), Options(threads=threads))


class OnGpu(Backend):
    """PyTorch on a GPU; a yardstick of the bench, which no robot runs."""

    name = "pytorch"

    def __init__(self, device: str) -> None:
        """Take the device as PyTorch names it."""
        self._device = device

    def activation_bits(self, precisions: Sequence[Precision]) -> int:
        """See `Backend`; it runs float bundles."""
        return 8

    def target(self) -> str:
        """See `Backend`."""
        return self._device

    def load(
        self, bundle: Bundle, network: Network, options: Options, example: Mapping[str, Tensor]
    ) -> GpuRunner:
        """See `Backend`; compiles in the first inferences, which are not measured."""
        return GpuRunner(network, self._device)


class GpuRunner(NetworkRunner):
    """A network on a device, compiled (see `Runner`)."""

    def __init__(self, network: Network, device: str) -> None:
        """Move the network to the device; it is taken over."""
        where = torch.cuda.get_device_name(device) if device == "cuda" else device
        super().__init__(network.to(device), f"PyTorch bf16 on {where}")
        self.device = device
        self._encode = torch.compile(network.encode, mode="reduce-overhead")
        self._step = torch.compile(network.step, mode="reduce-overhead")
        self._constants: dict[float, Any] = {}

    def encode(self, inputs: Mapping[str, Tensor]) -> Any:
        """See `Runner`."""
        with self._bfloat16():
            # Copied: what a CUDA graph puts out is overwritten when it runs again.
            return self._done(tree_map(_copied, self._encode(dict(inputs))))

    def velocity(self, x_t: Tensor, time: float, context: Any) -> Tensor:
        """See `Runner`."""
        with self._bfloat16():
            if time not in self._constants:
                t = torch.tensor([time], device=self.device)
                self._constants[time] = self.network.time_constants(t)
            velocity: Tensor = self._step(x_t, self._constants[time], context)
        done: Tensor = self._done(velocity.float().clone())
        return done

    def _done(self, value: Any) -> Any:
        """Wait for the GPU, as engines do after each stage: a stage's time is that of its work."""
        if self.device == "cuda":
            torch.cuda.synchronize()
        return value

    def _bfloat16(self) -> torch.autocast:
        return torch.autocast(torch.device(self.device).type, torch.bfloat16)


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value
