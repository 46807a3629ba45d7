# SPDX-License-Identifier: Apache-2.0
"""Named tensors that lie together, on the GPU and on the host, so that one copy moves all."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from quantvla_ros.backends.graphs.program import TensorSpec
from quantvla_ros.backends.tensorrt.cuda import Device

ALIGNMENT = 256  # bytes; of TensorRT's kernels and of CUDA's own memory


class TensorBlock:
    """Tensors one behind the other, at the same offsets in both memories.

    Attributes:
        addresses: on the GPU, by name.
        host: the same tensors in pinned memory of the host, by name.
    """

    def __init__(self, device: Device, specs: Mapping[str, TensorSpec]) -> None:
        """Take memory for all tensors."""
        self._device = device
        offsets: dict[str, int] = {}
        size = 0
        for name, (shape, dtype) in specs.items():
            offsets[name] = size
            used = torch.Size(shape).numel() * dtype.itemsize
            size += -(-max(used, 1) // ALIGNMENT) * ALIGNMENT
        size = max(size, ALIGNMENT)  # also of nothing: a graph may have no such inputs
        self._base = device.memory(size)
        self._pinned = device.pinned(size)
        self.addresses = {name: self._base + offset for name, offset in offsets.items()}
        flat = torch.frombuffer(self._pinned, dtype=torch.uint8)
        self.host: dict[str, Tensor] = {}
        for name, (shape, dtype) in specs.items():
            used = torch.Size(shape).numel() * dtype.itemsize
            self.host[name] = flat.narrow(0, offsets[name], used).view(dtype).view(shape)

    def fill(self, values: Mapping[str, Tensor]) -> None:
        """Write the host's tensors whose names are here, each in its type."""
        for name, tensor in self.host.items():
            if name in values:
                tensor.copy_(values[name])

    def upload(self) -> None:
        """Begin to copy to the GPU."""
        self._device.upload(self._base, self._pinned)

    def download(self) -> None:
        """Begin to copy to the host."""
        self._device.download(self._pinned, self._base)

    def not_finite(self) -> list[str]:
        """Names of the host's tensors that hold NaN or inf."""
        return [
            name
            for name, tensor in self.host.items()
            if tensor.is_floating_point()
            and not torch.stack(torch.aminmax(tensor)).isfinite().all()
        ]
