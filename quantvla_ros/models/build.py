# SPDX-License-Identifier: Apache-2.0
"""Network and bundle, one made from the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from quantvla_ros.bundle.schema import BundleManifest
from quantvla_ros.bundle.tensors import check_tensors
from quantvla_ros.errors import BundleError
from quantvla_ros.models.families import find_family
from quantvla_ros.models.family import Network
from quantvla_ros.models.stored import compute_in_float32, may_stay_stored
from quantvla_ros.validation import first_problem

_DRAWN = (Tensor.normal_, Tensor.uniform_, nn.init.normal_, nn.init.kaiming_uniform_)
"""What fills a tensor with random numbers and returns it."""


def read_architecture(manifest: BundleManifest) -> Any:
    """The sizes of the bundle's network, of its family's type `Family.config`.

    Raises:
        BundleError: they are not what the family's network takes.
        QuantVLAError: no such family is installed.
    """
    try:
        return find_family(manifest.family).config.model_validate(manifest.architecture)
    except ValidationError as error:
        problem = first_problem(error, "architecture")
        raise BundleError(
            f"bundle.yaml is not valid at {problem}; make the bundle again"
        ) from error


def empty_network(manifest: BundleManifest) -> Network:
    """The bundle's float network on the meta device: shapes without weights.

    Raises:
        QuantVLAError: see `read_architecture`.
    """
    sizes = read_architecture(manifest)
    with torch.device("meta"), _WithoutNumbers():
        return find_family(manifest.family).build(sizes).eval().requires_grad_(False)


class _WithoutNumbers(TorchFunctionMode):
    """Draws no random numbers: to draw them without memory PyTorch loads its compiler, a second."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if function in _DRAWN:
            return given["tensor"] if "tensor" in given else args[0]
        return (torch.empty if function is torch.randn else function)(*args, **given)


def load_weights(network: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Put a bundle's tensors into an empty network; each must be the network's own.

    16-bit weights of linears and embeddings stay as they are (see `stored`), the few others become
    float32; nothing else is copied.

    Raises:
        BundleError: a tensor is missing, too many, of another shape, or of another kind.
    """
    state = network.state_dict()
    check_tensors(tensors, state)
    kept = may_stay_stored(network)
    placed = {k: v if k in kept else v.to(state[k].dtype) for k, v in tensors.items()}
    network.load_state_dict(placed, assign=True)
    compute_in_float32(network)
